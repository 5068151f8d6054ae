/* Sealing: full pieces of the head become blocks in memory, a tenth of their size. The upkeep thread's. */
#include "src/base/counter.h"
#include "src/base/mem.h"
#include "storage/metrics.h"

static struct piece *first_full(const struct strip *strip)
{
    return *strip->unsealed != strip->last ? *strip->unsealed : NULL;
}

/* What a snapshot may need row by row is left raw as long as memory allows. */
static bool is_ripe(struct metrics *m, const struct piece *piece)
{
    return !seq_newer(piece->last_seq, snapshots_safe_seq(m)) || m->full_bytes > UNSEALED_MAX;
}

/* The next piece and its strip; NULL: nothing to do. */
static struct piece *take_next(struct metrics *m, struct strip **strip, bool *held_back)
{
    struct piece *piece = NULL;
    *held_back = false;
    pthread_mutex_lock(&m->append_lock);
    if (m->full.len > m->full_first) {
        *strip = m->full.p[m->full_first];
        piece = first_full(*strip);
        *held_back = piece && !is_ripe(m, piece);
        piece = *held_back ? NULL : piece;
    }
    pthread_mutex_unlock(&m->append_lock);
    return piece;
}

/* The room in front is taken back now and then. */
static void drop_first(struct metrics *m)
{
    m->full_first++;
    if (m->full_first * 2 >= m->full.len) {
        m->full.len -= m->full_first;
        memmove(m->full.p, m->full.p + m->full_first, m->full.len * sizeof(struct strip *));
        m->full_first = 0;
    }
}

static void exchange(struct metrics *m, struct strip *strip, struct piece *raw, struct piece *sealed)
{
    metrics_lock_all(m);
    sealed->next = raw->next;
    *strip->unsealed = sealed;
    strip->unsealed = &sealed->next;
    m->full_bytes -= piece_bytes(raw);
    drop_first(m);
    metrics_unlock_all(m);
    piece_free(raw);
}

bool metrics_seal(struct metrics *m)
{
    struct block_builder builder;
    struct sample_columns scratch = {0};
    struct strip *strip;
    bool held_back = false;
    block_builder_init(&builder);
    for (struct piece *raw; (raw = take_next(m, &strip, &held_back));) {
        exchange(m, strip, raw, piece_seal(strip, raw, &builder, &scratch));
    }
    block_builder_release(&builder);
    sample_columns_release(&scratch);
    return held_back;
}

void seal_forget(struct metrics *m, const struct window *window)
{
    size_t kept = 0;
    for (size_t i = m->full_first; i < m->full.len; i++) {
        if (m->full.p[i]->window != window) {
            m->full.p[kept++] = m->full.p[i];
        }
    }
    m->full.len = kept;
    m->full_first = 0;
    for (const struct strip *strip = window->strips; strip; strip = strip->next_in_window) {
        for (const struct piece *it = strip->pieces; it != strip->last; it = it->next) {
            m->full_bytes -= it->block ? 0 : piece_bytes(it);
        }
    }
}
