/* Codec: decode(encode(x)) == x for any x; whatever decodes from hostile bytes encodes and decodes to itself. */
#include "src/base/mem.h"
#include "storage/chunk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok)
{
    if (!ok) {
        abort();
    }
}

static void round_trip(const int64_t *t_ms, const double *v, size_t n)
{
    auto_buf out;
    buf_init(&out, 64 << 20);
    auto_free int64_t *back = mem_alloc(n * sizeof(*back));
    chunk_add_times(&out, t_ms, n);
    require(!out.failed && chunk_read_times(buf_str(&out), back, n) == 0 && memcmp(back, t_ms, n * 8) == 0);
    buf_clear(&out);
    chunk_add_values(&out, v, n);
    require(!out.failed && chunk_read_values(buf_str(&out), (double *)back, n) == 0 && memcmp(back, v, n * 8) == 0);
}

/* Byte 0: count and what to do; the rest: encoded or raw columns. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) {
        return 0;
    }
    struct str in = {(const char *)data + 1, size - 1};
    size_t n = in.len / 8;
    auto_free int64_t *raw = mem_alloc(n * 8);
    memcpy(raw, in.p, n * 8);
    if (n) {
        round_trip(raw, (const double *)raw, n);
    }
    n = 1 + data[0] * (size_t)7;
    auto_free int64_t *t_ms = mem_zalloc(n * 8);
    auto_free double *v = mem_zalloc(n * 8);
    bool times = chunk_read_times(in, t_ms, n) == 0, values = chunk_read_values(in, v, n) == 0;
    if (times || values) {
        round_trip(t_ms, v, n);
    }
    return 0;
}
