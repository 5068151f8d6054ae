#include "src/query/each_series.h"

#include "src/base/ordered.h"

/* In about nanoseconds. */
#define WORK_OF_A_SERIES 1200
#define WORK_OF_A_SAMPLE 2
#define WORK_OF_A_STEP   3
#define WORK_OF_A_PIECE  30000
#define WORK_FOR_HELPERS 150000

#define PIECE_SERIES_MAX 256
#define PIECE_VALUES_MAX ((size_t)1 << 16) /* longer columns are not worth their memory */
#define SLOTS_A_THREAD   4

static int make_alone(struct eval *ev, const struct series_set *set, const struct series_job *job, struct emit out)
{
    struct grid grid = {.n = job->steps};
    double *v = column_new(ev, &grid);
    void *state = job->begin(ev, job->task);
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < set->n; i++) {
        bool any = false;
        rc = job->column(state, &set->v[i], v, &any);
        if (rc == 0 && any) {
            rc = emit_column(out, &(struct column){.labels = set->v[i].labels, .drop_name = job->drop_name, .v = v});
        }
    }
    if (job->end) {
        job->end(state);
    }
    return rc;
}

/* What one thread has. */
struct maker {
    struct eval ev;
    struct arena arena; /* of a helper; the asking thread has the query's */
    struct error err;
    void *state; /* NULL: not begun */
};

/* A piece that is done. */
struct made {
    double *v; /* of its series, one after the other */
    bool *any;
    size_t n; /* series before an error */
    int rc;
    struct error err;
    struct eval_notes notes;
};

struct making {
    struct eval *ev;
    const struct series_set *set;
    const struct series_job *job;
    struct emit out;
    size_t piece_series;
    struct maker makers[1 + ORDERED_HELPERS_MAX];
    struct made *slots;
};

static void make_piece(void *ctx, unsigned worker, size_t piece, size_t slot)
{
    struct making *m = ctx;
    const struct series_job *job = m->job;
    struct maker *maker = &m->makers[worker];
    struct made *made = &m->slots[slot];
    if (!maker->state) {
        maker->state = job->begin(&maker->ev, job->task);
    }
    size_t from = piece * m->piece_series, to = from + m->piece_series;
    to = to < m->set->n ? to : m->set->n;
    made->rc = 0;
    for (made->n = 0; from + made->n < to; made->n++) {
        made->any[made->n] = false;
        made->rc =
            job->column(maker->state, &m->set->v[from + made->n], made->v + made->n * job->steps, &made->any[made->n]);
        if (made->rc) {
            made->err = maker->err;
            break;
        }
    }
    made->notes = maker->ev.notes;
    maker->ev.notes = (struct eval_notes){0};
}

static int take_piece(void *ctx, size_t piece, size_t slot)
{
    struct making *m = ctx;
    struct made *made = &m->slots[slot];
    size_t from = piece * m->piece_series;
    int rc = 0;
    eval_add_notes(m->ev, &made->notes);
    for (size_t i = 0; rc == 0 && i < made->n; i++) {
        if (made->any[i]) {
            rc = emit_column(m->out, &(struct column){.labels = m->set->v[from + i].labels,
                                                      .drop_name = m->job->drop_name,
                                                      .v = made->v + i * m->job->steps});
        }
    }
    if (rc == 0 && made->rc) {
        *m->ev->err = made->err;
        rc = made->rc;
    }
    return rc;
}

static void maker_init(struct maker *maker, const struct eval *ev, struct snapshot *twin)
{
    maker->ev = *ev;
    maker->ev.notes = (struct eval_notes){0};
    maker->ev.err = &maker->err;
    if (twin) {
        arena_init(&maker->arena);
        maker->ev.snapshot = twin;
        maker->ev.arena = &maker->arena;
        maker->ev.arena_base = 0 - eval_memory(ev); /* what the query holds already counts for each thread's limit */
        maker->ev.options.progress = NULL;
        maker->ev.stats = (struct query_stats){0};
    }
}

static void maker_release(struct maker *maker, struct eval *ev, const struct series_job *job, bool helper)
{
    if (maker->state && job->end) {
        job->end(maker->state);
    }
    ev->stats.samples = maker->ev.stats.samples + (helper ? ev->stats.samples : 0);
    ev->stats.tier = maker->ev.stats.tier > ev->stats.tier ? maker->ev.stats.tier : ev->stats.tier;
    if (helper) {
        ev->helpers_bytes = maker->arena.used_bytes > ev->helpers_bytes ? maker->arena.used_bytes : ev->helpers_bytes;
        snapshot_close(maker->ev.snapshot);
        arena_release(&maker->arena);
    }
}

static int make_together(struct making *m, unsigned helpers)
{
    struct eval *ev = m->ev;
    size_t slots = (1 + (size_t)helpers) * SLOTS_A_THREAD;
    struct ordered o = {.pieces = (m->set->n + m->piece_series - 1) / m->piece_series,
                        .slots = slots,
                        .work = make_piece,
                        .take = take_piece,
                        .ctx = m};
    m->slots = arena_array(ev->arena, struct made, slots);
    for (size_t i = 0; i < slots; i++) {
        m->slots[i].v = mem_alloc(m->piece_series * m->job->steps * sizeof(double));
        m->slots[i].any = mem_alloc(m->piece_series);
    }
    int rc = ordered_run(&o, helpers);
    for (size_t i = 0; i < slots; i++) {
        mem_free(m->slots[i].v);
        mem_free(m->slots[i].any);
    }
    for (unsigned i = 0; i <= helpers; i++) {
        maker_release(&m->makers[i], ev, m->job, i > 0);
    }
    return rc;
}

/* As many as there are twins of the snapshot; the others are given back. */
static unsigned find_helpers(struct making *m, unsigned wanted)
{
    unsigned helpers = ordered_helpers_take(wanted), ready = 0;
    struct snapshot *twin;
    while (ready < helpers && snapshot_twin(m->ev->snapshot, &twin) == 0) {
        maker_init(&m->makers[1 + ready++], m->ev, twin);
    }
    ordered_helpers_give(helpers - ready);
    return ready;
}

int each_series(struct eval *ev, const struct series_set *set, const struct series_job *job, struct emit out)
{
    uint64_t work = WORK_OF_A_SERIES + job->samples * WORK_OF_A_SAMPLE + (uint64_t)job->steps * WORK_OF_A_STEP;
    if (set->n < 2 || work * set->n < WORK_FOR_HELPERS || job->steps > PIECE_VALUES_MAX) {
        return make_alone(ev, set, job, out);
    }
    size_t series = (size_t)(WORK_OF_A_PIECE / work) + 1;
    series = series < PIECE_SERIES_MAX ? series : PIECE_SERIES_MAX;
    while (series > 1 && (series * job->steps > PIECE_VALUES_MAX || series * 2 > set->n)) {
        series /= 2;
    }
    struct making m = {.ev = ev, .set = set, .job = job, .out = out, .piece_series = series};
    unsigned helpers = find_helpers(&m, ORDERED_HELPERS_MAX);
    if (helpers == 0) {
        return make_alone(ev, set, job, out);
    }
    maker_init(&m.makers[0], ev, NULL);
    int rc = make_together(&m, helpers);
    ordered_helpers_give(helpers);
    return rc;
}
