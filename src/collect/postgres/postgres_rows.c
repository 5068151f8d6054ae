#include "src/collect/postgres/postgres_rows.h"

#include "src/base/number.h"
#include "src/collect/text.h"

static const struct postgres_query queries[] = {
#define PG_QUERY(id, from, before, labels, sql) {TEXT(#id), from, before, TEXT(labels), sql},
#define PG_COLUMN(id, column, metric, type, factor, help)
#include "src/collect/postgres/metrics.def"
#undef PG_QUERY
#undef PG_COLUMN
};

static const struct column {
    enum postgres_query_id query;
    struct str column, metric, help;
    enum metric_type type;
    double factor;
} columns[] = {
#define PG_QUERY(id, from, before, labels, sql)
#define PG_COLUMN(id, column, metric, type, factor, help)                                                              \
    {PG_##id, TEXT(#column), TEXT(#metric), TEXT(help), METRIC_##type, factor},
#include "src/collect/postgres/metrics.def"
#undef PG_QUERY
#undef PG_COLUMN
};

const struct postgres_query *postgres_query(enum postgres_query_id id)
{
    return &queries[id];
}

bool postgres_query_applies(const struct postgres_query *query, int major)
{
    return (!query->from || major >= query->from) && (!query->before || major < query->before);
}

const char *postgres_query_sql(const struct postgres_query *query, bool all_databases, struct arena *arena)
{
    static const struct str mark = TEXT("$all_databases");
    struct str sql = str_of(query->sql);
    ptrdiff_t at = str_find(sql, mark);
    if (at < 0) {
        return query->sql;
    }
    struct str text =
        arena_printf(arena, STR_FMT "%s" STR_FMT, STR_ARG(str_slice(sql, 0, (size_t)at)),
                     all_databases ? "true" : "false", STR_ARG(str_slice(sql, (size_t)at + mark.len, sql.len)));
    return arena_cstr(arena, text);
}

static bool cell_number(struct str cell, double *out)
{
    if (str_is(cell, "t") || str_is(cell, "f")) {
        *out = cell.p[0] == 't';
        return true;
    }
    return cell.p && number_parse(cell, out);
}

static bool is_label(struct str list, struct str name)
{
    while (list.len) {
        if (str_eq(str_split(&list, ','), name)) {
            return true;
        }
    }
    return false;
}

static void add_cell(enum postgres_query_id id, struct str name, struct str cell, const struct label *labels, size_t n,
                     struct batch *batch)
{
    double v;
    if (!cell_number(cell, &v)) {
        return;
    }
    for (size_t i = 0; i < sizeof(columns) / sizeof(columns[0]); i++) {
        const struct column *c = &columns[i];
        if (c->query == id && str_eq(c->column, name)) {
            batch_family(batch, c->metric, c->type, c->help);
            batch_add(batch, c->metric, labels, n, c->factor == 1e-3 ? v / 1e3 : v * c->factor);
        }
    }
}

void postgres_row(enum postgres_query_id id, const struct str *names, const struct str *cells, size_t n,
                  struct batch *batch)
{
    struct label labels[POSTGRES_COLUMNS_MAX];
    size_t label_count = 0;
    for (size_t i = 0; i < n && i < POSTGRES_COLUMNS_MAX; i++) {
        if (is_label(queries[id].labels, names[i])) {
            labels[label_count++] = (struct label){names[i], cells[i]};
        }
    }
    for (size_t i = 0; i < n; i++) {
        if (!is_label(queries[id].labels, names[i])) {
            add_cell(id, names[i], cells[i], labels, label_count, batch);
        }
    }
}

/* ---- pg_settings ---- */

struct unit {
    struct str name;
    double factor;
    struct str suffix;
};
static const struct unit units[] = {
    {TEXT("ms"), 1e-3, TEXT("_seconds")},
    {TEXT("us"), 1e-6, TEXT("_seconds")},
    {TEXT("s"), 1, TEXT("_seconds")},
    {TEXT("min"), 60, TEXT("_seconds")},
    {TEXT("h"), 3600, TEXT("_seconds")},
    {TEXT("d"), 86400, TEXT("_seconds")},
    {TEXT("B"), 1, TEXT("_bytes")},
    {TEXT("kB"), 1024.0, TEXT("_bytes")},
    {TEXT("MB"), 1024.0 * 1024, TEXT("_bytes")},
    {TEXT("GB"), 1024.0 * 1024 * 1024, TEXT("_bytes")},
    {TEXT("TB"), 1024.0 * 1024 * 1024 * 1024, TEXT("_bytes")},
};

/* "8kB" is a unit too: blocks of 8 kB. */
static const struct unit *unit_of(struct str text, double *count)
{
    size_t digits = 0;
    double n = 1;
    while (digits < text.len && text.p[digits] >= '0' && text.p[digits] <= '9') {
        digits++;
    }
    if (digits && (digits > 9 || !number_parse(str_slice(text, 0, digits), &n))) {
        return NULL;
    }
    struct str name = str_slice(text, digits, text.len);
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (str_eq(units[i].name, name)) {
            *count = n;
            return &units[i];
        }
    }
    return NULL;
}

static struct str setting_metric(struct str name, struct str suffix, struct arena *arena)
{
    struct str metric = arena_printf(arena, "pg_settings_" STR_FMT STR_FMT, STR_ARG(name), STR_ARG(suffix));
    char *p = arena_cstr(arena, metric);
    for (size_t i = 0; i < metric.len; i++) {
        if (p[i] == '.' || p[i] == '-') {
            p[i] = '_';
        }
    }
    return str_make(p, metric.len);
}

void postgres_setting(struct str name, struct str setting, struct str unit, struct str vartype, struct batch *batch)
{
    double v, count = 1;
    struct str suffix = STR("");
    if (str_is(vartype, "bool")) {
        v = str_is(setting, "on");
    } else if (!number_parse(setting, &v)) {
        return;
    }
    if (unit.len) {
        const struct unit *u = unit_of(unit, &count);
        if (!u) {
            return; /* a unit of a newer server: a figure in unknown units helps nobody */
        }
        suffix = u->suffix;
        if (v != -1) {
            v = u->factor < 1 ? v * count / (1 / u->factor) : v * count * u->factor;
        }
    }
    struct str metric = setting_metric(name, suffix, batch->arena);
    if (metric_name_legal(metric)) {
        batch_family(batch, metric, METRIC_GAUGE, STR("Setting of the server."));
        batch_add(batch, metric, NULL, 0, v);
    }
}
