/* Blocks: reading hostile ones is safe; the columns that read well, written again, read the same. */
#include "src/base/error.h"
#include "src/base/mem.h"
#include "storage/block.h"
#include "storage/bytes.h"

#include <xxhash.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HEAD 24

static void require(bool ok)
{
    if (!ok) {
        abort();
    }
}

static bool is_ascending(const struct sample_columns *c)
{
    for (size_t i = 1; i < c->n; i++) {
        if (c->t_ms[i - 1] >= c->t_ms[i]) {
            return false;
        }
    }
    return c->n > 0;
}

/* Makes the checksums of directory and columns right, so that damage reaches the decoders. */
static void mend(uint8_t *p, size_t size)
{
    uint64_t series = bytes_load_le(p + 16, 4), times = bytes_load_le(p + 20, 4);
    if (series > BLOCK_SERIES_MAX || times > BLOCK_SERIES_MAX || HEAD + times * 16 + series * 24 > size) {
        return;
    }
    for (uint64_t i = 0; i < times + series; i++) {
        uint8_t *e = i < times ? p + HEAD + i * 16 : p + HEAD + times * 16 + (i - times) * 24 + 12;
        uint64_t offset = bytes_load_le(e, 4), length = bytes_load_le(e + 4, 4);
        if (offset + length <= size) {
            bytes_store_le(i < times ? e + 12 : e + 8, XXH3_64bits(p + offset, length), 4);
        }
    }
    bytes_store_le(p, XXH3_64bits(p + 8, HEAD + times * 16 + series * 24 - 8), 8);
}

static void read_all(struct str value)
{
    struct block block, again;
    if (block_open(value, &block)) {
        return;
    }
    struct block_builder builder;
    struct sample_columns c = {0}, back = {0};
    auto_buf out;
    buf_init(&out, 1 << 30);
    for (uint32_t i = 0; i < block.series_count && i < 300; i++) {
        uint64_t id = block_series_id(&block, i);
        c.n = back.n = 0;
        int rc = block_read(&block, id, &c);
        require(rc == 0 || rc == ERR_CORRUPT);
        sample_columns_settle(&c);
        if (rc || !is_ascending(&c) || c.n > 100000) {
            continue;
        }
        block_builder_init(&builder);
        block_builder_add(&builder, id, c.t_ms, c.v, c.n);
        buf_clear(&out);
        block_builder_finish(&builder, &out);
        require(block_open(buf_str(&out), &again) == 0 && block_read(&again, id, &back) == 0 && back.n == c.n);
        require(memcmp(back.t_ms, c.t_ms, c.n * 8) == 0 && memcmp(back.v, c.v, c.n * 8) == 0);
        block_builder_release(&builder);
    }
    sample_columns_release(&c);
    sample_columns_release(&back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    read_all((struct str){(const char *)data, size});
    if (size >= HEAD) {
        uint8_t *copy = mem_alloc(size);
        memcpy(copy, data, size);
        mend(copy, size);
        read_all((struct str){(const char *)copy, size});
        mem_free(copy);
    }
    return 0;
}
