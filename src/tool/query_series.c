/* Matrices: sparklines, times by series, blocks. */
#include "src/base/clock.h"
#include "src/base/vec.h"
#include "src/tool/query_print.h"
#include "src/tool/table.h"

#include <math.h>
#include <stdlib.h>

#define SPARK_CELLS_MIN 10
#define SPARK_CELLS_MAX 200

static void print_head(struct labels common, const struct query_view *view, struct arena *arena, struct buf *out)
{
    struct str labels = query_labels_text(common, arena);
    buf_add(out, labels);
    if (view->step_ms) {
        buf_add(out, labels.len ? STR("  ") : STR(""));
        clock_format_rfc3339(view->start_ms, out);
        buf_add(out, STR(" to "));
        clock_format_rfc3339(view->end_ms, out);
        buf_add(out, STR(", step "));
        duration_format(view->step_ms, out);
    }
    if (labels.len || view->step_ms) {
        buf_add_char(out, '\n');
    }
}

/* -- sparklines -- */

struct spark_grid {
    int64_t start_ms, cell_ms;
    size_t cells;
};

/* A cell a step, or several steps a cell where there are more steps than room. */
static struct spark_grid spark_grid(const struct query_result *result, const struct query_view *view, size_t room)
{
    int64_t start_ms = view->start_ms, end_ms = view->end_ms, step_ms = view->step_ms;
    if (!step_ms) { /* raw samples: from the first to the last, no more cells than a series has samples */
        size_t most = 1;
        start_ms = INT64_MAX;
        end_ms = INT64_MIN;
        step_ms = 1;
        for (size_t i = 0; i < result->n; i++) {
            const struct result_series *s = &result->series[i];
            most = s->n > most ? s->n : most;
            if (s->n) {
                start_ms = s->points[0].t_ms < start_ms ? s->points[0].t_ms : start_ms;
                end_ms = s->points[s->n - 1].t_ms > end_ms ? s->points[s->n - 1].t_ms : end_ms;
            }
        }
        room = room < most ? room : most;
    }
    int64_t steps = end_ms >= start_ms ? (end_ms - start_ms) / step_ms + 1 : 1;
    int64_t steps_per_cell = (steps + (int64_t)room - 1) / (int64_t)room;
    return (struct spark_grid){start_ms, steps_per_cell * step_ms,
                               (size_t)((steps + steps_per_cell - 1) / steps_per_cell)};
}

struct spark_cell {
    double sum;
    size_t n, nans;
};

/* Eighths of a cell between the least and the greatest value; infinities are at the ends. */
static const char *spark_glyph(struct spark_cell cell, double min, double max)
{
    static const char *const bars[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    if (!cell.n) {
        return cell.nans ? "?" : "·";
    }
    double mean = cell.sum / (double)cell.n;
    if (isnan(mean)) { /* both infinities */
        return "?";
    }
    if (isinf(mean)) {
        return bars[mean > 0 ? 7 : 0];
    }
    double level = max > min ? (mean / 2 - min / 2) / (max / 2 - min / 2) * 8 : 3;
    return bars[level < 0 ? 0 : level < 8 ? (size_t)level : 7];
}

static struct str sparkline(const struct result_series *series, const struct spark_grid *grid, struct arena *arena)
{
    struct spark_cell *cells = arena_array(arena, struct spark_cell, grid->cells);
    double min = INFINITY, max = -INFINITY;
    for (size_t i = 0; i < series->n; i++) {
        int64_t at = (series->points[i].t_ms - grid->start_ms) / grid->cell_ms;
        double v = series->points[i].v;
        if (at < 0 || (size_t)at >= grid->cells) {
            continue; /* a server's answer may lie where it was not asked */
        }
        cells[at].nans += isnan(v);
        cells[at].n += !isnan(v);
        cells[at].sum += isnan(v) ? 0 : v;
    }
    for (size_t i = 0; i < grid->cells; i++) {
        double mean = cells[i].sum / (double)cells[i].n;
        if (cells[i].n && isfinite(mean)) {
            min = mean < min ? mean : min;
            max = mean > max ? mean : max;
        }
    }
    auto_buf text;
    buf_init(&text, grid->cells * 4);
    for (size_t i = 0; i < grid->cells; i++) {
        buf_add(&text, str_of(spark_glyph(cells[i], min, max)));
    }
    return arena_dup(arena, buf_str(&text));
}

/* Whole numbers whole, others with five digits: these columns are read, not computed with. */
static struct str short_value(double v, struct arena *arena)
{
    if (!isfinite(v)) {
        return query_value_text(v, arena);
    }
    return arena_printf(arena, v == trunc(v) && fabs(v) < 1e15 ? "%.0f" : "%.5g", v == 0 ? 0 : v);
}

static void add_figures(const struct result_series *series, struct arena *arena, struct table *table)
{
    double min = NAN, max = NAN, sum = 0;
    size_t n = 0;
    for (size_t i = 0; i < series->n; i++) {
        double v = series->points[i].v;
        if (!isnan(v)) {
            min = n && min < v ? min : v;
            max = n && max > v ? max : v;
            sum += v;
            n++;
        }
    }
    table_add(table, short_value(min, arena));
    table_add(table, short_value(n ? sum / (double)n : NAN, arena));
    table_add(table, short_value(max, arena));
    table_add(table, short_value(series->n ? series->points[series->n - 1].v : NAN, arena));
}

/* All but the last column, which takes what room they leave. */
static void add_row(const struct result_series *series, const struct query_columns *columns, struct arena *arena,
                    struct table *table)
{
    for (size_t k = 0; k < columns->n; k++) {
        table_add(table, text_visible(labels_get(series->labels, columns->names[k]), arena));
    }
    add_figures(series, arena, table);
    table_add(table, (struct str){0});
}

void query_print_sparklines(const struct query_result *result, const struct query_view *view, struct arena *arena,
                            struct buf *out)
{
    static const char *const figures[] = {"min", "avg", "max", "last", ""};
    struct query_columns columns = query_columns(result, arena);
    auto_table table;
    table_init(&table, columns.n + 5, columns.n);
    if (view->header) {
        print_head(columns.common, view, arena, out);
        for (size_t k = 0; k < columns.n; k++) {
            table_add(&table, text_visible(columns.names[k], arena));
        }
        for (size_t k = 0; k < 5; k++) {
            table_add(&table, str_of(figures[k]));
        }
    }
    size_t first = table.cells.len;
    for (size_t i = 0; i < result->n; i++) {
        add_row(&result->series[i], &columns, arena, &table);
    }
    size_t taken = table_width(&table), width = (size_t)view->width;
    size_t room = width > taken + SPARK_CELLS_MIN ? width - taken : SPARK_CELLS_MIN;
    struct spark_grid grid = spark_grid(result, view, room < SPARK_CELLS_MAX ? room : SPARK_CELLS_MAX);
    for (size_t i = 0; i < result->n; i++) {
        table.cells.p[first + (i + 1) * table.columns - 1] = sparkline(&result->series[i], &grid, arena);
    }
    table_print(&table, out);
}

/* -- times by series -- */

static int compare_times(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

struct times {
    int64_t *p;
    size_t len, cap;
};

/* Of all series, ascending, each once. */
static void gather_times(const struct query_result *result, struct times *out)
{
    for (size_t i = 0; i < result->n; i++) {
        for (size_t k = 0; k < result->series[i].n; k++) {
            vec_push(out, result->series[i].points[k].t_ms);
        }
    }
    size_t n = 0;
    qsort(out->p, out->len, sizeof(*out->p), compare_times);
    for (size_t i = 0; i < out->len; i++) {
        if (!n || out->p[n - 1] != out->p[i]) {
            out->p[n++] = out->p[i];
        }
    }
    out->len = n;
}

/* What tells a series from the others: a="1",b="2". */
static struct str series_title(const struct result_series *series, const struct query_columns *columns,
                               struct arena *arena)
{
    struct label *own = arena_array(arena, struct label, columns->n + 1);
    struct labels labels = {.v = own};
    for (size_t k = 0; k < columns->n; k++) {
        struct str value = labels_get(series->labels, columns->names[k]);
        if (value.len) {
            own[labels.n++] = (struct label){columns->names[k], value};
        }
    }
    struct str text = labels.n ? query_labels_text(labels, arena) : columns->n ? STR("{}") : STR("value");
    bool braces = labels.n && text.p[0] == '{';
    return braces ? str_slice(text, 1, text.len - 1) : text;
}

static void fill_grid(const struct query_result *result, const struct times *times, struct arena *arena,
                      struct table *table)
{
    size_t *next = arena_array(arena, size_t, result->n);
    for (size_t t = 0; t < times->len; t++) {
        table_add(table, query_time_text(times->p[t], arena));
        for (size_t i = 0; i < result->n; i++) {
            const struct result_series *s = &result->series[i];
            bool here = next[i] < s->n && s->points[next[i]].t_ms == times->p[t];
            table_add(table, here ? query_value_text(s->points[next[i]].v, arena) : STR("-"));
            next[i] += here;
        }
    }
}

static void print_grid(const struct query_result *result, const struct query_view *view,
                       const struct query_columns *columns, struct arena *arena, struct table *table, struct buf *out)
{
    struct times times = {0};
    gather_times(result, &times);
    if (view->header) {
        table_add(table, STR("time"));
        for (size_t i = 0; i < result->n; i++) {
            table_add(table, series_title(&result->series[i], columns, arena));
        }
    }
    fill_grid(result, &times, arena, table);
    vec_release(&times);
    if (result->n > 1 && table_width(table) > (size_t)view->width) {
        return;
    }
    if (view->header) {
        print_head(columns->common, view, arena, out);
    }
    table_print(table, out);
}

static void print_blocks(const struct query_result *result, struct arena *arena, struct buf *out)
{
    for (size_t i = 0; i < result->n; i++) {
        const struct result_series *s = &result->series[i];
        struct str title = query_labels_text(s->labels, arena);
        buf_add(out, i ? STR("\n") : STR(""));
        buf_add(out, title.len ? title : STR("{}"));
        buf_add_char(out, '\n');
        auto_table table;
        table_init(&table, 2, 1);
        for (size_t k = 0; k < s->n; k++) {
            table_add(&table, query_time_text(s->points[k].t_ms, arena));
            table_add(&table, query_value_text(s->points[k].v, arena));
        }
        table_print(&table, out);
    }
}

void query_print_matrix(const struct query_result *result, const struct query_view *view, struct arena *arena,
                        struct buf *out)
{
    size_t before = out->len;
    if (result->n == 1 || result->n < (size_t)view->width / 3) { /* a column takes three cells at least */
        struct query_columns columns = query_columns(result, arena);
        auto_table table;
        table_init(&table, result->n + 1, 1);
        print_grid(result, view, &columns, arena, &table, out);
    }
    if (out->len == before) {
        print_blocks(result, arena, out);
    }
}
