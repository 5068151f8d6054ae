/*
 * How small and how fast sample columns are: storage/chunk.h beside Gorilla's XOR, by kind of series.
 *
 *   bench_codec [samples a column, 480] [hosts, 20] [rounds, 7]
 *
 * A host is 100 series in about the shares of a small fleet. All is made from a seed; nothing is read or written. Best
 * of the rounds, on one thread; ratios count.
 */
#include "src/base/clock.h"
#include "src/model/sample.h"
#include "storage/bytes.h"
#include "storage/chunk.h"

#include <stdio.h>

static uint64_t seed = 0x9e3779b97f4a7c15;

static uint64_t rnd(void) /* xorshift64* */
{
    seed ^= seed >> 12;
    seed ^= seed << 25;
    seed ^= seed >> 27;
    return seed * 0x2545f4914f6cdd1d;
}

static double uniform(void)
{
    return (double)(rnd() >> 11) * 0x1p-53;
}

static double normal(void) /* near enough: twelve uniforms */
{
    double sum = -6;
    for (int i = 0; i < 12; i++) {
        sum += uniform();
    }
    return sum;
}

static double poisson(double mean)
{
    if (mean > 40) {
        return floor(fmax(0, mean + sqrt(mean) * normal()) + 0.5);
    }
    double limit = exp(-mean), product = uniform(), k = 0;
    for (; product > limit; k++) {
        product *= uniform();
    }
    return k;
}

enum kind { BUCKET, COUNT, SUM, COUNTER, SECONDS, MANTISSA, CENTS, DEGREES, PAGES, SLOW, SLOW_BYTES, CONSTANT, KINDS };
static const struct {
    const char *name;
    int series; /* of 100 */
} kinds[KINDS] = {
    {"histogram bucket", 24}, {"histogram count", 2}, {"histogram sum", 2},   {"integer counter", 14},
    {"seconds counter", 8},   {"full mantissa", 14},  {"two decimals", 4},    {"noisy integer", 4},
    {"noisy pages", 2},       {"slow integer", 6},    {"slow byte count", 8}, {"constant", 12},
};

#define BUCKETS 12

/* A histogram of `BUCKETS` cumulative buckets, its count and its sum: columns next to each other. */
static void make_histogram(double *v, size_t n)
{
    double rate = pow(10, -1.3 + 2.3 * uniform()), total[BUCKETS + 2] = {0};
    for (size_t t = 0; t < n; t++) {
        if (uniform() < 0.0005) {
            memset(total, 0, sizeof(total)); /* the process starts anew */
        }
        for (double seen = poisson(rate); seen > 0; seen--) {
            double took = 0.08 * exp(1.3 * normal()), le = 0.005;
            for (int b = 0; b < BUCKETS; b++, le *= 2) {
                total[b] += took <= le || b == BUCKETS - 1;
            }
            total[BUCKETS]++;
            total[BUCKETS + 1] += took;
        }
        for (size_t c = 0; c < BUCKETS + 2; c++) {
            v[c * n + t] = total[c];
        }
    }
}

static double start_of(enum kind kind, double *rate)
{
    *rate = uniform();
    switch (kind) {
    case COUNTER:
        *rate = pow(10, -2 + 3.6 * *rate);
        return floor(1e6 * uniform());
    case SECONDS:
        return floor(1e8 * uniform()) / 100;
    case MANTISSA:
        *rate = pow(10, -4 + 3 * *rate);
        return *rate;
    case PAGES:
    case SLOW_BYTES:
        return 4096 * floor(2e6 * uniform());
    case CONSTANT:
        return *rate < 0.5 ? 1 : *rate < 0.9 ? floor(1e10 * *rate) : 1.7e9 + *rate;
    default:
        return floor(40 * *rate);
    }
}

static double next_of(enum kind kind, double v, double rate)
{
    switch (kind) {
    case COUNTER:
        return v + poisson(rate);
    case SECONDS:
        return round((v + 12 * rate * (0.8 + 0.4 * uniform())) * 100) / 100;
    case MANTISSA:
        return rate * exp(0.2 * normal());
    case CENTS:
        return fabs(round((v + 0.2 * (4 * rate - v) + 0.15 * normal()) * 100) / 100);
    case DEGREES:
        return round(v + 0.1 * (40 * rate - v) + normal());
    case PAGES:
        return v + (uniform() < 0.5 ? 4096 * round(12 * normal()) : 0);
    case SLOW:
        return uniform() < 0.08 ? fmax(0, v + round(3 * normal())) : v;
    case SLOW_BYTES:
        return uniform() < 0.05 ? v - 4096 * round(200 * uniform() - 80) : v;
    default:
        return v;
    }
}

/* All columns of a kind, one after the other; reference[i]: the column that column i may lean on, or none. */
struct columns {
    double *v;
    const double **reference;
    size_t count;
};

static void make_columns(struct columns all[KINDS], size_t n, size_t hosts)
{
    for (int k = 0; k < KINDS; k++) {
        size_t most = (size_t)kinds[k].series * hosts;
        all[k].v = mem_alloc(most * n * sizeof(double));
        all[k].reference = mem_zalloc(most * sizeof(*all[k].reference));
    }
    auto_free double *histogram = mem_alloc((BUCKETS + 2) * n * sizeof(double));
    for (size_t h = 0; h < 2 * hosts; h++) {
        make_histogram(histogram, n);
        double *count = all[COUNT].v + all[COUNT].count++ * n;
        memcpy(count, histogram + BUCKETS * n, n * sizeof(double));
        memcpy(all[SUM].v + all[SUM].count++ * n, histogram + (BUCKETS + 1) * n, n * sizeof(double));
        for (size_t b = 0; b < BUCKETS; b++) {
            all[BUCKET].reference[all[BUCKET].count] = count;
            memcpy(all[BUCKET].v + all[BUCKET].count++ * n, histogram + b * n, n * sizeof(double));
        }
    }
    for (int k = COUNTER; k < KINDS; k++) {
        for (; all[k].count < (size_t)kinds[k].series * hosts; all[k].count++) {
            double rate, v = start_of((enum kind)k, &rate);
            for (size_t t = 0; t < n; t++) {
                all[k].v[all[k].count * n + t] = v = next_of((enum kind)k, v, rate);
            }
        }
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
    struct columns all[KINDS] = {0};
    make_columns(all, n, hosts);
    printf("%zu samples a column, %zu columns; bytes a sample, million samples encoded and decoded a second\n", n,
           hosts * 100);
    printf("%-16s %6s  | %-22s  | %-22s  | %-22s\n", "", "share", "columns", "with references", "Gorilla XOR");
    struct result total[WAYS] = {0};
    for (int k = 0; k < KINDS; k++) {
        struct result by[WAYS];
        for (int w = 0; w < WAYS; w++) {
            by[w] = measure((enum way)w, &all[k], n, rounds);
            total[w].bytes += by[w].bytes;
            total[w].encode_s += by[w].encode_s;
            total[w].decode_s += by[w].decode_s;
            total[w].samples += by[w].samples;
        }
        print_row(kinds[k].name, (double)all[k].count / (double)(hosts * 100), by);
        mem_free(all[k].v);
        mem_free(all[k].reference);
    }
    print_row("mean", 1, total);
    return 0;
}
