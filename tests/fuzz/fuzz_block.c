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
    uint64_t columns = bytes_load_le(p + 12, 4), times = bytes_load_le(p + 16, 4),
             time_bytes = bytes_load_le(p + 20, 4);
    if (columns > BLOCK_COLUMNS_MAX || times > BLOCK_COLUMNS_MAX || HEAD + (times + columns) * 12 > size) {
        return;
    }
    uint64_t base = HEAD + (times + columns) * 12, from = 0;
    for (uint64_t i = 0; i < times + columns; i++) {
        uint8_t *e = p + HEAD + i * 12 + 4; /* end and checksum stand at the same places in both directories */
        if (i == times) {
            base += time_bytes;
            from = 0;
        }
        uint64_t end = bytes_load_le(e, 4);
        if (from <= end && base + end <= size) {
            bytes_store_le(e + 4, XXH3_64bits(p + base + from, end - from), 4);
        }
        from = end;
    }
    bytes_store_le(p, XXH3_64bits(p + 8, HEAD + (times + columns) * 12 - 8), 8);
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
    for (uint32_t i = 0; i < block.column_count && i < 300; i++) {
        uint16_t column = block_column_id(&block, i);
        sample_columns_clear(&c);
        sample_columns_clear(&back);
        int rc = block_read(&block, column, INT64_MIN, INT64_MAX, NULL, &c);
        require(rc == 0 || rc == ERR_CORRUPT || rc == ERR_NOT_FOUND); /* not found: the directory is in disorder */
        sample_columns_settle(&c);
        if (rc || !is_ascending(&c) || c.n > 100000) {
            continue;
        }
        block_builder_init(&builder);
        block_builder_add(&builder, column, c.t_ms, c.v, c.n);
        buf_clear(&out);
        block_builder_finish(&builder, &out);
        require(block_open(buf_str(&out), &again) == 0 &&
                block_read(&again, column, INT64_MIN, INT64_MAX, NULL, &back) == 0 && back.n == c.n);
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
