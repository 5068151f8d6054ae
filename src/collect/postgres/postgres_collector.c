/*
 * Talks to one PostgreSQL server over one connection: the queries of metrics.def one after the other, each on its own.
 * A query that fails costs its family and is named in the target's hint; only a lost connection fails the collection.
 */
#include "src/base/buf.h"
#include "src/base/clock.h"
#include "src/collect/postgres/postgres_rows.h"
#include "src/collect/reconnect.h"
#include "src/collect/target_internal.h"
#include "src/loop/loop_pg.h"

struct postgres_state {
    struct target *target;
    struct pg_conn *conn;
    struct reconnect reconnect;
    struct error reason; /* why the connection is down */
    uint64_t waiting;    /* ticket that waits for the connection; 0: none */
    uint64_t ticket;     /* of the queries that run */
    bool busy;           /* a query is out */
    int next;            /* query to ask next */
    int64_t begun_ms;
    struct arena arena; /* texts of queries; made once */
    const char *sql[PG_QUERY_COUNT];
    struct buf notes; /* what failed in this collection */
    size_t failed;
};

static void ask_next(struct postgres_state *state);

static void take_rows(enum postgres_query_id id, const struct pg_result *res, struct batch *batch)
{
    struct str names[POSTGRES_COLUMNS_MAX], cells[POSTGRES_COLUMNS_MAX];
    int columns = pg_columns(res);
    if (columns > POSTGRES_COLUMNS_MAX) {
        columns = POSTGRES_COLUMNS_MAX;
    }
    for (int c = 0; c < columns; c++) {
        names[c] = str_of(pg_column_name(res, c));
    }
    for (int row = 0; row < pg_rows(res) && batch->samples.len <= TARGET_SAMPLES_MAX; row++) {
        for (int c = 0; c < columns; c++) {
            cells[c] = pg_value(res, row, c);
        }
        if (id == PG_settings && columns == 4) {
            postgres_setting(cells[0], cells[1], cells[2], cells[3], batch);
        } else {
            postgres_row(id, names, cells, (size_t)columns, batch);
        }
    }
}

static void note_failure(struct postgres_state *state, const struct postgres_query *query, const struct error *err)
{
    state->failed++;
    buf_addf(&state->notes, "%s" STR_FMT ": %s", state->notes.len ? "; " : "Not collected: ", STR_ARG(query->name),
             err->text);
}

static void add_success(struct batch *batch, const struct postgres_query *query, bool success)
{
    const struct label labels[] = {{STR("collector"), query->name}};
    batch_family(batch, STR("pg_scrape_collector_success"), METRIC_GAUGE, STR("1 if this group of figures came."));
    batch_add(batch, STR("pg_scrape_collector_success"), labels, 1, success);
}

static void finish(struct postgres_state *state, struct batch *batch)
{
    batch_family(batch, STR("pg_exporter_last_scrape_error"), METRIC_GAUGE,
                 STR("1 if a group of figures is missing from the collection."));
    batch_add(batch, STR("pg_exporter_last_scrape_error"), NULL, 0, state->failed != 0);
    batch_family(batch, STR("pg_exporter_last_scrape_duration_seconds"), METRIC_GAUGE,
                 STR("Time the collection took."));
    batch_add(batch, STR("pg_exporter_last_scrape_duration_seconds"), NULL, 0,
              (double)(clock_mono_ms() - state->begun_ms) / 1e3);
    reconnect_worked(&state->reconnect);
    target_set_hint(state->target, buf_str(&state->notes));
    target_done(state->target, state->ticket, NULL);
}

static void on_result(void *ctx, const struct pg_result *res, const struct error *err)
{
    struct postgres_state *state = ctx;
    loop_assert();
    enum postgres_query_id id = (enum postgres_query_id)state->next++;
    const struct postgres_query *query = postgres_query(id);
    state->busy = false;
    struct batch *batch = target_batch(state->target, state->ticket);
    if (!res && !pg_is_ready(state->conn)) {
        target_done(state->target, state->ticket, err); /* on_down() comes, or has come, for the connection's part */
        return;
    }
    if (!batch) {
        return; /* the deadline was faster */
    }
    if (res) {
        take_rows(id, res, batch);
    } else {
        note_failure(state, query, err);
    }
    add_success(batch, query, res != NULL);
    ask_next(state);
}

static void ask_next(struct postgres_state *state)
{
    loop_assert();
    int major = pg_server_version(state->conn) / 10000;
    while (state->next < PG_QUERY_COUNT &&
           !postgres_query_applies(postgres_query((enum postgres_query_id)state->next), major)) {
        state->next++;
    }
    if (state->next == PG_QUERY_COUNT) {
        struct batch *batch = target_batch(state->target, state->ticket);
        if (batch) {
            finish(state, batch);
        }
        return;
    }
    /* what is left of the collection's time: a server that falls silent costs its connection at the deadline */
    int64_t left = target_config(state->target)->timeout_ms - (clock_mono_ms() - state->begun_ms);
    state->busy = true;
    pg_query(state->conn, state->sql[state->next], left > 1 ? left : 1, on_result, state);
}

static void begin_queries(struct postgres_state *state, uint64_t ticket)
{
    state->ticket = ticket;
    state->next = 0;
    state->failed = 0;
    state->begun_ms = clock_mono_ms();
    buf_clear(&state->notes);
    ask_next(state);
}

static void postgres_collect(struct target *target, uint64_t ticket)
{
    struct postgres_state *state = target_state(target);
    loop_assert();
    if (reconnect_waiting(&state->reconnect)) {
        target_done(target, ticket, &state->reason);
    } else if (!pg_is_ready(state->conn) || state->busy) {
        state->waiting = ticket; /* on_ready or on_down decides, or the deadline */
    } else {
        begin_queries(state, ticket);
    }
}

/* ---- the connection ---- */

static void on_ready(void *ctx)
{
    struct postgres_state *state = ctx;
    uint64_t ticket = state->waiting;
    state->waiting = 0;
    state->busy = false;
    target_set_instance(state->target, str_of(pg_address(state->conn)));
    if (target_batch(state->target, ticket)) {
        begin_queries(state, ticket);
    } else {
        target_nudge(state->target);
    }
}

static void on_down(void *ctx, const struct error *reason)
{
    struct postgres_state *state = ctx;
    uint64_t ticket = state->waiting;
    state->waiting = 0;
    state->busy = false;
    state->reason = *reason;
    target_set_hint(state->target, STR(""));
    reconnect_later(&state->reconnect);
    target_done(state->target, ticket, &state->reason);
}

static void on_reconnect(void *ctx)
{
    struct postgres_state *state = ctx;
    loop_assert();
    pg_reconnect(state->conn);
}

static int postgres_start(struct target *target, struct error *err)
{
    static const struct pg_callbacks callbacks = {.on_ready = on_ready, .on_down = on_down};
    const struct config_target *config = target_config(target);
    loop_assert();
    target_set_up_metric(target, "pg_up", "1 if the server could be asked, else 0.");
    struct postgres_state *state = mem_zalloc(sizeof(*state));
    state->target = target;
    reconnect_init(&state->reconnect, target_loop(target), config->interval_ms, on_reconnect, state);
    const struct pg_options options = {.url = config->url,
                                       .connect_timeout_ms = config->timeout_ms < 5000 ? config->timeout_ms : 5000,
                                       .statement_timeout_ms = config->timeout_ms / 2};
    state->conn = pg_open(target_loop(target), &options, &callbacks, state, err);
    if (!state->conn) {
        mem_free(state);
        return err && err->code ? err->code : ERR_CONFIG;
    }
    arena_init(&state->arena);
    buf_init(&state->notes, 4096);
    for (int id = 0; id < PG_QUERY_COUNT; id++) {
        state->sql[id] =
            postgres_query_sql(postgres_query((enum postgres_query_id)id), config->all_databases, &state->arena);
    }
    target_set_state(target, state);
    return 0;
}

static void postgres_stop(struct target *target)
{
    struct postgres_state *state = target_state(target);
    loop_assert();
    target_set_state(target, NULL);
    reconnect_stop(&state->reconnect);
    pg_close(state->conn);
    buf_release(&state->notes);
    arena_release(&state->arena);
    mem_free(state);
    target_stopped(target);
}

const struct collector postgres_collector = {
    .name = "postgres", .start = postgres_start, .collect = postgres_collect, .stop = postgres_stop};
