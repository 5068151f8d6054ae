/* Sealing: full pieces of the head become blocks in memory, a tenth of their size. The upkeep thread's. */
#include "src/base/counter.h"
#include "src/base/mem.h"
#include "storage/metrics.h"

static struct piece *first_full(const struct strip *strip)
{
    struct piece *it = strip->pieces;
    while (it && it != strip->last && it->block) {
        it = it->next;
    }
    return it && it != strip->last ? it : NULL;
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
    if (m->full.len) {
        *strip = m->full.p[0];
        piece = first_full(*strip);
        *held_back = piece && !is_ripe(m, piece);
        piece = *held_back ? NULL : piece;
    }
    pthread_mutex_unlock(&m->append_lock);
    return piece;
}

static void exchange(struct metrics *m, struct strip *strip, struct piece *raw, struct piece *sealed)
{
    pthread_mutex_lock(&m->append_lock);
    pthread_rwlock_wrlock(&m->lock);
    struct piece **at = &strip->pieces;
    while (*at != raw) {
        at = &(*at)->next;
    }
    sealed->next = raw->next;
    *at = sealed;
    m->full_bytes -= piece_bytes(raw);
    memmove(m->full.p, m->full.p + 1, (m->full.len - 1) * sizeof(struct strip *));
    m->full.len--;
    pthread_rwlock_unlock(&m->lock);
    pthread_mutex_unlock(&m->append_lock);
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
    for (size_t i = 0; i < m->full.len; i++) {
        if (m->full.p[i]->window != window) {
            m->full.p[kept++] = m->full.p[i];
        }
    }
    m->full.len = kept;
    for (const struct strip *strip = window->strips; strip; strip = strip->next_in_window) {
        for (const struct piece *it = strip->pieces; it != strip->last; it = it->next) {
            m->full_bytes -= it->block ? 0 : piece_bytes(it);
        }
    }
}
