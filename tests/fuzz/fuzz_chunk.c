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

static struct chunk_scratch scratch; /* kept: LeakSanitizer sees it through this */

static void values_round_trip(struct buf *out, const double *v, size_t n, const double *reference, double *back)
{
    buf_clear(out);
    chunk_add_values(out, v, n, reference, &scratch);
    require(!out->failed && out->len <= n * 8 + 64);
    const double *needed = chunk_needs_reference(buf_str(out)) ? reference : NULL;
    require(chunk_read_values(buf_str(out), back, n, needed) == 0 && memcmp(back, v, n * 8) == 0);
    size_t from = out->len * 31 % n, to = from + 1 + out->len * 17 % (n - from);
    require(chunk_read_part(buf_str(out), n, from, to, back, needed ? needed + from : NULL) == 0 &&
            memcmp(back, v + from, (to - from) * 8) == 0);
}

static void round_trip(const int64_t *t_ms, const double *v, size_t n)
{
    auto_buf out;
    buf_init(&out, 64 << 20);
    auto_free int64_t *back = mem_alloc(n * sizeof(*back));
    chunk_add_times(&out, t_ms, n, &scratch);
    bool ascending;
    require(!out.failed && chunk_read_times(buf_str(&out), back, n, &ascending) == 0 && memcmp(back, t_ms, n * 8) == 0);
    values_round_trip(&out, v, n, NULL, (double *)back);
    auto_free double *reference = mem_zalloc(n * sizeof(*reference));
    for (size_t i = 1; i < n; i++) {
        reference[i] = v[i - 1]; /* like it in places */
    }
    values_round_trip(&out, v, n, reference, (double *)back);
}

/* Small integers, which is what most columns are; the bytes as they are become doubles that are none. */
static void integers_round_trip(struct str in)
{
    size_t n = in.len;
    auto_free int64_t *t_ms = mem_alloc(n * 8);
    auto_free double *v = mem_alloc(n * 8);
    for (size_t i = 0; i < n; i++) {
        t_ms[i] = (i ? t_ms[i - 1] : 0) + in.p[i];
        v[i] = (double)(t_ms[i] * (1 << (in.p[0] & 15))) / (in.p[0] & 16 ? 100 : 1);
    }
    round_trip(t_ms, v, n);
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
    integers_round_trip(in);
    n = 1 + data[0] * (size_t)7;
    auto_free int64_t *t_ms = mem_zalloc(n * 8);
    auto_free double *v = mem_zalloc(n * 8);
    auto_free double *reference = mem_zalloc(n * 8);
    for (size_t i = 0; i < n; i++) {
        reference[i] = (double)(i * i % 1000);
    }
    bool ascending;
    bool times = chunk_read_times(in, t_ms, n, &ascending) == 0, values = chunk_read_values(in, v, n, reference) == 0;
    if (times || values) {
        round_trip(t_ms, v, n);
    }
    return 0;
}
