#include "storage/head.h"

#include "src/base/mem.h"

#define SEAL_ROWS   120 /* plus up to 63, by cohort: the cohorts of a scrape must not all fill up with one append */
#define SPARSE_ROWS 3840

struct strip *strip_of(struct cohort *cohort, struct window *window)
{
    struct strip **at = &cohort->strips;
    while (*at && (*at)->window->start_ms > window->start_ms) {
        at = &(*at)->next;
    }
    if (*at && (*at)->window == window) {
        return *at;
    }
    struct strip *strip = mem_zalloc(sizeof(*strip));
    strip->cohort = cohort;
    strip->window = window;
    strip->unsealed = &strip->pieces;
    strip->next = *at;
    *at = strip;
    strip->next_in_window = window->strips;
    window->strips = strip;
    return strip;
}

/* Rows with few of the cohort's series would make columns of a handful of samples: those wait for more. */
static bool is_full(const struct piece *piece, const struct cohort *cohort)
{
    uint32_t rows = SEAL_ROWS + cohort->number * 37 % 64;
    return piece->n >= SPARSE_ROWS ||
           (piece->n >= rows && (uint64_t)piece->values_n * 4 >= (uint64_t)piece->n * cohort->used);
}

static uint32_t grown(uint32_t cap, uint32_t needed)
{
    cap = cap ? cap * 2 : 8;
    return cap < needed ? needed : cap;
}

static void make_room(struct piece *piece, uint32_t values)
{
    if (piece->n == piece->cap) {
        piece->cap = grown(piece->cap, 0);
        piece->rows = mem_realloc_array(piece->rows, piece->cap, sizeof(*piece->rows));
    }
    if (piece->values_cap - piece->values_n < values) {
        piece->values_cap = grown(piece->values_cap, piece->values_n + values);
        piece->values = mem_realloc_array(piece->values, piece->values_cap, sizeof(*piece->values));
    }
}

static struct piece *open_piece(struct strip *strip, uint32_t seq)
{
    struct piece *piece = mem_zalloc(sizeof(*piece));
    piece->first_seq = seq;
    if (strip->last) {
        strip->last->next = piece;
    } else {
        strip->pieces = piece;
    }
    strip->last = piece;
    return piece;
}

const struct piece *strip_add(struct strip *strip, const struct run *run, const double *values, uint32_t seq)
{
    struct piece *piece = strip->last;
    const struct piece *full = piece && is_full(piece, strip->cohort) ? piece : NULL;
    if (!piece || full) {
        piece = open_piece(strip, seq);
    }
    make_room(piece, run->n);
    struct row *row = &piece->rows[piece->n++];
    *row = (struct row){.t = (uint32_t)(run->t_ms - strip->window->start_ms), .seq = seq, .at = piece->values_n};
    memcpy(row->present, run->present, sizeof(row->present));
    memcpy(piece->values + piece->values_n, values + run->at, run->n * sizeof(*values));
    piece->values_n += run->n;
    piece->samples = piece->values_n;
    piece->last_seq = seq;
    piece->first_t = piece->n == 1 || row->t < piece->first_t ? row->t : piece->first_t;
    piece->last_t = row->t > piece->last_t ? row->t : piece->last_t;
    return full;
}

static inline bool row_has(const struct row *row, unsigned slot)
{
    return row->present[slot / 64] >> (slot % 64) & 1;
}

/* Slots below this one that have a value. */
static inline unsigned row_rank(const struct row *row, unsigned slot)
{
    uint64_t below = row->present[slot / 64] & (((uint64_t)1 << slot % 64) - 1);
    unsigned rank = (unsigned)__builtin_popcountll(below);
    for (unsigned word = 0; word < slot / 64; word++) {
        rank += (unsigned)__builtin_popcountll(row->present[word]);
    }
    return rank;
}

static void read_rows(const struct piece *piece, int64_t start_ms, unsigned slot, uint32_t seq, bool all,
                      struct sample_columns *out)
{
    sample_columns_reserve(out, piece->n);
    for (uint32_t i = 0; i < piece->n; i++) {
        const struct row *row = &piece->rows[i];
        if (row_has(row, slot) && (all || !seq_newer(row->seq, seq))) {
            out->t_ms[out->n] = start_ms + row->t;
            out->v[out->n] = piece->values[row->at + row_rank(row, slot)];
            sample_columns_added(out, 1);
        }
    }
}

static bool is_wanted(const struct strip *strip, const struct piece *piece, const struct strip_range *range)
{
    int64_t first_ms = strip->window->start_ms + piece->first_t, last_ms = strip->window->start_ms + piece->last_t;
    return range->all ||
           (!seq_newer(piece->first_seq, range->seq) && first_ms <= range->to_ms && last_ms >= range->from_ms);
}

int strip_read(const struct strip *strip, unsigned slot, const struct strip_range *range, struct block_cache *caches,
               struct sample_columns *out)
{
    int rc = 0;
    unsigned number = 0;
    for (const struct piece *it = strip->pieces; it && rc == 0; it = it->next, number++) {
        if (!is_wanted(strip, it, range)) {
            continue;
        }
        if (!it->block) {
            read_rows(it, strip->window->start_ms, slot, range->seq, range->all, out);
            continue;
        }
        struct block block;
        block_view((struct str){it->block, it->block_size}, &block);
        rc = block_read(&block, block_column(slot, 0), range->from_ms, range->to_ms,
                        caches ? &caches[number % STRIP_CACHES] : NULL, out);
        rc = rc == ERR_NOT_FOUND ? 0 : rc;
    }
    return rc;
}

struct piece *piece_seal(const struct strip *strip, const struct piece *raw, struct block_builder *builder,
                         struct sample_columns *scratch)
{
    block_builder_clear(builder);
    for (unsigned slot = COHORT_SLOTS; slot-- > 0;) { /* not to `used`: another thread's */
        sample_columns_clear(scratch);
        read_rows(raw, strip->window->start_ms, slot, 0, true, scratch);
        if (scratch->n) {
            sample_columns_settle(scratch);
            block_builder_add(builder, block_column(slot, 0), scratch->t_ms, scratch->v, scratch->n);
        }
    }
    auto_buf block;
    buf_init(&block, SIZE_MAX / 2);
    block_builder_finish(builder, &block);
    struct piece *piece = mem_zalloc(sizeof(*piece));
    piece->first_seq = raw->first_seq;
    piece->last_seq = raw->last_seq;
    piece->first_t = raw->first_t;
    piece->last_t = raw->last_t;
    piece->samples = (uint32_t)builder->samples;
    piece->block_size = (uint32_t)block.len;
    piece->block = mem_alloc(block.len);
    memcpy(piece->block, block.p, block.len);
    return piece;
}

size_t piece_bytes(const struct piece *piece)
{
    return sizeof(*piece) + piece->block_size + piece->cap * sizeof(*piece->rows) +
           piece->values_cap * sizeof(*piece->values);
}

void piece_free(struct piece *piece)
{
    if (piece) {
        mem_free(piece->rows);
        mem_free(piece->values);
        mem_free(piece->block);
        mem_free(piece);
    }
}

void strip_free(struct strip *strip)
{
    if (!strip) {
        return;
    }
    for (struct piece *it = strip->pieces, *next; it; it = next) {
        next = it->next;
        piece_free(it);
    }
    mem_free(strip);
}
