#include "src/transfer/import.h"

#include "src/base/clock.h"
#include "storage/read.h"

#define BATCH_SAMPLES 10000
#define BATCH_SPREAD  2000 /* changes from one two-hour window to another: the store holds 4096 at once */
#define WINDOW_MS     ((int64_t)2 * 3600 * 1000)
#define FLUSH_SAMPLES (4u << 20) /* appended between two flushes: some 64 MB of the head */
#define SYNC_STEP_MS  200

/* Appended since the last flush, by all importers: over HTTP each piece of a text has one of its own. */
static _Atomic uint64_t since_flush;

/* Hashes of label sets, open addressing; 0 is no hash here. */
struct hash_set {
    uint64_t *v;
    size_t cap, n;
};

struct importer {
    struct import_options options;
    struct import_totals totals;
    struct text_reader reader;
    struct buf rest; /* of a line whose end has not come */
    struct arena arena;
    struct batch batch;
    struct labels labels; /* of the sample before, in the batch's arena; n == 0: none */
    int64_t window;       /* of the sample before */
    int window_changes;
    struct hash_set series;
    bool flush_is_vain; /* the last one because of refused samples changed nothing */
    /* Family that was announced: its name follows from its first sample. */
    struct arena family_arena;
    struct metric_family family;
};

static void clear_batch(struct importer *im)
{
    arena_clear(&im->arena);
    batch_release(&im->batch);
    batch_init(&im->batch, &im->arena, STR("import"), 0, (struct labels){0});
    im->labels = (struct labels){0};
    im->window_changes = 0;
}

struct importer *importer_new(const struct import_options *options)
{
    struct importer *im = mem_zalloc(sizeof(*im));
    im->options = *options;
    text_reader_init(&im->reader, options->format);
    im->reader.line = options->first_line > 0 ? options->first_line - 1 : 0;
    im->totals.format = options->format;
    buf_init(&im->rest, TEXT_LINE_MAX);
    arena_init(&im->arena);
    arena_init(&im->family_arena);
    clear_batch(im);
    return im;
}

void importer_free(struct importer *im)
{
    if (!im) {
        return;
    }
    text_reader_release(&im->reader);
    buf_release(&im->rest);
    batch_release(&im->batch);
    arena_release(&im->arena);
    arena_release(&im->family_arena);
    mem_free(im->series.v);
    mem_free(im);
}

const struct import_totals *importer_totals(const struct importer *im)
{
    return &im->totals;
}

/* -- how many series -- */

static bool set_put(struct hash_set *set, uint64_t hash)
{
    size_t mask = set->cap - 1;
    size_t i = hash & mask;
    while (set->v[i] && set->v[i] != hash) {
        i = (i + 1) & mask;
    }
    bool fresh = !set->v[i];
    set->v[i] = hash;
    return fresh;
}

static void set_grow(struct hash_set *set)
{
    struct hash_set bigger = {.cap = set->cap ? set->cap * 2 : 1024, .n = set->n};
    bigger.v = mem_zalloc(bigger.cap * sizeof(*bigger.v));
    for (size_t i = 0; i < set->cap; i++) {
        if (set->v[i]) {
            (void)set_put(&bigger, set->v[i]);
        }
    }
    mem_free(set->v);
    *set = bigger;
}

static void count_series(struct importer *im, struct labels labels)
{
    struct hash_set *set = &im->series;
    if ((set->n + 1) * 4 > set->cap * 3) {
        set_grow(set);
    }
    uint64_t hash = labels_hash(labels);
    set->n += set_put(set, hash ? hash : 1);
    im->totals.series = set->n;
}

/* -- batches to the store -- */

/* Waits while the store is full. */
static int append(struct importer *im, struct write_result *result, struct error *err)
{
    int64_t give_up_ms = clock_mono_ms() + im->options.wait_ms;
    for (;;) {
        int rc = store_import(im->options.store, &im->batch, result);
        if (rc == 0) {
            return 0;
        }
        if (rc != ERR_FULL) {
            return error_set(err, rc, "the store does not take samples: %s", error_text(rc));
        }
        if (clock_mono_ms() >= give_up_ms) {
            struct store_status status = {0};
            store_get_status(im->options.store, &status);
            return error_set(err, ERR_FULL, "the store is full: %s",
                             status.writable ? "its queue is not committed in time" : status.failure.text);
        }
        (void)!store_sync(im->options.store, SYNC_STEP_MS);
    }
}

static int flush(struct importer *im, struct error *err)
{
    since_flush = 0;
    int rc = store_flush(im->options.store);
    return rc ? error_set(err, rc, "samples cannot be written to blocks: %s", error_text(rc)) : 0;
}

static void note_refused(struct importer *im, const struct write_result *result)
{
    if (im->totals.refused == 0) {
        error_set(&im->totals.first_refused, ERR_LIMIT, "%s, up to line %d", result->first.text, im->reader.line);
    }
    im->totals.refused += result->rejected_samples;
}

static int send_batch(struct importer *im, struct error *err)
{
    uint64_t n = im->batch.samples.len;
    if (n == 0 && im->batch.families.len == 0) {
        return 0;
    }
    struct write_result result;
    im->batch.t_ms = n ? im->batch.samples.p[0].t_ms : 0;
    int rc = append(im, &result, err);
    if (rc == 0 && result.rejected_samples && !im->flush_is_vain) { /* too many windows at once, it may be */
        uint64_t before = result.rejected_samples;
        rc = flush(im, err);
        rc = rc ? rc : append(im, &result, err);
        im->flush_is_vain = result.rejected_samples >= before;
    }
    if (rc) {
        return rc;
    }
    if (result.rejected_samples) {
        note_refused(im, &result);
    }
    im->totals.samples += result.samples;
    since_flush += result.samples;
    clear_batch(im);
    return since_flush >= FLUSH_SAMPLES ? flush(im, err) : 0;
}

/* -- families -- */

/* True if the store knows a type and the text says none. */
static bool says_nothing_new(struct importer *im, struct str name)
{
    if (im->family.type != METRIC_UNKNOWN) {
        return false;
    }
    if (im->family.help.len == 0) {
        return true;
    }
    auto_snapshot struct snapshot *snapshot = NULL;
    auto_arena arena;
    arena_init(&arena);
    struct metric_family *known = NULL;
    size_t n = 0;
    return snapshot_open(im->options.store, &snapshot) == 0 &&
           snapshot_metadata(snapshot, name, &arena, &known, &n) == 0 && n && known->type != METRIC_UNKNOWN;
}

/* The family's name as the store has it: a counter's with "_total" where its samples have that. */
static struct str stored_name(struct importer *im, struct str metric)
{
    const struct metric_family *f = &im->family;
    struct str suffix = f->type == METRIC_COUNTER ? STR("_total") : f->type == METRIC_INFO ? STR("_info") : STR("");
    bool joined =
        suffix.len && metric.len == f->name.len + suffix.len && str_starts(metric, f->name) && str_ends(metric, suffix);
    return joined ? metric : f->name;
}

static void settle_family(struct importer *im, struct labels first)
{
    if (im->family.name.len == 0) {
        return;
    }
    struct str metric = labels_get(first, METRIC_NAME);
    struct str name = stored_name(im, metric);
    if (str_starts(metric, im->family.name) && !says_nothing_new(im, name)) {
        vec_push(&im->batch.families,
                 ((struct metric_family){arena_dup(im->batch.arena, name), arena_dup(im->batch.arena, im->family.help),
                                         im->family.type}));
    }
    im->family = (struct metric_family){0};
    arena_clear(&im->family_arena);
}

static void announce_family(struct importer *im, const struct text_line *line)
{
    if (!str_eq(im->family.name, line->name)) {
        im->family = (struct metric_family){0};
        arena_clear(&im->family_arena);
        im->family.name = arena_dup(&im->family_arena, line->name);
    }
    if (line->kind == TEXT_TYPE) {
        im->family.type = line->type;
    } else {
        im->family.help = arena_dup(&im->family_arena, line->help);
    }
}

/* -- lines -- */

static int take_sample(struct importer *im, const struct text_line *line, struct error *err)
{
    settle_family(im, line->labels);
    if (!line->same_series) {
        count_series(im, line->labels);
    }
    if (!line->same_series || im->labels.n == 0) {
        im->labels = labels_dup(line->labels, &im->arena);
    }
    vec_push(&im->batch.samples, ((struct batch_sample){im->labels, line->t_ms, line->value}));
    im->window_changes += line->t_ms / WINDOW_MS != im->window;
    im->window = line->t_ms / WINDOW_MS;
    bool full = im->batch.samples.len >= BATCH_SAMPLES || im->window_changes >= BATCH_SPREAD;
    return full ? send_batch(im, err) : 0;
}

/* What stood before a bad line is not lost by it. */
static int bad_line(struct importer *im, const struct error *reason, struct error *err)
{
    if (im->totals.bad_lines++ == 0) {
        im->totals.first_bad = *reason;
    }
    if (im->options.skip_bad) {
        return 0;
    }
    int rc = send_batch(im, err);
    if (rc == 0 && err) {
        *err = *reason;
    }
    return rc ? rc : reason->code;
}

static int take_line(struct importer *im, struct str text, struct error *err)
{
    struct text_line line;
    struct error reason = {0};
    if (text_reader_line(&im->reader, text, &line, &reason)) {
        return bad_line(im, &reason, err);
    }
    im->totals.format = im->reader.format;
    switch (line.kind) {
    case TEXT_SAMPLE:
        return take_sample(im, &line, err);
    case TEXT_TYPE:
    case TEXT_HELP:
        announce_family(im, &line);
        return 0;
    case TEXT_EOF:
        im->totals.ended = true;
        return 0;
    case TEXT_NOTHING:
        break;
    }
    return 0;
}

static int line_too_long(struct importer *im, struct error *err)
{
    return error_set_at(err, ERR_LIMIT, im->reader.line + 1, 1, "the line is longer than %u bytes: is this text?",
                        TEXT_LINE_MAX);
}

int importer_feed(struct importer *im, struct str text, struct error *err)
{
    int rc = 0;
    while (rc == 0 && text.len) {
        const char *newline = memchr(text.p, '\n', text.len);
        struct str line = str_slice(text, 0, newline ? (size_t)(newline - text.p) : text.len);
        text = str_slice(text, line.len + (newline ? 1 : 0), text.len);
        if (!newline || im->rest.len) {
            buf_add(&im->rest, line);
            line = buf_str(&im->rest);
        }
        if (im->rest.failed || line.len > TEXT_LINE_MAX) {
            rc = send_batch(im, err);
            return rc ? rc : line_too_long(im, err);
        }
        if (newline) {
            rc = take_line(im, line, err);
            buf_clear(&im->rest);
        }
    }
    return rc;
}

int importer_finish(struct importer *im, struct error *err)
{
    int rc = im->rest.len ? take_line(im, buf_str(&im->rest), err) : 0;
    buf_clear(&im->rest);
    return rc ? rc : send_batch(im, err);
}
