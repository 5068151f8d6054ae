#include "web/api/run_series.h"

#include "src/base/mem.h"
#include "src/base/ordered.h"

#define PIECE_POINTS       2048
#define POINTS_FOR_HELPERS 4096 /* about a tenth of a millisecond */
#define POINTS_FOR_VALUES  1024
#define PIECE_BYTES_MAX    ((size_t)1 << 30)
#define SLOTS_A_THREAD     3
#define SLOTS              ((1 + ORDERED_HELPERS_MAX) * SLOTS_A_THREAD)

struct writing {
    struct answer *answer;
    const struct query_result *result;
    struct json_seconds_text *times; /* of each step, where there are steps; else NULL */
    struct json_values *values;      /* by worker, or NULL */
    size_t *pieces;                  /* first series of each, and the end */
    struct buf slots[SLOTS];
};

static size_t points_of(const struct query_result *result)
{
    size_t n = 0;
    for (size_t i = 0; i < result->n; i++) {
        n += result->series[i].n;
    }
    return n;
}

/* All points lie on the steps of a range query. */
static size_t steps_of(const struct query_result *result)
{
    int64_t last_ms = result->t_ms;
    for (size_t i = 0; i < result->n; i++) {
        const struct result_series *s = &result->series[i];
        if (s->n && s->points[s->n - 1].t_ms > last_ms) {
            last_ms = s->points[s->n - 1].t_ms;
        }
    }
    return (size_t)((last_ms - result->t_ms) / result->step_ms) + 1;
}

static void make_times(struct writing *w)
{
    const struct query_result *result = w->result;
    size_t steps = result->on_steps ? steps_of(result) : 0;
    if (result->n < 2 || steps == 0 || steps > QUERY_STEPS_MAX + 1) {
        return;
    }
    w->times = mem_alloc(steps * sizeof(*w->times));
    for (size_t i = 0; i < steps; i++) {
        json_seconds_text(result->t_ms + (int64_t)i * result->step_ms, &w->times[i]);
    }
}

static void write_points_on_steps(const struct writing *w, unsigned worker, struct json_writer *json,
                                  const struct result_series *s)
{
    struct json_values *values = w->values ? &w->values[worker] : NULL;
    size_t step = 0;
    int64_t t_ms = w->result->t_ms;
    for (size_t i = 0; i < s->n; i++) {
        while (t_ms < s->points[i].t_ms) {
            t_ms += w->result->step_ms;
            step++;
        }
        json_point_at(json, &w->times[step], s->points[i].v, values);
    }
}

/* A range vector of one series may be longer than memory should hold: `flush` sends, unless it is NULL. */
static void write_points(struct json_writer *json, const struct result_series *s, struct answer *flush)
{
    for (size_t i = 0; i < s->n; i++) {
        json_point(json, s->points[i].t_ms, s->points[i].v);
        if (flush && !answer_flush(flush)) {
            return;
        }
    }
}

static void write_one(const struct writing *w, unsigned worker, struct json_writer *json, const struct result_series *s,
                      struct answer *flush)
{
    json_begin_object(json);
    json_key(json, STR("metric"));
    write_labels(json, s->labels);
    if (w->result->type == VALUE_MATRIX) {
        json_key(json, STR("values"));
        json_begin_array(json);
        if (w->times) {
            write_points_on_steps(w, worker, json, s);
        } else {
            write_points(json, s, flush);
        }
        json_end_array(json);
    } else if (s->n) {
        json_key(json, STR("value"));
        json_point(json, s->points[0].t_ms, s->points[0].v);
    }
    json_end_object(json);
}

static bool write_alone(struct writing *w)
{
    for (size_t i = 0; i < w->result->n; i++) {
        write_one(w, 0, &w->answer->w, &w->result->series[i], w->answer);
        if (!answer_flush(w->answer)) {
            return false;
        }
    }
    return true;
}

/* ---- by several threads ---- */

static void write_piece(void *ctx, unsigned worker, size_t piece, size_t slot)
{
    struct writing *w = ctx;
    struct buf *out = &w->slots[slot];
    struct json_writer json;
    buf_clear(out);
    json_init(&json, out);
    json_begin_array(&json); /* for the commas; its bracket is left out */
    for (size_t i = w->pieces[piece]; i < w->pieces[piece + 1]; i++) {
        write_one(w, worker, &json, &w->result->series[i], NULL);
    }
}

static int send_piece(void *ctx, size_t piece, size_t slot)
{
    (void)piece;
    struct writing *w = ctx;
    struct str text = buf_str(&w->slots[slot]);
    w->answer->out.failed = w->answer->out.failed || w->slots[slot].failed; /* answer_end() tells */
    json_raw(&w->answer->w, str_slice(text, 1, text.len));
    return answer_flush(w->answer) ? 0 : ERR_CANCELLED;
}

static size_t cut_pieces(struct writing *w)
{
    size_t n = 0, points = PIECE_POINTS;
    w->pieces = mem_alloc((w->result->n + 1) * sizeof(*w->pieces));
    for (size_t i = 0; i < w->result->n; i++) {
        if (points >= PIECE_POINTS) {
            w->pieces[n++] = i;
            points = 0;
        }
        points += w->result->series[i].n + 1;
    }
    w->pieces[n] = w->result->n;
    return n;
}

static bool write_together(struct writing *w, unsigned helpers)
{
    struct ordered o = {.pieces = cut_pieces(w),
                        .slots = (1 + (size_t)helpers) * SLOTS_A_THREAD,
                        .work = write_piece,
                        .take = send_piece,
                        .ctx = w};
    for (size_t i = 0; i < o.slots; i++) {
        buf_init(&w->slots[i], PIECE_BYTES_MAX);
    }
    int rc = ordered_run(&o, helpers);
    for (size_t i = 0; i < o.slots; i++) {
        buf_release(&w->slots[i]);
    }
    mem_free(w->pieces);
    return rc == 0;
}

bool run_write_series(struct answer *a, const struct query_result *result)
{
    struct writing w = {.answer = a, .result = result};
    size_t points = result->n > 1 && result->on_steps ? points_of(result) : 0;
    unsigned helpers = points >= POINTS_FOR_HELPERS ? ordered_helpers_take(ORDERED_HELPERS_MAX) : 0;
    make_times(&w);
    if (points >= POINTS_FOR_VALUES) {
        w.values = mem_zalloc((1 + helpers) * sizeof(*w.values));
    }
    bool written = helpers ? write_together(&w, helpers) : write_alone(&w);
    ordered_helpers_give(helpers);
    mem_free(w.values);
    mem_free(w.times);
    return written;
}
