/* Targets that are no metrics: the task history, and what the board shows of workers, queues and alerts, as tables. */
#include "src/base/clock.h"
#include "storage/task.h"
#include "web/api/grafana.h"

#include <math.h>

#define DAY_MS    86400000
#define PAGES_MAX 100 /* of 1000 tasks: what one table may look through */

static const struct grafana_column task_columns[] = {
    {"time", GRAFANA_TIME, NULL},        {"name", GRAFANA_STRING, NULL},    {"state", GRAFANA_STRING, NULL},
    {"exception", GRAFANA_STRING, NULL}, {"message", GRAFANA_STRING, NULL}, {"worker", GRAFANA_STRING, NULL},
    {"queue", GRAFANA_STRING, NULL},     {"runtime", GRAFANA_NUMBER, NULL}, {"retries", GRAFANA_NUMBER, NULL},
    {"uuid", GRAFANA_STRING, NULL}};
static const struct grafana_column worker_columns[] = {
    {"worker", GRAFANA_STRING, "worker"},           {"hostname", GRAFANA_STRING, "hostname"},
    {"online", GRAFANA_NUMBER, "online"},           {"active", GRAFANA_NUMBER, "active"},
    {"processed", GRAFANA_NUMBER, "processed"},     {"succeeded", GRAFANA_NUMBER, "succeeded"},
    {"failed", GRAFANA_NUMBER, "failed"},           {"retried", GRAFANA_NUMBER, "retried"},
    {"concurrency", GRAFANA_NUMBER, "concurrency"}, {"pool", GRAFANA_STRING, "pool"},
    {"queues", GRAFANA_STRING, "queues"},           {"last_seen", GRAFANA_TIME, "last_seen"}};
static const struct grafana_column queue_columns[] = {
    {"queue", GRAFANA_STRING, "name"},      {"length", GRAFANA_NUMBER, "length"},
    {"unacked", GRAFANA_NUMBER, "unacked"}, {"consumers", GRAFANA_NUMBER, "consumers"},
    {"in_rate", GRAFANA_NUMBER, "in_rate"}, {"out_rate", GRAFANA_NUMBER, "out_rate"},
    {"broker", GRAFANA_STRING, "broker"}};
static const struct grafana_column alert_columns[] = {{"time", GRAFANA_TIME, "activeAt"},
                                                      {"alertname", GRAFANA_STRING, "labels.alertname"},
                                                      {"severity", GRAFANA_STRING, "labels.severity"},
                                                      {"state", GRAFANA_STRING, "state"},
                                                      {"value", GRAFANA_STRING, "value"},
                                                      {"summary", GRAFANA_STRING, "summary"},
                                                      {"description", GRAFANA_STRING, "description"}};

#define COLUMNS(a) a, sizeof(a) / sizeof((a)[0])
static const struct product {
    const char *target;
    const char *board; /* NULL: the task history */
    uint32_t states;
    const struct grafana_column *columns;
    size_t n;
} products[] = {
    {"cloche.failed_tasks", NULL, 1u << TASK_FAILURE, COLUMNS(task_columns)},
    {"cloche.tasks", NULL, 0, COLUMNS(task_columns)},
    {"cloche.workers", "workers", 0, COLUMNS(worker_columns)},
    {"cloche.queues", "queues", 0, COLUMNS(queue_columns)},
    {"cloche.alerts", "alerts", 0, COLUMNS(alert_columns)},
};
#define PRODUCTS (sizeof(products) / sizeof(products[0]))

bool grafana_is_product(struct str target)
{
    return str_starts(target, STR("cloche."));
}

const char *grafana_product(size_t i)
{
    return i < PRODUCTS ? products[i].target : NULL;
}

/* Filters as compiled conditions on columns. */

struct conditions {
    struct matcher *v;
    size_t n;
};

static void conditions_release(struct conditions *conditions)
{
    matchers_release(conditions->v, conditions->n);
}

static int compile(struct grafana_call *c, const struct grafana_filters *filters, struct conditions *out)
{
    for (size_t i = 0; i < filters->n; i++) {
        const struct query_filter *f = &filters->v[i];
        int rc = matcher_init(&out->v[out->n], f->op, f->name, f->value, &c->err);
        if (rc) {
            return rc;
        }
        out->n++;
    }
    return 0;
}

/* The row that begins at cell `from`; a column that is not there is the empty text, as a label would be. */
static bool row_matches(const struct grafana_table *t, size_t from, const struct conditions *conditions)
{
    for (size_t i = 0; i < conditions->n; i++) {
        struct str text = {0};
        for (size_t k = 0; k < t->n; k++) {
            if (str_is(conditions->v[i].name, t->columns[k].name)) {
                text = t->cells.p[from + k].text;
            }
        }
        if (!matcher_matches(&conditions->v[i], text)) {
            return false;
        }
    }
    return true;
}

/* Keeps or takes back the row that was just added. */
static void settle_row(struct grafana_table *t, size_t from, const struct conditions *conditions)
{
    if (!row_matches(t, from, conditions)) {
        t->cells.len = from;
    }
}

static void add_text(struct grafana_table *t, struct arena *arena, struct str text)
{
    vec_push(&t->cells, (struct grafana_cell){.text = arena_dup(arena, text), .number = NAN});
}

static void add_number(struct grafana_table *t, struct arena *arena, double v)
{
    struct str text = isnan(v) ? (struct str){0} : arena_printf(arena, "%.17g", v);
    vec_push(&t->cells, (struct grafana_cell){.text = text, .number = v});
}

/* The task history. */

static int64_t when(const struct task *task, bool failed)
{
    return failed ? task->failed_ms : task->updated_ms;
}

static void add_task(struct grafana_table *t, struct arena *arena, const struct task *task, bool failed)
{
    struct str state = task->state == TASK_CUSTOM ? task->custom_state : str_of(task_state_name(task->state));
    add_number(t, arena, (double)when(task, failed));
    add_text(t, arena, task->name);
    add_text(t, arena, state);
    add_text(t, arena, task_exception_class(task->exception));
    add_text(t, arena, task->exception);
    add_text(t, arena, task->worker);
    add_text(t, arena, task->queue);
    add_number(t, arena, task->runtime);
    add_number(t, arena, task->retries < 0 ? (double)NAN : task->retries);
    add_text(t, arena, task->uuid);
}

static size_t row_limit(const struct grafana_target *target)
{
    const json_t *limit = json_object_get(target->payload, "limit");
    int64_t n = json_is_integer(limit) ? json_integer_value(limit) : 0;
    (void)str_to_int64(grafana_text(target->payload, "limit"), &n);
    return n <= 0 ? GRAFANA_ROWS : n > GRAFANA_ROWS_MAX ? GRAFANA_ROWS_MAX : (size_t)n;
}

/* Newest first. Tasks are found by their first sight and shown by their end, which is up to a day later. */
static int read_tasks(struct grafana_call *c, const struct grafana_target *target, const struct product *product,
                      const struct conditions *conditions, struct grafana_table *out)
{
    struct task_filter filter = {.states = product->states, .limit = 1000, .until_ms = c->in.to_ms};
    filter.since_ms = c->in.from_ms > DAY_MS ? c->in.from_ms - DAY_MS : 0;
    bool failed = product->states != 0;
    size_t most = row_limit(target);
    for (int i = 0; i < PAGES_MAX && out->cells.len / out->n < most && !http_client_gone(c->http); i++) {
        auto_arena arena; /* a page's payloads may be large */
        arena_init(&arena);
        struct task_page page = {0};
        int rc = task_find(c->api->store, &filter, &arena, &page);
        if (rc) {
            return error_set(&c->err, rc, "the task history cannot be read: %s", error_text(rc));
        }
        for (size_t k = 0; k < page.n && out->cells.len / out->n < most; k++) {
            int64_t t_ms = when(&page.v[k], failed);
            if (t_ms >= c->in.from_ms && t_ms <= c->in.to_ms) {
                size_t from = out->cells.len;
                add_task(out, c->arena, &page.v[k], failed);
                settle_row(out, from, conditions);
            }
        }
        filter.before_id = page.next_before_id;
        if (page.next_before_id == 0) {
            break;
        }
    }
    return 0;
}

/* The board. */

static const json_t *member(const json_t *object, const char *path)
{
    const char *dot = strchr(path, '.');
    if (!dot) {
        return json_object_get(object, path);
    }
    return json_object_get(json_object_getn(object, path, (size_t)(dot - path)), dot + 1);
}

static void add_time(struct grafana_table *t, struct arena *arena, const json_t *value)
{
    int64_t ms;
    struct str text = str_make(json_string_value(value), json_string_length(value));
    double v = json_is_number(value) ? json_number_value(value) * 1000 : (double)NAN;
    if (clock_parse_rfc3339(text, &ms) && ms > 0) {
        v = (double)ms;
    }
    add_number(t, arena, v);
}

static void add_list(struct grafana_table *t, struct arena *arena, const json_t *list)
{
    auto_buf text;
    buf_init(&text, 1u << 20);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *one = json_string_value(json_array_get(list, i));
        buf_addf(&text, "%s%s", i ? ", " : "", one ? one : "");
    }
    add_text(t, arena, buf_str(&text));
}

static void add_member(struct grafana_table *t, struct arena *arena, const json_t *value, enum grafana_kind kind)
{
    if (kind == GRAFANA_TIME) {
        add_time(t, arena, value);
    } else if (kind == GRAFANA_NUMBER) {
        double v = json_is_boolean(value)  ? json_is_true(value)
                   : json_is_number(value) ? json_number_value(value)
                                           : NAN;
        add_number(t, arena, v);
    } else if (json_is_array(value)) {
        add_list(t, arena, value);
    } else {
        add_text(t, arena, str_make(json_string_value(value), json_string_length(value)));
    }
}

static void read_board(struct grafana_call *c, const struct product *product, const struct conditions *conditions,
                       struct grafana_table *out)
{
    const struct board_doc *doc = board_read(c->api->board, product->board);
    json_t *root = doc ? json_loadb(doc->json.p, doc->json.len, 0, NULL) : NULL;
    board_unref(doc);
    const json_t *list = json_is_array(root) ? root : json_object_get(root, product->board);
    for (size_t i = 0; i < json_array_size(list); i++) {
        size_t from = out->cells.len;
        for (size_t k = 0; k < product->n; k++) {
            const json_t *value = member(json_array_get(list, i), product->columns[k].member);
            add_member(out, c->arena, value, product->columns[k].kind);
        }
        settle_row(out, from, conditions);
    }
    json_decref(root);
}

static int unknown(struct grafana_call *c, struct str target)
{
    auto_buf names;
    buf_init(&names, 4096);
    for (size_t i = 0; i < PRODUCTS; i++) {
        buf_addf(&names, " %s", products[i].target);
    }
    return error_set(&c->err, ERR_NOT_FOUND, "unknown target " STR_FMT ": there are%s",
                     STR_ARG(str_slice(target, 0, 64)), names.p);
}

int grafana_read_product(struct grafana_call *c, const struct grafana_target *target, struct grafana_table *out)
{
    const struct product *product = NULL;
    for (size_t i = 0; i < PRODUCTS; i++) {
        product = str_is(target->text, products[i].target) ? &products[i] : product;
    }
    if (!product) {
        return unknown(c, target->text);
    }
    out->columns = product->columns;
    out->n = product->n;
    struct conditions conditions = {0};
    conditions.v = arena_array(c->arena, struct matcher, c->in.filters.n + target->filters.n + 1);
    int rc = compile(c, &c->in.filters, &conditions);
    rc = rc ? rc : compile(c, &target->filters, &conditions);
    if (rc == 0 && product->board) {
        read_board(c, product, &conditions, out);
    } else if (rc == 0) {
        rc = read_tasks(c, target, product, &conditions, out);
    }
    conditions_release(&conditions);
    return rc;
}

static void write_cell(struct json_writer *w, const struct grafana_cell *cell, enum grafana_kind kind)
{
    if (kind == GRAFANA_STRING) {
        json_str(w, cell->text);
    } else if (kind == GRAFANA_TIME && !isnan(cell->number)) {
        json_int(w, (int64_t)cell->number);
    } else {
        json_double(w, cell->number);
    }
}

void grafana_write_table(struct json_writer *w, const struct grafana_target *target, const struct grafana_table *table)
{
    static const char *const types[] = {"time", "string", "number"};
    json_begin_object(w);
    json_field(w, "type", json_str, STR("table"));
    if (target->ref_id.len) {
        json_field(w, "refId", json_str, target->ref_id);
    }
    json_key(w, STR("columns"));
    json_begin_array(w);
    for (size_t i = 0; i < table->n; i++) {
        json_begin_object(w);
        json_field(w, "text", json_str, str_of(table->columns[i].name));
        json_field(w, "type", json_str, str_of(types[table->columns[i].kind]));
        json_end_object(w);
    }
    json_end_array(w);
    json_key(w, STR("rows"));
    json_begin_array(w);
    for (size_t i = 0; i < table->cells.len; i++) {
        if (i % table->n == 0) {
            json_begin_array(w);
        }
        write_cell(w, &table->cells.p[i], table->columns[i % table->n].kind);
        if (i % table->n == table->n - 1) {
            json_end_array(w);
        }
    }
    json_end_array(w);
    json_end_object(w);
}
