/*
 * How small and how fast sample columns are: storage/chunk.h beside Gorilla's XOR, by kind of series.
 *
 *   bench_codec [samples a column, 480] [hosts, 20] [rounds, 7]
 *
 * A host is the 100 series of fleet.h. Nothing is read or written. Best of the rounds, on one thread; ratios count.
 */
#include "src/base/clock.h"
#include "src/model/sample.h"
#include "storage/bytes.h"
#include "storage/chunk.h"
#include "tests/bench/store/fleet.h"

#include <stdio.h>

static const char *const kind_names[FLEET_KINDS] = {
    [FLEET_BUCKET] = "histogram bucket", [FLEET_COUNT] = "histogram count",      [FLEET_SUM] = "histogram sum",
    [FLEET_COUNTER] = "integer counter", [FLEET_SECONDS] = "seconds counter",    [FLEET_MANTISSA] = "full mantissa",
    [FLEET_CENTS] = "two decimals",      [FLEET_DEGREES] = "noisy integer",      [FLEET_PAGES] = "noisy pages",
    [FLEET_SLOW] = "slow integer",       [FLEET_SLOW_BYTES] = "slow byte count", [FLEET_CONSTANT] = "constant",
};

/* All columns of a kind, one after the other; reference[i]: the column that column i may lean on, or none. */
struct columns {
    double *v;
    const double **reference;
    size_t count;
};

static void add_host(struct columns all[FLEET_KINDS], uint32_t number, size_t n)
{
    struct fleet_host host;
    fleet_host_init(&host, number);
    double *to[FLEET_SERIES];
    for (size_t i = 0; i < FLEET_SERIES; i++) {
        struct columns *c = &all[host.metric[i]->kind];
        to[i] = c->v + c->count * n;
        size_t histogram = i / FLEET_BUCKETS; /* of a bucket; its count is the reference, which comes later */
        c->reference[c->count++] =
            host.metric[i]->kind == FLEET_BUCKET ? all[FLEET_COUNT].v + (all[FLEET_COUNT].count + histogram) * n : NULL;
    }
    for (size_t t = 0; t < n; t++) {
        fleet_host_step(&host);
        for (size_t i = 0; i < FLEET_SERIES; i++) {
            to[i][t] = host.v[i];
        }
    }
}

static void make_columns(struct columns all[FLEET_KINDS], size_t n, size_t hosts)
{
    struct fleet_host host;
    fleet_host_init(&host, 0);
    size_t series[FLEET_KINDS] = {0};
    for (size_t i = 0; i < FLEET_SERIES; i++) {
        series[host.metric[i]->kind] += hosts;
    }
    for (int k = 0; k < FLEET_KINDS; k++) {
        all[k].v = mem_alloc(series[k] * n * sizeof(double));
        all[k].reference = mem_zalloc(series[k] * sizeof(*all[k].reference));
    }
    for (uint32_t h = 0; h < hosts; h++) {
        add_host(all, h, n);
    }
}

/* The peer: what columns of mode 4 hold (FORMAT.md). chunk_read_values() still reads it. */
struct bit_writer {
    struct buf *out;
    uint64_t acc;
    unsigned filled;
};

static void put_bits(struct bit_writer *w, uint64_t bits, unsigned n)
{
    while (n > 0) {
        unsigned take = n < 8 - w->filled ? n : 8 - w->filled;
        w->acc = w->acc << take | (bits >> (n - take) & ((1u << take) - 1));
        w->filled += take;
        n -= take;
        if (w->filled == 8) {
            buf_add_char(w->out, (char)w->acc);
            w->acc = 0;
            w->filled = 0;
        }
    }
}

static void add_xor(struct buf *out, const double *v, size_t n)
{
    buf_add_char(out, 4);
    struct bit_writer w = {.out = out};
    uint64_t last = sample_bits(v[0]);
    put_bits(&w, last, 64);
    unsigned lead = 65, trail = 0;
    for (size_t i = 1; i < n; i++) {
        uint64_t bits = sample_bits(v[i]), x = bits ^ last;
        last = bits;
        if (x == 0) {
            put_bits(&w, 0, 1);
            continue;
        }
        unsigned l = (unsigned)__builtin_clzll(x), t = (unsigned)__builtin_ctzll(x);
        l = l > 31 ? 31 : l;
        if (lead <= 31 && l >= lead && t >= trail) {
            put_bits(&w, 2, 2);
            put_bits(&w, x >> trail, 64 - lead - trail);
            continue;
        }
        lead = l;
        trail = t;
        put_bits(&w, 3, 2);
        put_bits(&w, l, 5);
        put_bits(&w, 64 - l - t - 1, 6);
        put_bits(&w, x >> t, 64 - l - t);
    }
    if (w.filled) {
        put_bits(&w, 0, 8 - w.filled);
    }
}

enum way { ALONE, WITH_REFERENCE, XOR, WAYS };

struct result {
    double bytes, encode_s, decode_s, samples;
};

static double seconds_since(int64_t start_us)
{
    return (double)(clock_mono_us() - start_us) / 1e6;
}

static void add_column(struct buf *out, enum way way, const struct columns *c, size_t i, size_t n,
                       struct chunk_scratch *scratch)
{
    if (way == XOR) {
        add_xor(out, c->v + i * n, n);
    } else {
        chunk_add_values(out, c->v + i * n, n, way == WITH_REFERENCE ? c->reference[i] : NULL, scratch);
    }
}

static void check(bool ok)
{
    if (!ok) {
        fputs("a column did not come back\n", stderr);
        exit(1);
    }
}

static struct result measure(enum way way, const struct columns *c, size_t n, int rounds)
{
    struct result best = {.encode_s = 1e9, .decode_s = 1e9, .samples = (double)(c->count * n)};
    auto_chunk_scratch scratch = {0};
    auto_buf out;
    buf_init(&out, SIZE_MAX / 2);
    auto_free size_t *ends = mem_alloc((c->count + 1) * sizeof(*ends));
    auto_free double *back = mem_alloc(n * sizeof(*back));
    ends[0] = 0;
    for (int round = 0; round < rounds; round++) {
        buf_clear(&out);
        int64_t start = clock_mono_us();
        for (size_t i = 0; i < c->count; i++) {
            add_column(&out, way, c, i, n, &scratch);
            ends[i + 1] = out.len;
        }
        best.encode_s = fmin(best.encode_s, seconds_since(start));
        start = clock_mono_us();
        for (size_t i = 0; i < c->count; i++) {
            struct str in = {out.p + ends[i], ends[i + 1] - ends[i]};
            check(chunk_read_values(in, back, n, c->reference[i]) == 0);
            if (round == 0) {
                check(memcmp(back, c->v + i * n, n * sizeof(*back)) == 0);
            }
        }
        best.decode_s = fmin(best.decode_s, round ? seconds_since(start) : 1e9);
    }
    best.bytes = (double)out.len;
    return best;
}

static void print_row(const char *name, double share, const struct result by[WAYS])
{
    printf("%-16s %5.1f%%", name, share * 100);
    for (int w = 0; w < WAYS; w++) {
        printf("  | %6.3f %7.1f %7.1f", by[w].bytes / by[w].samples, by[w].samples / by[w].encode_s / 1e6,
               by[w].samples / by[w].decode_s / 1e6);
    }
    puts("");
}

int main(int argc, char **argv)
{
    size_t n = argc > 1 ? strtoul(argv[1], NULL, 10) : 480, hosts = argc > 2 ? strtoul(argv[2], NULL, 10) : 20;
    int rounds = argc > 3 ? (int)strtol(argv[3], NULL, 10) : 7;
    if (n < 1 || n > CHUNK_MAX_SAMPLES || hosts < 1 || hosts > 1000 || rounds < 2) {
        fputs("usage: bench_codec [samples a column] [hosts, 1 to 1000] [rounds, from 2]\n", stderr);
        return 2;
    }
    struct columns all[FLEET_KINDS] = {0};
    make_columns(all, n, hosts);
    printf("%zu samples a column, %zu columns; bytes a sample, million samples encoded and decoded a second\n", n,
           hosts * 100);
    printf("%-16s %6s  | %-22s  | %-22s  | %-22s\n", "", "share", "columns", "with references", "Gorilla XOR");
    struct result total[WAYS] = {0};
    for (int k = 0; k < FLEET_KINDS; k++) {
        struct result by[WAYS];
        for (int w = 0; w < WAYS; w++) {
            by[w] = measure((enum way)w, &all[k], n, rounds);
            total[w].bytes += by[w].bytes;
            total[w].encode_s += by[w].encode_s;
            total[w].decode_s += by[w].decode_s;
            total[w].samples += by[w].samples;
        }
        print_row(kind_names[k], (double)all[k].count / (double)(hosts * 100), by);
        mem_free(all[k].v);
        mem_free(all[k].reference);
    }
    print_row("mean", 1, total);
    return 0;
}
