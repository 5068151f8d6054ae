/* Start, stop, and a request's way: guard, route, body, parameters, handler. */
#include "web/server/server.h"

#include "src/base/counter.h"
#include "src/base/log.h"
#include "src/base/thread.h"
#include "web/server/request.h"

#include <arpa/inet.h>
#include <civetweb.h>
#include <errno.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

#define THREADS    256
#define NO_THREADS "the system gives no more threads: try again"

struct http_server *http_server_new(void)
{
    struct http_server *server = mem_zalloc(sizeof(*server));
    return server;
}

void http_route(struct http_server *server, unsigned methods, const char *pattern, http_handler_fn fn, void *ctx)
{
    invariant(!server->context);
    router_add(&server->router, methods, pattern, fn, ctx);
}

void http_route_body_limit(struct http_server *server, const char *pattern, size_t max_bytes)
{
    router_set_traits(&server->router, pattern)->body_max = max_bytes;
}

void http_route_raw_body(struct http_server *server, const char *pattern)
{
    router_set_traits(&server->router, pattern)->raw_body = true;
}

void http_route_shallow(struct http_server *server, const char *pattern)
{
    router_set_traits(&server->router, pattern)->shallow = true;
}

void http_route_cors(struct http_server *server, const char *pattern)
{
    router_set_traits(&server->router, pattern)->cors = true;
}

void http_plain_errors(struct http_server *server, const char *prefix, bool head)
{
    vec_push(&server->plain, (struct plain_errors){str_of(prefix), head});
}

int http_server_port(const struct http_server *server)
{
    return server->port;
}

/* A request's way. */

static void refuse(struct http_request *r, int status, const char *text)
{
    self_add(SELF_HTTP_REFUSED, 1);
    response_refuse(r, status, text);
}

static void run_handler(void *ctx)
{
    struct http_request *r = ctx;
    if (r->traits.cors) {
        cors_allow(r->server->cors, r);
    }
    r->match.route->fn(r, r->match.route->ctx);
    response_finish(r);
}

static void answer_options(void *ctx)
{
    struct http_request *r = ctx;
    if (r->traits.cors) {
        cors_allow(r->server->cors, r);
    }
    http_respond(r, 204, NULL, (struct str){0});
}

/* NULL: errors are JSON. */
static const struct plain_errors *plain_errors_of(const struct http_request *r)
{
    vec_each (const struct plain_errors *, plain, &r->server->plain) {
        if (str_starts(r->path, plain->prefix)) {
            return plain;
        }
    }
    return NULL;
}

static void refuse_plainly(struct http_request *r, int status, struct str text)
{
    self_add(SELF_HTTP_REFUSED, 1);
    http_respond(r, status, "text/plain; charset=utf-8", text);
}

static void refuse_path(struct http_request *r, const struct plain_errors *plain)
{
    bool options = strcmp(r->info->request_method, "OPTIONS") == 0;
    if (!r->match.allowed && !(plain && options)) {
        if (plain) {
            refuse_plainly(r, 404, STR("404 page not found\n"));
        } else {
            refuse(r, 404, "there is nothing at this path");
        }
        return;
    }
    auto_buf allow;
    buf_init(&allow, 256);
    route_methods_print(r->match.allowed, !plain || plain->head, &allow);
    http_set_header(r, "Allow", buf_str(&allow));
    if (options) {
        if (pool_call(r->server->pool, answer_options, r)) {
            refuse(r, 503, NO_THREADS);
        }
    } else if (plain) {
        refuse_plainly(r, 405, STR("Method Not Allowed\n"));
    } else {
        refuse(r, 405,
               arena_cstr(&r->arena, arena_printf(&r->arena, "%s is not possible here, only %s",
                                                  r->info->request_method, allow.p)));
    }
}

static bool path_decodes(struct http_request *r)
{
    struct str decoded;
    return form_decode(r->path, false, &r->arena, &decoded) && str_find_char(decoded, '\0') < 0;
}

static void serve(struct http_request *r)
{
    struct http_server *server = r->server;
    struct error err = {0};
    int status = guard_check(&server->guard, r->info, &err);
    if (status == 0 && !path_decodes(r)) {
        error_set(&err, ERR_PARSE, "the path holds a bad %% escape");
        status = 400;
    }
    if (status) {
        r->keep_alive = false; /* where the next request begins may be in doubt */
        refuse(r, status, err.text);
        return;
    }
    router_match(&server->router, r->path, r->method, &r->match);
    if (r->match.owner) {
        r->traits = router_traits(&server->router, r->match.owner);
    }
    const struct plain_errors *plain = plain_errors_of(r);
    if (!r->match.route || (plain && r->head && !plain->head)) {
        refuse_path(r, plain);
        return;
    }
    status = request_read_body(r, &r->traits, &err);
    status = status ? status : request_read_params(r, &err);
    if (status) {
        refuse(r, status, err.text);
    } else if (r->traits.shallow) {
        run_handler(r);
    } else if (pool_call(server->pool, run_handler, r)) {
        refuse(r, 503, NO_THREADS);
    }
}

static int on_request(struct mg_connection *mg)
{
    struct http_server *server = mg_get_user_data(mg_get_context(mg));
    struct http_request r;
    request_init(&r, server, mg);
    self_add(SELF_HTTP_REQUESTS, 1);
    if (r.connection && !server->stopping) {
        serve(&r);
    } else {
        mg_disable_connection_keep_alive(mg); /* gone already */
    }
    request_release(&r);
    return 200;
}

static void on_closing(const struct mg_connection *mg)
{
    struct http_server *server = mg_get_user_data(mg_get_context(mg));
    connection_closing(server->connections, mg);
}

/* civetweb could not read a request at all: nothing of it is known. */
static int on_bad_request(struct mg_connection *mg, int status, const char *text)
{
    (void)text;
    static const char body[] = "{\"status\":\"error\",\"errorType\":\"bad_data\",\"error\":\"the request could not be "
                               "read: malformed, its head larger than 16 KiB, or not here within 10 s\"}";
    char answer[512];
    int n = snprintf(answer, sizeof(answer),
                     "HTTP/1.1 %d %s\r\nContent-Type: application/json\r\nX-Content-Type-Options: nosniff\r\n"
                     "Connection: close\r\nContent-Length: %zu\r\n\r\n%s",
                     status, mg_get_response_code_text(NULL, status), sizeof(body) - 1, body);
    self_add(SELF_HTTP_REFUSED, 1);
    mg_disable_connection_keep_alive(mg);
    (void)mg_write(mg, answer, (size_t)n);
    return 0;
}

/* civetweb complains of every client that closes early: not worth a line each. */
static int on_log(const struct mg_connection *mg, const char *message)
{
    (void)mg;
    log_debug("web: civetweb", KV_STR("message", message));
    return 1;
}

/* Starting. */

static int parse_listen(struct str listen, struct sockaddr_in *out, struct error *err)
{
    char host[64];
    ptrdiff_t colon = -1;
    for (size_t i = 0; i < listen.len; i++) {
        colon = listen.p[i] == ':' ? (ptrdiff_t)i : colon;
    }
    int64_t port = -1;
    if (listen.len && listen.p[0] == '[') {
        return error_set(err, ERR_UNSUPPORTED,
                         "listen '" STR_FMT "': IPv6 is not possible yet, use an IPv4 address such as 127.0.0.1:9900",
                         STR_ARG(listen));
    }
    if (colon < 0 || (size_t)colon >= sizeof(host) ||
        !str_to_int64(str_slice(listen, (size_t)colon + 1, listen.len), &port) || port < 0 || port > 65535) {
        return error_set(err, ERR_CONFIG, "listen '%.*s': expected ADDRESS:PORT such as 127.0.0.1:9900",
                         (int)(listen.len < 64 ? listen.len : 64), listen.p ? listen.p : "");
    }
    memcpy(host, listen.p, (size_t)colon);
    host[colon] = '\0';
    const char *address = host[0] == '\0' ? "0.0.0.0" : strcmp(host, "localhost") == 0 ? "127.0.0.1" : host;
    *out = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    if (inet_pton(AF_INET, address, &out->sin_addr) != 1) {
        return error_set(err, ERR_CONFIG, "listen: '%s' is not an IPv4 address", host);
    }
    return 0;
}

static bool is_loopback(const struct sockaddr_in *address)
{
    return (ntohl(address->sin_addr.s_addr) >> 24) == 127;
}

/* civetweb only says that it could not: the reason comes from trying. */
static int try_bind(const struct sockaddr_in *address, struct str text, struct error *err)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int on = 1;
    if (fd >= 0) {
        (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    }
    /* With SO_REUSEADDR only listen() tells of a port that another socket listens on. */
    bool ok = fd >= 0 && bind(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 && listen(fd, 1) == 0;
    int rc = ok ? 0 : -errno;
    if (fd >= 0) {
        close(fd);
    }
    if (rc == -EADDRINUSE) {
        return error_set(err, ERR_BUSY,
                         "cannot listen on " STR_FMT ": another program (another cloche?) has the port. Stop it, or "
                         "choose another port with --listen ADDRESS:PORT",
                         STR_ARG(text));
    }
    if (rc == -EACCES) {
        return error_set(err, rc, "cannot listen on " STR_FMT ": ports below 1024 need privileges, choose a higher one",
                         STR_ARG(text));
    }
    return rc ? error_set(err, rc, "cannot listen on " STR_FMT ": %s", STR_ARG(text), error_text(rc)) : 0;
}

static int start_civetweb(struct http_server *server, const struct sockaddr_in *address, struct error *err)
{
    char ip[INET_ADDRSTRLEN], port[64], threads[16];
    inet_ntop(AF_INET, &address->sin_addr, ip, sizeof(ip));
    snprintf(port, sizeof(port), "%s:%d", ip, ntohs(address->sin_port));
    snprintf(threads, sizeof(threads), "%d", server->threads);
    const char *options[] = {"listening_ports",
                             port,
                             "num_threads",
                             threads,
                             "enable_keep_alive",
                             "yes",
                             "keep_alive_timeout_ms",
                             HTTP_KEEP_ALIVE_MS,
                             "request_timeout_ms",
                             HTTP_REQUEST_MS,
                             "max_request_size",
                             HTTP_HEAD_MAX,
                             "tcp_nodelay",
                             "1",
                             "decode_url",
                             "no",
                             "decode_query_string",
                             "no",
                             "enable_auth_domain_check",
                             "no",
                             "connection_queue",
                             "64",
                             "listen_backlog",
                             "256",
                             NULL};
    struct mg_callbacks callbacks = {.begin_request = on_request,
                                     .connection_close = on_closing,
                                     .http_error = on_bad_request,
                                     .log_message = on_log};
    mg_init_library(0);
    server->context = mg_start(&callbacks, server, options);
    struct mg_server_port ports[1] = {0};
    if (!server->context || mg_get_server_ports(server->context, 1, ports) < 1) {
        return error_set(err, ERR_CONNECT, "cannot listen on %s, or cannot create %s threads", port, threads);
    }
    server->port = ports[0].port;
    return 0;
}

int http_server_start(struct http_server *server, const struct http_server_options *options, struct error *err)
{
    struct sockaddr_in address;
    int rc = parse_listen(options->listen, &address, err);
    if (rc) {
        return rc;
    }
    if (!is_loopback(&address) && !options->allow_remote) {
        return error_set(err, ERR_CONFIG,
                         "listen " STR_FMT " is open to other machines, but there is no login yet: listen on 127.0.0.1 "
                         "behind a proxy that asks for one, or allow it with allow_remote: true",
                         STR_ARG(options->listen));
    }
    rc = try_bind(&address, options->listen, err);
    rc = rc ? rc : cors_new(options->cors_origin, &server->cors, err);
    if (rc) {
        return rc;
    }
    server->threads = options->threads > 0 ? options->threads : THREADS;
    server->body_ms = options->body_ms > 0 ? options->body_ms : HTTP_STEP_MS;
    server->write_ms = options->write_ms > 0 ? options->write_ms : HTTP_STEP_MS;
    server->address = address.sin_addr.s_addr == htonl(INADDR_ANY) ? 0 : address.sin_addr.s_addr;
    server->external_host = mem_str_dup(guard_host_name(options->external_host));
    server->guard = (struct guard){.local_only = is_loopback(&address), .external_host = str_of(server->external_host)};
    server->pool = pool_new((size_t)server->threads);
    server->connections = connection_table_new();
    return start_civetweb(server, &address, err);
}

void http_server_stop(struct http_server *server)
{
    if (!server || !server->context) {
        return;
    }
    server->stopping = true;
    connection_table_end_all(server->connections, server->address, server->port);
    mg_stop(server->context);
    server->context = NULL;
    mg_exit_library();
}

void http_server_free(struct http_server *server)
{
    if (!server) {
        return;
    }
    http_server_stop(server);
    pool_free(server->pool);
    connection_table_free(server->connections);
    router_release(&server->router);
    cors_free(server->cors);
    vec_release(&server->plain);
    mem_free(server->external_host);
    mem_free(server);
}
