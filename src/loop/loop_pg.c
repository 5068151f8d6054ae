#include "src/loop/loop_pg.h"

#include "src/base/clock.h"
#include "src/base/mem.h"
#include "src/loop/late_pq.h"
#include "src/loop/pg_target.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <uv.h>

enum { CONNECT_TIMEOUT_MS = 5000, STATEMENT_TIMEOUT_MS = 10000, LOCK_TIMEOUT_MS = 2000, QUEUE_MAX = 64, ADDRS_MAX = 8 };

struct query {
    struct query *next;
    char *sql;
    int64_t timeout_ms;
    pg_result_fn fn;
    void *ctx;
    int why; /* of a refused one */
};

struct query_list {
    struct query *first, **end;
    int n;
};

/* A poll handle for one socket of libpq. Freed in libuv's close callback. */
struct watch {
    uv_poll_t poll;
    struct pg_conn *conn; /* NULL: closing */
};

enum state { STATE_DOWN, STATE_RESOLVING, STATE_CONNECTING, STATE_SETTING_UP, STATE_READY };

struct pg_conn {
    struct loop *loop;
    struct pg_callbacks callbacks;
    void *ctx;
    struct pg_target target;
    int64_t connect_timeout_ms, statement_timeout_ms;

    int refs; /* the owner, messages and look-ups on their way, functions that call back */
    bool closed, failing;
    enum state state;
    uint64_t generation; /* of the connection; a look-up that comes late, and loops, compare it */
    PGconn *pg;
    struct watch *watch;
    struct query_list queries; /* the first is under way when `running` */
    struct query_list refused;
    bool running;
    PGresult *result;     /* of the query under way: its last, or its first error */
    char last_words[160]; /* of a server that ends an idle connection */
    struct loop_timer *deadline, *connect_timer;
};

static void go_down(struct pg_conn *c, const struct error *reason) LOOP_ONLY;
static void start_next(struct pg_conn *c) LOOP_ONLY;
static void connect_step(struct pg_conn *c) LOOP_ONLY;
static void pump(struct pg_conn *c) LOOP_ONLY;

/* -- lists of queries -- */

static void list_init(struct query_list *list)
{
    *list = (struct query_list){.end = &list->first};
}

static void list_push(struct query_list *list, struct query *query)
{
    query->next = NULL;
    *list->end = query;
    list->end = &query->next;
    list->n++;
}

static struct query *list_pop(struct query_list *list)
{
    struct query *query = list->first;
    if (query) {
        list->first = query->next;
        list->n--;
        if (!list->first) {
            list->end = &list->first;
        }
    }
    return query;
}

static void query_free(struct query *query)
{
    mem_free(query->sql);
    mem_free(query);
}

static void list_drop(struct query_list *list)
{
    for (struct query *query; (query = list_pop(list));) {
        query_free(query);
    }
}

static void answer(struct query *query, const PGresult *result, const struct error *err)
{
    if (query->fn) {
        query->fn(query->ctx, (const struct pg_result *)result, err);
    }
    query_free(query);
}

/* -- the poll handle -- */

static void on_watch_closed(uv_handle_t *handle)
{
    mem_free(handle->data);
}

static void unwatch(struct pg_conn *c)
{
    struct watch *watch = steal(c->watch);
    if (watch) {
        watch->conn = NULL;
        uv_poll_stop(&watch->poll);
        uv_close((uv_handle_t *)&watch->poll, on_watch_closed);
    }
}

static void unref(struct pg_conn *c)
{
    if (--c->refs == 0) {
        pg_target_release(&c->target);
        mem_free(c);
    }
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    loop_assert();
    (void)events;
    (void)status; /* libpq finds out itself: a refused connection comes as UV_EBADF */
    struct watch *watch = poll->data;
    struct pg_conn *c = watch->conn;
    if (!c) {
        return;
    }
    c->refs++;
    if (c->state == STATE_CONNECTING) {
        connect_step(c);
    } else {
        pump(c);
    }
    unref(c);
}

static void watch_socket(struct pg_conn *c, int events)
{
    if (!c->watch) {
        struct watch *watch = mem_zalloc(sizeof(*watch));
        if (uv_poll_init(loop_uv(c->loop), &watch->poll, pq.PQsocket(c->pg)) != 0) {
            mem_free(watch); /* no socket: the connect timer ends the attempt */
            return;
        }
        watch->poll.data = watch;
        watch->conn = c;
        c->watch = watch;
    }
    uv_poll_start(&c->watch->poll, events, on_poll);
}

/* -- life -- */

static void disconnect(struct pg_conn *c) LOOP_ONLY;
static void disconnect(struct pg_conn *c)
{
    c->state = STATE_DOWN;
    c->generation++;
    c->running = false;
    unwatch(c);
    pq.PQclear(steal(c->result));
    pq.PQfinish(steal(c->pg));
    loop_timer_stop(steal(c->deadline));
    loop_timer_stop(steal(c->connect_timer));
}

void pg_close(struct pg_conn *c)
{
    if (c) {
        c->closed = true;
        disconnect(c);
        list_drop(&c->queries);
        list_drop(&c->refused);
        unref(c);
    }
}

static void go_down(struct pg_conn *c, const struct error *reason)
{
    if (c->closed || c->state == STATE_DOWN) {
        return;
    }
    struct error copy = *reason;
    c->refs++;
    disconnect(c);
    c->failing = true;
    for (struct query *query; !c->closed && (query = list_pop(&c->queries));) {
        answer(query, NULL, &copy);
    }
    c->failing = false;
    if (!c->closed && c->callbacks.on_down) {
        c->callbacks.on_down(c->ctx, &copy);
    }
    unref(c);
}

static void go_down_text(struct pg_conn *c, int code, const char *fmt, ...) LOOP_ONLY PRINTF_LIKE(3, 4);
static void go_down_text(struct pg_conn *c, int code, const char *fmt, ...)
{
    char text[256];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    struct error reason;
    error_set(&reason, code, "PostgreSQL at %s: %s", c->target.address, text);
    go_down(c, &reason);
}

/* libpq's text has a line for each address it tried, with hints (which begin with a tab) and details below: the last
 * line that is none of these. */
static struct str last_line(const char *text)
{
    struct str rest = str_of(text), found = {0};
    while (rest.len) {
        struct str line = str_split(&rest, '\n');
        bool extra = str_starts(line, STR("\t")) || str_starts(line, STR("DETAIL:")) || str_starts(line, STR("HINT:"));
        if (line.len && !extra) {
            found = line;
        }
    }
    return str_trim(found);
}

static bool is_about_access(struct str text)
{
    return str_find(text, STR("authentication failed")) >= 0 || str_find(text, STR("no password supplied")) >= 0 ||
           str_find(text, STR("no pg_hba.conf entry")) >= 0 || str_find(text, STR("role \"")) >= 0;
}

static bool is_error(const PGresult *result)
{
    ExecStatusType status = pq.PQresultStatus(result);
    return status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK && status != PGRES_EMPTY_QUERY;
}

/* What the server said before it closed ("terminating connection due to administrator command") tells more than
 * libpq's "server closed the connection unexpectedly". With a query under way it is that query's error; it does not
 * block, the socket is gone. Else it came as a notice. */
static void find_last_words(struct pg_conn *c)
{
    PGresult *result = NULL;
    if (c->state < STATE_SETTING_UP) {
        return;
    }
    (void)pq.PQisBusy(c->pg); /* parses what has come in, down to the notices */
    while (c->running && pq.PQstatus(c->pg) == CONNECTION_BAD && (result = pq.PQgetResult(c->pg))) {
        const char *state = pq.PQresultErrorField(result, PG_DIAG_SQLSTATE);
        const char *text = pq.PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
        if (state && text && is_error(result)) {
            snprintf(c->last_words, sizeof(c->last_words), "%s", text);
        }
        pq.PQclear(result);
    }
    const char *state = c->result ? pq.PQresultErrorField(c->result, PG_DIAG_SQLSTATE) : NULL;
    if (state && is_error(c->result)) {
        snprintf(c->last_words, sizeof(c->last_words), "%s", pq.PQresultErrorField(c->result, PG_DIAG_MESSAGE_PRIMARY));
    }
}

static void go_down_pg(struct pg_conn *c) LOOP_ONLY;
static void go_down_pg(struct pg_conn *c)
{
    find_last_words(c);
    struct str text = last_line(c->last_words[0] ? c->last_words : pq.PQerrorMessage(c->pg));
    if (is_about_access(text)) {
        go_down_text(c, ERR_AUTH, STR_FMT " (check the user and password in the URL)", STR_ARG(text));
    } else if (text.len == 0) {
        go_down_text(c, ERR_CLOSED, "the connection was lost");
    } else {
        go_down_text(c, ERR_CONNECT, STR_FMT, STR_ARG(text));
    }
}

/* -- queries -- */

static void on_deadline(void *ctx)
{
    loop_assert();
    go_down_text(ctx, ERR_TIMEOUT, "did not answer a query in time; the connection was closed");
}

static int error_code(const char *sqlstate)
{
    if (strcmp(sqlstate, "57014") == 0 || strcmp(sqlstate, "55P03") == 0) { /* query_canceled, lock_not_available */
        return ERR_TIMEOUT;
    }
    return strcmp(sqlstate, "42501") == 0 ? ERR_AUTH : ERR_EXEC; /* insufficient_privilege */
}

static void result_error(const PGresult *result, struct error *err)
{
    const char *state = pq.PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *text = pq.PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    state = state ? state : "";
    text = text ? text : pq.PQresultErrorMessage(result);
    struct str rest = str_of(text), line = str_split(&rest, '\n');
    error_set(err, error_code(state), STR_FMT "%s%s%s", STR_ARG(line), state[0] ? " (SQLSTATE " : "", state,
              state[0] ? ")" : "");
}

static void finish_query(struct pg_conn *c) LOOP_ONLY;
static void finish_query(struct pg_conn *c)
{
    PGresult *result = steal(c->result);
    struct query *query = list_pop(&c->queries);
    struct error err = {0};
    c->running = false;
    loop_timer_stop(steal(c->deadline));
    bool failed = !result || is_error(result);
    if (result && failed) {
        result_error(result, &err);
    } else if (failed) {
        error_set(&err, ERR_PROTOCOL, "the query ended without a result");
    }
    answer(query, failed ? NULL : result, failed ? &err : NULL);
    pq.PQclear(result);
}

/* Of several statements the first error counts, else the last result. */
static void keep_result(struct pg_conn *c, PGresult *result)
{
    if (c->result && is_error(c->result)) {
        pq.PQclear(result);
        return;
    }
    pq.PQclear(c->result);
    c->result = result;
}

/* Takes what has come in. Callbacks may close or begin anew: the generation tells. */
static void pump(struct pg_conn *c)
{
    uint64_t generation = c->generation;
    if (!pq.PQconsumeInput(c->pg) || pq.PQstatus(c->pg) == CONNECTION_BAD) {
        go_down_pg(c);
        return;
    }
    while (c->generation == generation && c->running && !pq.PQisBusy(c->pg)) {
        PGresult *result = pq.PQgetResult(c->pg);
        ExecStatusType status = result ? pq.PQresultStatus(result) : PGRES_COMMAND_OK;
        if (status == PGRES_COPY_IN || status == PGRES_COPY_OUT || status == PGRES_COPY_BOTH) {
            pq.PQclear(result);
            go_down_text(c, ERR_UNSUPPORTED, "COPY is not supported");
            return;
        }
        if (result) {
            keep_result(c, result);
        } else if (pq.PQstatus(c->pg) == CONNECTION_BAD) {
            go_down_pg(c);
        } else {
            finish_query(c);
            if (c->generation == generation && !c->closed) {
                start_next(c);
            }
        }
    }
    if (c->generation == generation) {
        watch_socket(c, UV_READABLE | (pq.PQflush(c->pg) == 1 ? UV_WRITABLE : 0));
    }
}

static void start_next(struct pg_conn *c)
{
    struct query *query = c->queries.first;
    if (!query || c->running || c->state < STATE_SETTING_UP) {
        return;
    }
    if (!pq.PQsendQuery(c->pg, query->sql)) {
        go_down_pg(c);
        return;
    }
    c->running = true;
    c->deadline = loop_timer_start(c->loop, query->timeout_ms, 0, on_deadline, c);
    watch_socket(c, UV_READABLE | (pq.PQflush(c->pg) == 1 ? UV_WRITABLE : 0));
}

static struct query *query_new(const char *sql, int64_t timeout_ms, pg_result_fn fn, void *ctx)
{
    struct query *query = mem_zalloc(sizeof(*query));
    query->sql = mem_strdup(sql);
    query->timeout_ms = timeout_ms;
    query->fn = fn;
    query->ctx = ctx;
    return query;
}

static void answer_refused(void *ctx)
{
    loop_assert();
    struct pg_conn *c = ctx;
    /* Only those that are here now: a callback that tries again at once must not keep us from the loop. */
    struct query_list now;
    list_init(&now);
    while (c->refused.first) {
        list_push(&now, list_pop(&c->refused));
    }
    for (struct query *query; !c->closed && (query = list_pop(&now));) {
        bool full = query->why == ERR_FULL;
        struct error err;
        error_set(&err, query->why, "PostgreSQL at %s: %s", c->target.address,
                  full ? "too many queries wait" : "not connected");
        answer(query, NULL, &err);
    }
    list_drop(&now);
    unref(c);
}

static void refuse(struct pg_conn *c, struct query *query, int why)
{
    query->why = why;
    if (c->refused.n == 0) {
        c->refs++;
        loop_post(c->loop, answer_refused, c);
    }
    list_push(&c->refused, query);
}

static void start_next_later(void *ctx)
{
    loop_assert();
    struct pg_conn *c = ctx;
    if (!c->closed) {
        start_next(c);
    }
    unref(c);
}

void pg_query(struct pg_conn *c, const char *sql, int64_t timeout_ms, pg_result_fn fn, void *ctx)
{
    invariant(!c->closed);
    struct query *query = query_new(sql, timeout_ms > 0 ? timeout_ms : c->statement_timeout_ms, fn, ctx);
    if (c->state != STATE_READY) {
        refuse(c, query, ERR_CLOSED);
    } else if (c->queries.n >= QUEUE_MAX) {
        refuse(c, query, ERR_FULL);
    } else {
        list_push(&c->queries, query);
        if (!c->running) { /* from the loop, so that a failure is not reported from within this call */
            c->refs++;
            loop_post(c->loop, start_next_later, c);
        }
    }
}

/* -- connecting -- */

static void on_set_up(void *ctx, const struct pg_result *res, const struct error *err)
{
    loop_assert();
    struct pg_conn *c = ctx;
    if (c->state != STATE_SETTING_UP) {
        return; /* going down already */
    }
    if (!res) {
        go_down_text(c, err->code, "cannot set time limits: %s", err->text);
        return;
    }
    c->state = STATE_READY;
    loop_timer_stop(steal(c->connect_timer));
    if (c->callbacks.on_ready) {
        c->callbacks.on_ready(c->ctx);
    }
}

/* SET instead of the `options` parameter: PgBouncer refuses that. */
static void set_up(struct pg_conn *c) LOOP_ONLY;
static void set_up(struct pg_conn *c)
{
    char sql[160];
    int64_t lock_ms = c->statement_timeout_ms < LOCK_TIMEOUT_MS ? c->statement_timeout_ms : LOCK_TIMEOUT_MS;
    snprintf(sql, sizeof(sql), "SET statement_timeout = %lld; SET lock_timeout = %lld",
             (long long)c->statement_timeout_ms, (long long)lock_ms);
    pq.PQsetnonblocking(c->pg, 1);
    c->state = STATE_SETTING_UP;
    list_push(&c->queries, query_new(sql, c->connect_timeout_ms, on_set_up, c));
    start_next(c);
}

/* One step of libpq's; it may close the socket and open another, so nothing watches it meanwhile. */
static void connect_step(struct pg_conn *c)
{
    unwatch(c);
    switch (pq.PQconnectPoll(c->pg)) {
    case PGRES_POLLING_READING:
        watch_socket(c, UV_READABLE);
        break;
    case PGRES_POLLING_WRITING:
        watch_socket(c, UV_WRITABLE);
        break;
    case PGRES_POLLING_OK:
        set_up(c);
        break;
    default:
        go_down_pg(c);
    }
}

/* The default writes notices to stderr. A FATAL one announces the end of the connection. */
static void on_notice(void *arg, const char *text)
{
    struct pg_conn *c = arg;
    struct str s = str_of(text);
    if (str_starts(s, STR("FATAL:"))) {
        s = str_trim(str_slice(s, strlen("FATAL:"), s.len));
        snprintf(c->last_words, sizeof(c->last_words), STR_FMT, STR_ARG(s));
    }
}

/* hostaddrs: NULL, or addresses of the host joined by commas, `n` of them. */
static void connect_start(struct pg_conn *c, const char *hostaddrs, size_t n) LOOP_ONLY;
static void connect_start(struct pg_conn *c, const char *hostaddrs, size_t n)
{
    struct pg_target *t = &c->target;
    const char *keys[PG_PARAMS_MAX + 4], *values[PG_PARAMS_MAX + 4];
    auto_buf hosts;
    char port[16];
    int count = t->count;
    memcpy(keys, t->keys, (size_t)count * sizeof(keys[0]));
    memcpy(values, t->values, (size_t)count * sizeof(values[0]));
    snprintf(port, sizeof(port), "%d", t->port);
    keys[count] = "port";
    values[count++] = port;
    buf_init(&hosts, 4096);
    for (size_t i = 0; i < n; i++) { /* libpq wants a name for each address */
        buf_addf(&hosts, i ? ",%s" : "%s", t->host);
    }
    if (t->host) {
        keys[count] = "host";
        values[count++] = n ? hosts.p : t->host;
    }
    if (n) {
        keys[count] = "hostaddr";
        values[count++] = hostaddrs;
    }
    keys[count] = values[count] = NULL;
    c->state = STATE_CONNECTING;
    c->pg = pq.PQconnectStartParams(keys, values, 0);
    invariant(c->pg != NULL);
    pq.PQsetNoticeProcessor(c->pg, on_notice, c);
    c->last_words[0] = '\0';
    if (pq.PQstatus(c->pg) == CONNECTION_BAD) {
        go_down_pg(c);
        return;
    }
    /* As if PQconnectPoll() had asked to write: see its manual. */
    watch_socket(c, UV_WRITABLE);
}

struct lookup {
    struct pg_conn *conn;
    uint64_t generation;
};

static void on_resolved(void *ctx, const struct sockaddr_storage *addrs, size_t n, const struct error *err)
{
    loop_assert();
    struct lookup *lookup = ctx;
    struct pg_conn *c = lookup->conn;
    bool current = !c->closed && c->generation == lookup->generation;
    mem_free(lookup);
    if (current && n == 0) {
        go_down_text(c, err->code, "%s", err->text);
    } else if (current) {
        auto_buf list;
        buf_init(&list, 4096);
        n = n < ADDRS_MAX ? n : ADDRS_MAX;
        for (size_t i = 0; i < n; i++) {
            char text[INET6_ADDRSTRLEN] = "";
            uv_ip_name((const struct sockaddr *)&addrs[i], text, sizeof(text));
            buf_addf(&list, i ? ",%s" : "%s", text);
        }
        connect_start(c, list.p, n);
    }
    unref(c);
}

/* A socket folder needs no look-up; it begins from the loop all the same, so that no callback comes too early. */
static void connect_local(void *ctx)
{
    loop_assert();
    struct lookup *lookup = ctx;
    struct pg_conn *c = lookup->conn;
    bool current = !c->closed && c->generation == lookup->generation;
    mem_free(lookup);
    if (current) {
        connect_start(c, NULL, 0);
    }
    unref(c);
}

static void on_connect_timer(void *ctx)
{
    loop_assert();
    struct pg_conn *c = ctx;
    go_down_text(c, ERR_TIMEOUT, "not ready within %.3g s", (double)c->connect_timeout_ms / 1000);
}

static void connect_now(struct pg_conn *c) LOOP_ONLY;
static void connect_now(struct pg_conn *c)
{
    struct lookup *lookup = mem_alloc(sizeof(*lookup));
    c->state = STATE_RESOLVING;
    c->generation++;
    c->refs++;
    *lookup = (struct lookup){c, c->generation};
    c->connect_timer = loop_timer_start(c->loop, c->connect_timeout_ms, 0, on_connect_timer, c);
    if (c->target.host && c->target.host[0] != '/') {
        loop_resolve(c->loop, str_of(c->target.host), c->target.port, on_resolved, lookup);
    } else {
        loop_post(c->loop, connect_local, lookup);
    }
}

struct pg_conn *pg_open(struct loop *loop, const struct pg_options *options, const struct pg_callbacks *callbacks,
                        void *ctx, struct error *err)
{
    if (pq_open(err)) {
        return NULL;
    }
    struct pg_conn *c = mem_zalloc(sizeof(*c));
    c->refs = 1;
    c->loop = loop;
    c->callbacks = *callbacks;
    c->ctx = ctx;
    c->connect_timeout_ms = options->connect_timeout_ms > 0 ? options->connect_timeout_ms : CONNECT_TIMEOUT_MS;
    c->statement_timeout_ms = options->statement_timeout_ms > 0 ? options->statement_timeout_ms : STATEMENT_TIMEOUT_MS;
    list_init(&c->queries);
    list_init(&c->refused);
    if (pg_target_parse(options->url, options->dbname, &c->target, err) != 0) {
        unref(c);
        return NULL;
    }
    connect_now(c);
    return c;
}

void pg_reconnect(struct pg_conn *c)
{
    invariant(!c->closed && c->state == STATE_DOWN && !c->failing);
    connect_now(c);
}

bool pg_is_ready(const struct pg_conn *c)
{
    return c->state == STATE_READY;
}

int pg_server_version(const struct pg_conn *c)
{
    return c->pg ? pq.PQserverVersion(c->pg) : 0;
}

const char *pg_address(const struct pg_conn *c)
{
    return c->target.address;
}

const char *pg_dbname(const struct pg_conn *c)
{
    const char *name = c->pg && !c->target.dbname[0] ? pq.PQdb(c->pg) : NULL;
    return name ? name : c->target.dbname;
}

/* -- results -- */

static const PGresult *pg_of(const struct pg_result *res)
{
    return (const PGresult *)res;
}

int pg_rows(const struct pg_result *res)
{
    return pq.PQntuples(pg_of(res));
}

int pg_columns(const struct pg_result *res)
{
    return pq.PQnfields(pg_of(res));
}

const char *pg_column_name(const struct pg_result *res, int column)
{
    return pq.PQfname(pg_of(res), column);
}

struct str pg_value(const struct pg_result *res, int row, int column)
{
    const PGresult *result = pg_of(res);
    if (pq.PQgetisnull(result, row, column)) {
        return (struct str){0};
    }
    return str_make(pq.PQgetvalue(result, row, column), (size_t)pq.PQgetlength(result, row, column));
}
