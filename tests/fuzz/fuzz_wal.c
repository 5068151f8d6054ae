/* WAL records: what reads without complaint, written again, reads the same. */
#include "src/base/mem.h"
#include "src/model/sample.h"
#include "storage/bytes.h"
#include "storage/wal.h"

#include <xxhash.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What a reading saw, as text to compare, and as a writer. */
struct seen {
    struct buf text;
    struct wal_writer writer;
};

static int see_series(void *ctx, uint64_t id, uint32_t cohort, uint8_t slot, struct labels labels)
{
    struct seen *seen = ctx;
    buf_addf(&seen->text, "S%llu,%u,%u,", (unsigned long long)id, cohort, slot);
    labels_add_bytes(&seen->text, labels);
    wal_add_series(&seen->writer, id, cohort, slot, labels);
    return 0;
}

static int see_sample(void *ctx, uint64_t id, int64_t t_ms, double value)
{
    struct seen *seen = ctx;
    buf_addf(&seen->text, "s%llu,%lld,%llx;", (unsigned long long)id, (long long)t_ms,
             (unsigned long long)sample_bits(value));
    wal_add_sample(&seen->writer, id, t_ms, value);
    return 0;
}

static int look(struct str record, struct seen *seen)
{
    auto_arena arena;
    arena_init(&arena);
    buf_init(&seen->text, 256 << 20);
    wal_init(&seen->writer, 1700000000000);
    const struct wal_visitor visitor = {.ctx = seen, .series = see_series, .sample = see_sample};
    return wal_read(record, &visitor, &arena);
}

static void release(struct seen *seen)
{
    buf_release(&seen->text);
    wal_release(&seen->writer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct seen first, second;
    struct str in = {(const char *)data, size};
    int plain = look(in, &first);
    release(&first);
    if (size < 8 || plain == 0) {
        return 0;
    }
    /* With a right checksum the reader comes to the insides. */
    char *copy = mem_alloc(size);
    memcpy(copy, data, size);
    bytes_store_le((uint8_t *)copy, XXH3_64bits(copy + 8, size - 8), 8);
    if (look((struct str){copy, size}, &first) == 0) {
        if (look(wal_finish(&first.writer), &second) || !str_eq(buf_str(&first.text), buf_str(&second.text))) {
            abort();
        }
        release(&second);
    }
    release(&first);
    mem_free(copy);
    return 0;
}
