#include "web/server/request.h"

#include "web/server/gunzip.h"

#include <civetweb.h>
#include <strings.h>

static bool same_token(struct str a, const char *token)
{
    return a.len == strlen(token) && strncasecmp(a.p, token, a.len) == 0;
}

static bool has_token(struct str list, const char *token)
{
    while (list.len > 0) {
        struct str item = str_trim(str_split(&list, ','));
        if (same_token(item, token)) {
            return true;
        }
    }
    return false;
}

/* gzip is named, or "*", and not with q=0. */
static bool accepts_gzip(struct str accept)
{
    while (accept.len > 0) {
        struct str parameters = str_split(&accept, ',');
        struct str coding = str_trim(str_split(&parameters, ';'));
        if (!str_is(coding, "gzip") && !str_is(coding, "*")) {
            continue;
        }
        parameters = str_trim(parameters);
        bool zero = str_starts(parameters, STR("q=0"));
        for (size_t i = 3; zero && i < parameters.len; i++) {
            zero = parameters.p[i] == '0' || parameters.p[i] == '.';
        }
        return !zero;
    }
    return false;
}

static unsigned method_of(const char *name)
{
    static const struct {
        const char *name;
        unsigned method;
    } methods[] = {
        {"GET", HTTP_GET}, {"HEAD", HTTP_GET}, {"POST", HTTP_POST}, {"PUT", HTTP_PUT}, {"DELETE", HTTP_DELETE}};
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        if (strcmp(name, methods[i].name) == 0) {
            return methods[i].method;
        }
    }
    return 0;
}

/* What civetweb will do after the answer: it looks at the same two things. */
static bool wants_keep_alive(struct http_request *r)
{
    struct str connection = http_header(r, "Connection");
    return connection.p ? has_token(connection, "keep-alive") : strcmp(r->info->http_version, "1.1") == 0;
}

void request_init(struct http_request *r, struct http_server *server, struct mg_connection *mg)
{
    *r = (struct http_request){.server = server, .mg = mg, .info = mg_get_request_info(mg)};
    arena_init(&r->arena);
    buf_init(&r->headers, 16384);
    r->path = str_of(r->info->request_uri);
    r->method = method_of(r->info->request_method);
    r->head = strcmp(r->info->request_method, "HEAD") == 0;
    r->takes_gzip = accepts_gzip(http_header(r, "Accept-Encoding"));
    r->body_unread = r->info->content_length > 0 || http_header(r, "Transfer-Encoding").p;
    r->connection = connection_of(server->connections, mg, r->info);
    /* Idle connections hold a thread each: with three quarters in use none is kept. */
    r->keep_alive = wants_keep_alive(r) && connection_count(server->connections) <= (size_t)server->threads * 3 / 4;
}

void request_release(struct http_request *r)
{
    form_release(&r->form);
    buf_release(&r->headers);
    arena_release(&r->arena);
}

/* Of announced length: straight to where it stays. */
static int read_announced(struct http_request *r, size_t len, struct error *err)
{
    char *to = arena_alloc(&r->arena, len + 1);
    for (size_t have = 0; have < len;) {
        int n = mg_read(r->mg, to + have, len - have);
        if (n <= 0) {
            error_set(err, ERR_PROTOCOL, "the body ended before its announced length");
            return 400;
        }
        have += (size_t)n;
    }
    to[len] = '\0';
    r->body = str_make(to, len);
    r->body_unread = false;
    return 0;
}

static int read_chunked(struct http_request *r, size_t max_bytes, struct error *err)
{
    auto_buf body;
    buf_init(&body, max_bytes + HTTP_PIECE);
    for (;;) {
        char *to = buf_reserve(&body, HTTP_PIECE);
        int n = to ? mg_read(r->mg, to, HTTP_PIECE) : 0;
        if (!to || (n == 0 && body.len > max_bytes)) {
            error_set(err, ERR_LIMIT, "the body is larger than %zu bytes", max_bytes);
            return 413;
        }
        if (n < 0) {
            error_set(err, ERR_PROTOCOL, "the body ended before its last chunk");
            return 400;
        }
        if (n == 0) { /* trailers are not read: the body stays unread, the connection is not used again */
            r->body = arena_dup(&r->arena, buf_str(&body));
            return 0;
        }
        body.len += (size_t)n;
    }
}

enum coding { CODING_NONE, CODING_GZIP, CODING_OTHER };

static enum coding coding_of(struct http_request *r, const struct route_traits *traits)
{
    struct str name = http_header(r, "Content-Encoding");
    if (traits->raw_body || name.len == 0 || same_token(name, "identity")) {
        return CODING_NONE;
    }
    return same_token(name, "gzip") || same_token(name, "x-gzip") ? CODING_GZIP : CODING_OTHER;
}

/* Unpacked, a body may be as large as one that comes so: what inflates without end does not get far. */
static int unpack(struct http_request *r, size_t max_bytes, struct error *err)
{
    auto_buf plain;
    buf_init(&plain, max_bytes + 1);
    int rc = gunzip(r->body, max_bytes, &plain, err);
    if (rc) {
        error_prefix(err, "the body in gzip");
        return rc == ERR_LIMIT ? 413 : 400;
    }
    r->body = arena_dup(&r->arena, buf_str(&plain));
    return 0;
}

int request_read_body(struct http_request *r, const struct route_traits *traits, struct error *err)
{
    size_t max_bytes = traits->body_max ? traits->body_max : HTTP_BODY_MAX;
    if (!r->body_unread) {
        return 0;
    }
    if (r->info->content_length > (long long)max_bytes) {
        error_set(err, ERR_LIMIT, "a body of %lld bytes is announced, at most %zu are taken here",
                  r->info->content_length, max_bytes);
        return 413;
    }
    enum coding coding = coding_of(r, traits);
    if (coding == CODING_OTHER) {
        error_set(err, ERR_UNSUPPORTED, "a body is taken in gzip or without Content-Encoding, not in '%.64s'",
                  arena_cstr(&r->arena, http_header(r, "Content-Encoding")));
        return 415;
    }
    if (http_header(r, "Expect").p) {
        (void)mg_write(r->mg, "HTTP/1.1 100 Continue\r\n\r\n", 25);
    }
    connection_set_step(r->connection, STEP_READ, r->server->body_ms);
    int status = r->info->content_length < 0 ? read_chunked(r, max_bytes, err)
                                             : read_announced(r, (size_t)r->info->content_length, err);
    connection_set_step(r->connection, STEP_IDLE, 0);
    if (connection_expired(r->connection)) {
        error_set(err, ERR_TIMEOUT, "the body did not arrive within %lld s",
                  (long long)(r->server->body_ms + 999) / 1000);
        return 408;
    }
    return status == 0 && coding == CODING_GZIP ? unpack(r, max_bytes, err) : status;
}

int request_read_params(struct http_request *r, struct error *err)
{
    int rc = 0;
    struct str type = http_header(r, "Content-Type");
    type = str_trim(str_split(&type, ';'));
    if (r->body.len && type.len == 33 && strncasecmp(type.p, "application/x-www-form-urlencoded", type.len) == 0) {
        rc = form_parse(r->body, &r->arena, &r->form, err);
    }
    rc = rc ? rc : form_parse(str_of(r->info->query_string), &r->arena, &r->form, err);
    if (rc) {
        error_prefix(err, "error parsing form values");
    }
    return rc ? 400 : 0;
}

/* What handlers may ask. */

struct arena *http_arena(struct http_request *r)
{
    return &r->arena;
}

struct str http_path_param(struct http_request *r, const char *name)
{
    struct str out = {0}, raw = route_param(&r->match, str_of(name));
    if (!raw.p || !form_decode(raw, false, &r->arena, &out)) {
        return raw;
    }
    return out;
}

struct str http_param(struct http_request *r, const char *name)
{
    return form_get(&r->form, str_of(name));
}

size_t http_params(struct http_request *r, const char *name, const struct str **out)
{
    struct str *values = arena_alloc(&r->arena, (r->form.pairs.len + 1) * sizeof(*values));
    size_t n = 0;
    for (size_t i = 0; i < r->form.pairs.len; i++) {
        if (str_is(r->form.pairs.p[i].name, name)) {
            values[n++] = r->form.pairs.p[i].value;
        }
    }
    *out = values;
    return n;
}

struct str http_header(struct http_request *r, const char *name)
{
    for (int i = 0; i < r->info->num_headers; i++) {
        if (strcasecmp(r->info->http_headers[i].name, name) == 0) {
            return str_trim(str_of(r->info->http_headers[i].value));
        }
    }
    return (struct str){0};
}

struct str http_body(struct http_request *r)
{
    return r->body;
}

struct str http_path(struct http_request *r)
{
    return r->path;
}

unsigned http_method_of(struct http_request *r)
{
    return r->method;
}

struct str http_peer(struct http_request *r)
{
    return str_of(r->info->remote_addr);
}

bool http_client_gone(struct http_request *r)
{
    return r->failed || r->server->stopping || connection_peer_gone(r->connection);
}

bool http_same_origin(struct http_request *r)
{
    struct str site = http_header(r, "Sec-Fetch-Site");
    if (site.p) {
        return str_is(site, "same-origin") || str_is(site, "none");
    }
    struct str origin = http_header(r, "Origin");
    if (!origin.p) {
        return true; /* no browser */
    }
    ptrdiff_t scheme = str_find(origin, STR("://"));
    struct str host = http_header(r, "Host");
    origin = scheme < 0 ? origin : str_slice(origin, (size_t)scheme + 3, origin.len);
    return origin.len == host.len && strncasecmp(origin.p, host.p, host.len) == 0;
}
