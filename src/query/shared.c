#include "src/query/shared.h"

#include "src/query/labelset.h"

#define NODES_MAX  128
#define TEXT_MAX   ((size_t)16 << 10) /* of all texts together */
#define VALUES_MAX ((size_t)4 << 20)  /* kept of all parts: 32 MiB */

enum part_state { PART_EMPTY, PART_RECORDING, PART_KEPT, PART_GIVEN_UP };

struct shared_part {
    struct str text;
    size_t places;
    enum part_state state;
    struct grid grid;
    struct column *columns;
    size_t n, cap;
    struct eval *ev; /* while recording: */
    size_t *values_left;
    struct emit out;
    size_t note_count;
};

struct place {
    const struct expr *expr;
    struct shared_part *part;
};

struct shared {
    struct shared_part parts[NODES_MAX];
    struct place places[NODES_MAX];
    size_t part_count, place_count;
    size_t values_left;
};

/* ---- before the query ---- */

static bool is_worth_it(const struct expr *expr)
{
    return expr->type == VALUE_VECTOR && expr->kind != EXPR_PAREN && expr->kind != EXPR_UNARY;
}

struct finding {
    struct eval *ev;
    struct shared *shared;
    struct buf text;
    bool overflow;
};

/* True if the same was seen before: its parts are then not looked at. */
static bool note_place(struct finding *f, const struct expr *expr)
{
    struct shared *shared = f->shared;
    size_t from = f->text.len;
    expr_print(expr, &f->text);
    if (f->text.failed || shared->place_count == NODES_MAX) {
        f->overflow = true;
        return true;
    }
    struct str text = str_slice(buf_str(&f->text), from, f->text.len);
    struct shared_part *part = NULL;
    for (size_t i = 0; i < shared->part_count && !part; i++) {
        part = str_eq(shared->parts[i].text, text) ? &shared->parts[i] : NULL;
    }
    if (!part) {
        part = &shared->parts[shared->part_count++];
        part->text = arena_dup(f->ev->arena, text);
        part->values_left = &shared->values_left;
    }
    shared->places[shared->place_count++] = (struct place){expr, part};
    return part->places++ > 0;
}

static void find(struct finding *f, const struct expr *expr)
{
    if (f->overflow || (is_worth_it(expr) && note_place(f, expr))) {
        return;
    }
    const struct expr *child;
    for (size_t i = 0; (child = expr_child(expr, i)); i++) {
        find(f, child);
    }
}

/* Places whose part stands elsewhere, too. */
static void keep_doubles(struct shared *shared)
{
    size_t n = 0;
    for (size_t i = 0; i < shared->place_count; i++) {
        if (shared->places[i].part->places > 1) {
            shared->places[n++] = shared->places[i];
        }
    }
    shared->place_count = n;
}

static size_t selectors_of(const struct expr *expr, size_t limit)
{
    size_t n = expr->kind == EXPR_SELECTOR;
    const struct expr *child;
    for (size_t i = 0; n < limit && (child = expr_child(expr, i)); i++) {
        n += selectors_of(child, limit - n);
    }
    return n;
}

struct shared *shared_find(struct eval *ev, const struct expr *expr)
{
    if (ev->step_samples || selectors_of(expr, 2) < 2) {
        return NULL;
    }
    struct finding f = {.ev = ev, .shared = arena_new(ev->arena, struct shared)};
    f.shared->values_left = VALUES_MAX;
    buf_init(&f.text, TEXT_MAX);
    find(&f, expr);
    buf_release(&f.text);
    keep_doubles(f.shared);
    return f.overflow || f.shared->place_count == 0 ? NULL : f.shared;
}

/* ---- within it ---- */

struct shared_part *shared_part_of(struct shared *shared, const struct expr *expr)
{
    for (size_t i = 0; i < shared->place_count; i++) {
        if (shared->places[i].expr == expr) {
            return shared->places[i].part;
        }
    }
    return NULL;
}

static bool same_grid(const struct grid *a, const struct grid *b)
{
    return a->start_ms == b->start_ms && a->n == b->n && (a->step_ms == b->step_ms || a->n == 1);
}

bool shared_replay(struct eval *ev, struct shared_part *part, const struct grid *grid, struct emit out, int *rc)
{
    if (part->state != PART_KEPT || !same_grid(&part->grid, grid)) {
        return false;
    }
    double *v = column_new(ev, grid);
    *rc = 0;
    for (size_t i = 0; *rc == 0 && i < part->n; i++) {
        struct column column = part->columns[i];
        memcpy(v, column.v, grid->n * sizeof(*v)); /* whoever takes it may change it */
        column.v = v;
        *rc = emit_column(out, &column);
    }
    return true;
}

static int record(void *ctx, struct column *column)
{
    struct shared_part *part = ctx;
    if (part->state == PART_RECORDING && part->grid.n <= *part->values_left) {
        *part->values_left -= part->grid.n;
        arena_grow(part->ev->arena, part->columns, part->n, part->cap);
        struct column *kept = &part->columns[part->n++];
        *kept = *column;
        kept->v = arena_alloc(part->ev->arena, part->grid.n * sizeof(*kept->v));
        memcpy(kept->v, column->v, part->grid.n * sizeof(*kept->v));
    } else {
        part->state = PART_GIVEN_UP;
    }
    return emit_column(part->out, column);
}

static size_t notes_of(const struct eval *ev)
{
    return ev->notes.warning_count + ev->notes.info_count;
}

struct emit shared_record(struct eval *ev, struct shared_part *part, const struct grid *grid, struct emit out)
{
    if (part->state != PART_EMPTY) { /* for other steps, or given up before */
        return out;
    }
    part->state = PART_RECORDING;
    part->grid = *grid;
    part->ev = ev;
    part->out = out;
    part->note_count = notes_of(ev);
    return (struct emit){record, part};
}

void shared_recorded(struct eval *ev, struct shared_part *part, int rc)
{
    if (part->state == PART_RECORDING) {
        bool silent = part->note_count == notes_of(ev);
        part->state = rc == 0 && silent ? PART_KEPT : PART_GIVEN_UP;
    }
}
