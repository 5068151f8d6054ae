/*
 * Rows of the queries of metrics.def to samples. Pure: knows no connection.
 *
 * Threads: none of its own. Cells are texts as PostgreSQL sends them; p == NULL is SQL null.
 */
#pragma once
#include "src/model/sample.h"

#define POSTGRES_COLUMNS_MAX 64

enum postgres_query_id {
#define PG_QUERY(id, from, before, labels, sql) PG_##id,
#define PG_COLUMN(id, column, metric, type, factor, help)
#include "src/collect/postgres/metrics.def"
#undef PG_QUERY
#undef PG_COLUMN
    PG_QUERY_COUNT
};

struct postgres_query {
    struct str name;   /* "stat_database" */
    int from, before;  /* major versions; 0: no limit */
    struct str labels; /* column names, comma-separated */
    const char *sql;
};
const struct postgres_query *postgres_query(enum postgres_query_id id);
bool postgres_query_applies(const struct postgres_query *query, int major);
/* The text to send, in the arena. */
const char *postgres_query_sql(const struct postgres_query *query, bool all_databases, struct arena *arena);

/* One row: n column names and cells, n <= POSTGRES_COLUMNS_MAX. */
void postgres_row(enum postgres_query_id id, const struct str *names, const struct str *cells, size_t n,
                  struct batch *batch);
/* A row of pg_settings: booleans to 0 and 1, times to seconds, sizes to bytes, -1 ("off", "default") kept. */
void postgres_setting(struct str name, struct str setting, struct str unit, struct str vartype, struct batch *batch);
