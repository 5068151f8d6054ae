/* Instant results, JSON, CSV, and what all shapes share. */
#include "src/tool/query_print.h"

#include "src/base/clock.h"
#include "src/base/number.h"
#include "src/tool/table.h"

#include <stdlib.h>

bool query_format_parse(struct str text, enum query_format *out)
{
    static const char *const names[] = {"auto", "table", "sparkline", "json", "csv"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (str_is(text, names[i])) {
            *out = (enum query_format)i;
            return true;
        }
    }
    return false;
}

struct str query_value_text(double v, struct arena *arena)
{
    char text[NUMBER_MAX];
    return arena_dup(arena, str_make(text, number_format(v, text)));
}

struct str query_time_text(int64_t t_ms, struct arena *arena)
{
    auto_buf text;
    buf_init(&text, 64);
    clock_format_rfc3339(t_ms, &text);
    return arena_dup(arena, buf_str(&text));
}

struct str query_labels_text(struct labels labels, struct arena *arena)
{
    auto_buf text;
    buf_init(&text, (size_t)LABELS_MAX * 2 * (LABEL_NAME_MAX + LABEL_VALUE_MAX));
    if (labels.n) {
        labels_print(labels, &text);
    }
    return text_visible(buf_str(&text), arena);
}

/* -- common labels and columns -- */

static bool all_have(const struct query_result *result, struct label label)
{
    for (size_t i = 1; i < result->n; i++) {
        if (!str_eq(labels_get(result->series[i].labels, label.name), label.value)) {
            return false;
        }
    }
    return true;
}

static int compare_names(const void *a, const void *b)
{
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

/* Names of all labels that are not in `common`, sorted. */
static void add_names(const struct query_result *result, struct arena *arena, struct query_columns *out)
{
    vec(struct str) names = {0};
    for (size_t i = 0; i < result->n; i++) {
        struct labels labels = result->series[i].labels;
        for (uint32_t k = 0; k < labels.n; k++) {
            bool known = labels_get(out->common, labels.v[k].name).p != NULL;
            for (size_t j = names.len; j-- > 0 && !known;) {
                known = str_eq(names.p[j], labels.v[k].name);
            }
            if (!known) {
                vec_push(&names, labels.v[k].name);
            }
        }
    }
    struct str *sorted = arena_array(arena, struct str, names.len + 1);
    for (size_t i = 0; i < names.len; i++) {
        sorted[i] = names.p[i];
    }
    qsort(sorted, names.len, sizeof(*sorted), compare_names);
    out->names = sorted;
    out->n = names.len;
    vec_release(&names);
}

struct query_columns query_columns(const struct query_result *result, struct arena *arena)
{
    struct query_columns out = {0};
    struct labels first = result->n ? result->series[0].labels : (struct labels){0};
    struct label *common = arena_array(arena, struct label, first.n + 1);
    for (uint32_t i = 0; i < first.n; i++) {
        if (all_have(result, first.v[i])) {
            common[out.common.n++] = first.v[i];
        }
    }
    out.common.v = common;
    add_names(result, arena, &out);
    return out;
}

/* -- table -- */

static void print_head(struct labels common, int64_t t_ms, struct arena *arena, struct buf *out)
{
    struct str labels = query_labels_text(common, arena);
    buf_add(out, labels);
    buf_add(out, labels.len ? STR("  ") : STR(""));
    clock_format_rfc3339(t_ms, out);
    buf_add_char(out, '\n');
}

static void print_vector(const struct query_result *result, const struct query_view *view, struct arena *arena,
                         struct buf *out)
{
    struct query_columns columns = query_columns(result, arena);
    auto_table table;
    table_init(&table, columns.n + 1, columns.n);
    if (view->header) {
        print_head(columns.common, result->series[0].points[0].t_ms, arena, out);
        for (size_t k = 0; k < columns.n; k++) {
            table_add(&table, text_visible(columns.names[k], arena));
        }
        table_add(&table, STR("value"));
    }
    for (size_t i = 0; i < result->n; i++) {
        for (size_t k = 0; k < columns.n; k++) {
            table_add(&table, text_visible(labels_get(result->series[i].labels, columns.names[k]), arena));
        }
        table_add(&table, query_value_text(result->series[i].points[0].v, arena));
    }
    table_print(&table, out);
}

static void print_single(const struct query_result *result, const struct query_view *view, struct arena *arena,
                         struct buf *out)
{
    if (view->header) {
        print_head((struct labels){0}, result->t_ms, arena, out);
    }
    buf_add(out, result->type == VALUE_SCALAR ? query_value_text(result->scalar, arena)
                                              : text_visible(result->string, arena));
    buf_add_char(out, '\n');
}

/* -- JSON -- */

static void print_texts(struct str key, const struct str *texts, size_t n, struct json_writer *w)
{
    if (!n) {
        return;
    }
    json_key(w, key);
    json_begin_array(w);
    for (size_t i = 0; i < n; i++) {
        json_str(w, texts[i]);
    }
    json_end_array(w);
}

static void print_json(const struct query_result *result, struct buf *out)
{
    struct json_writer w;
    json_init(&w, out);
    json_begin_object(&w);
    json_field(&w, "status", json_str, STR("success"));
    json_key(&w, STR("data"));
    query_result_to_json(result, &w);
    print_texts(STR("warnings"), result->warnings, result->warning_count, &w);
    print_texts(STR("infos"), result->infos, result->info_count, &w);
    json_end_object(&w);
    buf_add_char(out, '\n');
}

/* -- CSV -- */

static void csv_text(struct str text, struct buf *out)
{
    bool plain = true;
    for (size_t i = 0; i < text.len && plain; i++) {
        plain = !memchr(",\"\r\n", text.p[i], 4);
    }
    if (plain) {
        buf_add(out, text);
        return;
    }
    buf_add_char(out, '"');
    for (size_t i = 0; i < text.len; i++) {
        buf_add(out, text.p[i] == '"' ? STR("\"\"") : str_make(text.p + i, 1));
    }
    buf_add_char(out, '"');
}

static void csv_number(int64_t t_ms, double v, struct buf *out)
{
    char text[NUMBER_MAX];
    clock_format_rfc3339(t_ms, out);
    buf_add_char(out, ',');
    buf_add_bytes(out, text, number_format(v, text));
    buf_add_char(out, '\n');
}

static void csv_series(const struct result_series *series, const struct query_columns *columns, struct buf *out)
{
    for (size_t p = 0; p < series->n; p++) {
        for (size_t k = 0; k < columns->n; k++) {
            csv_text(labels_get(series->labels, columns->names[k]), out);
            buf_add_char(out, ',');
        }
        csv_number(series->points[p].t_ms, series->points[p].v, out);
    }
}

static void print_csv(const struct query_result *result, const struct query_view *view, struct arena *arena,
                      struct buf *out)
{
    struct query_columns columns = {0}; /* nothing is common here: every row says all */
    add_names(result, arena, &columns);
    for (size_t k = 0; k < columns.n && view->header; k++) {
        csv_text(columns.names[k], out);
        buf_add_char(out, ',');
    }
    buf_add(out, view->header ? STR("timestamp,value\n") : STR(""));
    if (result->type == VALUE_SCALAR) {
        csv_number(result->t_ms, result->scalar, out);
    } else if (result->type == VALUE_STRING) {
        clock_format_rfc3339(result->t_ms, out);
        buf_add_char(out, ',');
        csv_text(result->string, out);
        buf_add_char(out, '\n');
    }
    for (size_t i = 0; i < result->n; i++) {
        csv_series(&result->series[i], &columns, out);
    }
}

void query_print(const struct query_result *result, const struct query_view *view, struct buf *out)
{
    auto_arena arena;
    arena_init(&arena);
    enum query_format format = view->format;
    if (format == FORMAT_AUTO) {
        format = view->step_ms ? FORMAT_SPARKLINE : FORMAT_TABLE;
    }
    if (format == FORMAT_JSON) {
        print_json(result, out);
    } else if (format == FORMAT_CSV) {
        print_csv(result, view, &arena, out);
    } else if (result->type == VALUE_SCALAR || result->type == VALUE_STRING) {
        print_single(result, view, &arena, out);
    } else if (result->n == 0) {
        return;
    } else if (result->type == VALUE_VECTOR) {
        print_vector(result, view, &arena, out);
    } else if (format == FORMAT_SPARKLINE) {
        query_print_sparklines(result, view, &arena, out);
    } else {
        query_print_matrix(result, view, &arena, out);
    }
}
