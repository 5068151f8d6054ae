#include "alerts/evaluate.h"

#include "src/base/clock.h"
#include "src/base/codec.h"
#include "src/base/counter.h"
#include "src/model/sample.h"
#include "src/query/active.h"

struct context {
    struct evaluation *e;
    const struct rule_group *group;
    int64_t t_ms;            /* of queries: slot less query_offset */
    const struct rule *rule; /* that runs */
};

struct asking {
    const struct evaluation *e;
    struct active_query active;
};

static bool is_cancelled(void *ctx)
{
    const struct asking *asking = ctx;
    return atomic_load(asking->e->cancelled) || active_cancelled(&asking->active);
}

static int ask(const struct context *c, const struct expr *expr, struct str text, struct query_result *out,
               struct error *err)
{
    struct evaluation *e = c->e;
    struct asking asking = {
        e, {.text = text, .group = c->group->name, .rule = c->rule->name, .start_ms = c->t_ms, .end_ms = c->t_ms}};
    struct query_options options = {.deadline_mono_ms = clock_mono_ms() + e->timeout_ms,
                                    .max_samples = e->max_samples,
                                    .max_series = e->max_series,
                                    .max_memory_bytes = e->max_memory_bytes,
                                    .cancelled = is_cancelled,
                                    .cancelled_ctx = &asking,
                                    .progress = &asking.active.progress};
    active_begin(&asking.active);
    active_running(&asking.active);
    int rc = query_instant(e->store, expr, c->t_ms, &options, &e->arena, out, err);
    active_end(&asking.active);
    int64_t took_us = clock_mono_us() - asking.active.since_mono_us;
    if (e->slow_ms && took_us >= e->slow_ms * 1000) {
        active_log_slow(&asking.active, out, rc, took_us, 0);
    }
    return rc;
}

/* A scalar counts as one sample without labels. */
static struct tmpl_sample *samples_of(const struct query_result *result, struct arena *arena, size_t *n)
{
    struct tmpl_sample *samples = arena_array(arena, struct tmpl_sample, result->n + 1);
    *n = 0;
    if (result->type == VALUE_SCALAR) {
        samples[(*n)++] = (struct tmpl_sample){.value = result->scalar};
    }
    for (size_t i = 0; result->type == VALUE_VECTOR && i < result->n; i++) {
        if (result->series[i].n) {
            samples[(*n)++] = (struct tmpl_sample){result->series[i].labels, result->series[i].points[0].v};
        }
    }
    return samples;
}

/* The function "query" of templates. */
static int template_query(void *ctx, struct str text, struct arena *arena, struct tmpl_sample **out, size_t *n,
                          struct error *err)
{
    struct expr *expr = NULL;
    struct query_result result = {0};
    int rc = query_parse(text, arena, &expr, err);
    if (rc) {
        return rc;
    }
    rc = ask(ctx, expr, text, &result, err);
    expr_release(expr);
    if (!rc) {
        *out = samples_of(&result, arena, n);
    }
    return rc;
}

static struct str expand(const struct rule_text *text, const struct tmpl_env *env, size_t max)
{
    if (template_is_constant(text->tmpl)) {
        return text->source;
    }
    auto_buf out;
    struct error err = {0};
    buf_init(&out, 2 * TEMPLATE_OUTPUT_MAX);
    if (template_run(text->tmpl, env, &out, &err)) {
        return arena_printf(env->arena, "<error expanding template: %s>", err.text);
    }
    struct str s = buf_str(&out);
    return arena_dup(env->arena, str_slice(s, 0, utf8_cut(s, max)));
}

static void add_result(const struct context *c, const struct rule *rule, const struct tmpl_sample *sample,
                       struct alert_result *result)
{
    struct arena *arena = &c->e->arena;
    struct tmpl_value vars[4] = {tmpl_labels(sample->labels, false, arena),
                                 tmpl_labels(c->e->external_labels, false, arena), tmpl_string(c->e->external_url),
                                 tmpl_float(sample->value)};
    struct tmpl_field dot[4] = {{STR("Labels"), vars[0]},
                                {STR("ExternalLabels"), vars[1]},
                                {STR("ExternalURL"), vars[2]},
                                {STR("Value"), vars[3]}};
    struct tmpl_env env = {.arena = arena,
                           .dot = tmpl_object(dot, 4, arena),
                           .vars = vars,
                           .external_url = c->e->external_url,
                           .now_ms = c->e->t_ms,
                           .query = template_query,
                           .query_ctx = (void *)(uintptr_t)c};
    struct labels_builder labels, annotations;
    labels_builder_from(&labels, arena, sample->labels);
    labels_remove(&labels, METRIC_NAME);
    for (size_t i = 0; i < rule->label_count; i++) {
        labels_set(&labels, rule->labels[i].name, expand(&rule->labels[i], &env, LABEL_VALUE_MAX));
    }
    labels_set(&labels, STR("alertname"), rule->name);
    labels_builder_init(&annotations, arena);
    for (size_t i = 0; i < rule->annotation_count; i++) {
        labels_set(&annotations, rule->annotations[i].name, expand(&rule->annotations[i], &env, TEMPLATE_OUTPUT_MAX));
    }
    result->labels = labels_finish(&labels, true);
    result->annotations = labels_finish(&annotations, false);
    result->id = alert_instance_id(rule->id, result->labels);
    result->value = sample->value;
}

static int compare_ids(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static bool has_twins(const struct alert_result *results, size_t n, struct arena *arena)
{
    uint64_t *ids = arena_array(arena, uint64_t, n + 1);
    for (size_t i = 0; i < n; i++) {
        ids[i] = results[i].id;
    }
    qsort(ids, n, sizeof(*ids), compare_ids);
    for (size_t i = 1; i < n; i++) {
        if (ids[i] == ids[i - 1]) {
            return true;
        }
    }
    return false;
}

static int run_alert(const struct context *c, struct evaluation_rule *r, const struct tmpl_sample *samples, size_t n)
{
    struct alert_result *results = arena_array(&c->e->arena, struct alert_result, n + 1);
    for (size_t i = 0; i < n; i++) {
        add_result(c, r->rule, &samples[i], &results[i]);
    }
    if (has_twins(results, n, &c->e->arena)) {
        return error_set(&r->err, ERR_EXEC, "two results have the same labels after the rule's labels were applied");
    }
    r->results = results;
    r->n = n;
    return 0;
}

static int compare_labels(const void *a, const void *b)
{
    return labels_cmp(*(const struct labels *)a, *(const struct labels *)b);
}

static struct labels record_labels(const struct rule *rule, struct labels from, struct arena *arena)
{
    struct labels_builder b;
    labels_builder_from(&b, arena, from);
    labels_set(&b, METRIC_NAME, rule->name);
    for (size_t i = 0; i < rule->label_count; i++) {
        labels_set(&b, rule->labels[i].name, rule->labels[i].source);
    }
    return labels_finish(&b, false);
}

static int append(struct store *store, struct batch *batch)
{
    int rc = batch->samples.len ? store_append(store, batch, NULL, NULL) : 0;
    batch_release(batch);
    return rc;
}

/* Both are sorted: what was there and is not any more gets a stale marker. */
static void add_stale(struct batch *batch, const struct recorded *before, const struct recorded *now, int64_t t_ms)
{
    for (size_t i = 0, k = 0; before && i < before->n; i++) {
        while (now && k < now->n && labels_cmp(now->v[k], before->v[i]) < 0) {
            k++;
        }
        if (!now || k == now->n || labels_cmp(now->v[k], before->v[i]) != 0) {
            vec_push(&batch->samples, (struct batch_sample){before->v[i], t_ms, sample_from_bits(SAMPLE_STALE_BITS)});
        }
    }
}

static int run_record(const struct context *c, struct evaluation_rule *r, const struct tmpl_sample *samples, size_t n)
{
    struct recorded *now = mem_zalloc(sizeof(*now));
    struct batch batch;
    arena_init(&now->arena);
    now->v = arena_array(&now->arena, struct labels, n + 1);
    batch_init(&batch, &c->e->arena, arena_printf(&c->e->arena, "rule/%016llx", (unsigned long long)r->rule->id),
               c->t_ms, (struct labels){0});
    for (size_t i = 0; i < n; i++) {
        now->v[i] = labels_dup(record_labels(r->rule, samples[i].labels, &c->e->arena), &now->arena);
        vec_push(&batch.samples, (struct batch_sample){now->v[i], c->t_ms, samples[i].value});
    }
    now->n = n;
    qsort(now->v, n, sizeof(*now->v), compare_labels);
    for (size_t i = 1; i < n; i++) {
        if (labels_eq(now->v[i], now->v[i - 1])) {
            batch_release(&batch);
            recorded_free(now);
            return error_set(&r->err, ERR_EXEC,
                             "two results have the same labels after the rule's labels were applied");
        }
    }
    add_stale(&batch, r->recorded, now, c->t_ms);
    int rc = append(c->e->store, &batch);
    recorded_free(r->recorded);
    r->recorded = now;
    return rc ? error_set(&r->err, rc, "the store did not take the recorded series: %s", error_text(rc)) : 0;
}

static int run_rule(const struct context *c, struct evaluation_rule *r)
{
    struct query_result result = {0};
    size_t n, limit = c->group->limit;
    int rc = ask(c, r->rule->expr, r->rule->expr_text, &result, &r->err);
    if (rc) {
        return rc;
    }
    struct tmpl_sample *samples = samples_of(&result, &c->e->arena, &n);
    if (n > RULE_RESULTS_MAX || (limit && n > limit)) {
        limit = limit && limit < RULE_RESULTS_MAX ? limit : RULE_RESULTS_MAX;
        r->over_limit = true;
        return error_set(&r->err, ERR_LIMIT, "exceeded limit of %zu with %zu results", limit, n);
    }
    return r->rule->type == RULE_ALERT ? run_alert(c, r, samples, n) : run_record(c, r, samples, n);
}

void evaluate_run(void *evaluation)
{
    struct evaluation *e = evaluation;
    struct context c = {.e = e, .group = e->group, .t_ms = e->t_ms - e->group->query_offset_ms};
    int64_t start = clock_mono_us();
    for (size_t i = 0; i < e->n && !atomic_load(e->cancelled); i++) {
        struct evaluation_rule *r = &e->rules[i];
        int64_t before = clock_mono_us();
        r->at_ms = clock_wall_ms();
        c.rule = r->rule;
        r->rc = run_rule(&c, r);
        r->took_us = clock_mono_us() - before;
        self_add(SELF_RULE_EVALUATIONS, 1);
        if (r->rc) {
            self_add(SELF_RULE_FAILURES, 1);
        }
    }
    e->took_us = clock_mono_us() - start;
}

void evaluate_free(struct evaluation *e)
{
    if (e) {
        for (size_t i = 0; i < e->n; i++) {
            recorded_free(e->rules[i].recorded);
        }
        rule_file_unref(e->file);
        arena_release(&e->arena);
        mem_free(e);
    }
}

void recorded_free(struct recorded *recorded)
{
    if (recorded) {
        arena_release(&recorded->arena);
        mem_free(recorded);
    }
}

void recorded_end(struct recorded *recorded, struct store *store, int64_t t_ms)
{
    auto_arena arena;
    struct batch batch;
    arena_init(&arena);
    batch_init(&batch, &arena, STR(""), t_ms, (struct labels){0});
    add_stale(&batch, recorded, NULL, t_ms);
    if (append(store, &batch)) {
        self_add(SELF_SAMPLES_REJECTED, (int64_t)recorded->n); /* they end by their age instead */
    }
}
