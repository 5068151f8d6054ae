/* Answers: head, body, compression, streams. Every write has a deadline (connection.h). */
#include "src/base/clock.h"
#include "src/base/counter.h"
#include "src/base/json_writer.h"
#include "src/base/thread.h"
#include "web/server/gunzip.h"
#include "web/server/request.h"

#include <civetweb.h>
#include <stdatomic.h>

#define GZIP_LEVEL                                                                                                     \
    1 /* JSON of samples: 9 times smaller at 150 MB/s; level 6 gains a tenth and takes four times as long */
#define INFLATE_MAX (64u << 20)

static const char security_headers[] =
    "Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src "
    "'self'; connect-src 'self'; manifest-src 'self'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'\r\n"
    "X-Content-Type-Options: nosniff\r\n"
    "X-Frame-Options: DENY\r\n"
    "Referrer-Policy: no-referrer\r\n"
    "Cross-Origin-Opener-Policy: same-origin\r\n";

static void add_date(struct buf *out)
{
    static const char days[][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char months[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    time_t now = (time_t)(clock_wall_ms() / 1000);
    struct tm tm;
    gmtime_r(&now, &tm);
    buf_addf(out, "Date: %s, %02d %s %d %02d:%02d:%02d GMT\r\n", days[tm.tm_wday], tm.tm_mday, months[tm.tm_mon],
             tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

/* Connection state is settled here: a body that was not read ends the connection. */
static void add_head(struct http_request *r, int status, const char *content_type, struct buf *out)
{
    r->keep_alive = r->keep_alive && !r->body_unread && !r->server->stopping;
    if (!r->keep_alive) {
        mg_disable_connection_keep_alive(r->mg);
    }
    buf_addf(out, "HTTP/1.1 %d %s\r\n", status, mg_get_response_code_text(NULL, status));
    add_date(out);
    buf_addf(out, "Connection: %s\r\n", r->keep_alive ? "keep-alive" : "close");
    if (content_type) {
        buf_addf(out, "Content-Type: %s\r\n", content_type);
    }
    buf_add(out, STR("Vary: Accept-Encoding\r\n"));
    buf_add(out, str_make(security_headers, sizeof(security_headers) - 1));
    buf_add(out, buf_str(&r->headers));
}

static bool write_all(struct http_request *r, struct str bytes)
{
    while (bytes.len > 0 && !r->failed) {
        struct str piece = str_slice(bytes, 0, HTTP_PIECE);
        connection_set_step(r->connection, STEP_WRITE, r->server->write_ms);
        int n = mg_write(r->mg, piece.p, piece.len);
        if (n < (int)piece.len) {
            r->failed = true;
            mg_disable_connection_keep_alive(r->mg);
        }
        bytes = str_slice(bytes, piece.len, bytes.len);
    }
    connection_set_step(r->connection, STEP_IDLE, 0);
    return !r->failed;
}

/* Head and a body of known length; one write when both are small. */
static void send_answer(struct http_request *r, int status, const char *content_type, struct str body)
{
    auto_buf out;
    buf_init(&out, HTTP_PIECE + 32768);
    add_head(r, status, content_type, &out);
    if (status != 204 && status != 304) {
        buf_addf(&out, "Content-Length: %zu\r\n", body.len);
    }
    buf_add(&out, STR("\r\n"));
    invariant(!out.failed);
    r->answered = ANSWER_SENT;
    if (r->head || status == 204 || status == 304) {
        body.len = 0;
    }
    if (body.len <= HTTP_PIECE / 4) {
        buf_add(&out, body);
        body.len = 0;
    }
    if (write_all(r, buf_str(&out))) {
        write_all(r, body);
    }
    if (r->body_unread && !r->failed) {
        connection_linger(r->connection);
    }
}

void http_set_header(struct http_request *r, const char *name, struct str value)
{
    for (size_t i = 0; i < value.len; i++) {
        if ((unsigned char)value.p[i] < 32) {
            return; /* would begin a header of its own */
        }
    }
    buf_addf(&r->headers, "%s: " STR_FMT "\r\n", name, STR_ARG(value));
}

static z_stream *deflate_new(struct http_request *r)
{
    z_stream *z = arena_new(&r->arena, z_stream);
    return deflateInit2(z, GZIP_LEVEL, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK ? z : NULL;
}

/* All of body in gzip form; false: out of zlib's memory. */
static bool gzip_all(struct http_request *r, struct str body, struct buf *out)
{
    z_stream *z = deflate_new(r);
    if (!z) {
        return false;
    }
    size_t bound = deflateBound(z, body.len);
    buf_init(out, bound + 64);
    z->next_in = (const Bytef *)body.p;
    z->avail_in = (uInt)body.len;
    z->next_out = (Bytef *)buf_reserve(out, bound);
    z->avail_out = (uInt)bound;
    bool done = deflate(z, Z_FINISH) == Z_STREAM_END;
    out->len = done ? z->total_out : 0;
    deflateEnd(z);
    return done;
}

void http_respond(struct http_request *r, int status, const char *content_type, struct str body)
{
    if (r->answered != ANSWER_NONE) {
        return;
    }
    struct buf zipped = {0};
    if (r->takes_gzip && body.len > HTTP_GZIP_MIN && body.len < (1u << 30) && gzip_all(r, body, &zipped)) {
        http_set_header(r, "Content-Encoding", STR("gzip"));
        body = buf_str(&zipped);
    }
    send_answer(r, status, content_type, body);
    buf_release(&zipped);
}

void http_respond_error(struct http_request *r, int status, const char *type, struct str text)
{
    auto_buf out;
    buf_init(&out, 65536 + 2 * text.len);
    struct json_writer w;
    json_init(&w, &out);
    json_begin_object(&w);
    json_field(&w, "status", json_str, STR("error"));
    json_field(&w, "errorType", json_str, str_of(type));
    json_field(&w, "error", json_str, text);
    json_end_object(&w);
    http_respond(r, status, "application/json", buf_str(&out));
}

void response_refuse(struct http_request *r, int status, const char *text)
{
    const char *type = status == 404   ? "not_found"
                       : status == 503 ? "unavailable"
                       : status == 408 ? "timeout"
                       : status >= 500 ? "internal"
                                       : "bad_data";
    http_respond_error(r, status, type, str_of(text));
}

/* The list of If-None-Match holds the tag, in either of its two forms, or "*". */
static bool etag_known(struct str list, const char *etag)
{
    while (list.len > 0) {
        struct str item = str_trim(str_split(&list, ','));
        if (str_starts(item, STR("W/"))) {
            item = str_slice(item, 2, item.len);
        }
        if (item.len >= 2 && item.p[0] == '"') {
            item = str_slice(item, 1, item.len - 1);
        }
        if (str_ends(item, STR("-id"))) {
            item.len -= 3;
        }
        if (str_is(item, etag) || str_is(item, "*")) {
            return true;
        }
    }
    return false;
}

void http_respond_static(struct http_request *r, const char *content_type, struct str gzip_body, const char *etag,
                         bool immutable)
{
    if (r->answered != ANSWER_NONE) {
        return;
    }
    /* A strong tag names bytes: the inflated form has its own. */
    http_set_header(r, "ETag", arena_printf(&r->arena, "\"%s%s\"", etag, r->takes_gzip ? "" : "-id"));
    http_set_header(r, "Cache-Control", immutable ? STR("public, max-age=31536000, immutable") : STR("no-cache"));
    struct buf plain;
    struct error err = {0};
    buf_init(&plain, INFLATE_MAX + 1);
    if (etag_known(http_header(r, "If-None-Match"), etag)) {
        send_answer(r, 304, NULL, (struct str){0});
    } else if (r->takes_gzip) {
        http_set_header(r, "Content-Encoding", STR("gzip"));
        send_answer(r, 200, content_type, gzip_body);
    } else if (gunzip(gzip_body, INFLATE_MAX, &plain, &err) == 0) {
        send_answer(r, 200, content_type, buf_str(&plain));
    } else {
        response_refuse(r, 500, "an embedded file is damaged");
    }
    buf_release(&plain);
}

/* Streams. */

static bool count_stream(struct http_request *r)
{
    int max = r->server->threads / HTTP_STREAMS_PART;
    if (atomic_fetch_add(&r->server->streams, 1) >= max) {
        atomic_fetch_sub(&r->server->streams, 1);
        http_set_header(r, "Retry-After", STR("10"));
        struct str text =
            arena_printf(&r->arena, "%d live streams are open already: close a page, or try again later", max);
        response_refuse(r, 503, text.p);
        return false;
    }
    r->counted = true;
    self_add(SELF_SSE_STREAMS, 1);
    return true;
}

bool http_stream_begin(struct http_request *r, const char *content_type)
{
    bool live = strcmp(content_type, "text/event-stream") == 0;
    if (r->answered != ANSWER_NONE || (live && !count_stream(r))) {
        return false;
    }
    if (live) {
        http_set_header(r, "Cache-Control", STR("no-store"));
        http_set_header(r, "X-Accel-Buffering", STR("no")); /* nginx would hold events back */
    } else if (r->takes_gzip && (r->deflate = deflate_new(r))) {
        http_set_header(r, "Content-Encoding", STR("gzip"));
    }
    r->chunked = strcmp(r->info->http_version, "1.1") == 0;
    if (!r->chunked) {
        r->keep_alive = false; /* the end of the connection is the end of the answer */
    }
    auto_buf out;
    buf_init(&out, 65536);
    add_head(r, 200, content_type, &out);
    buf_add(&out, r->chunked ? STR("Transfer-Encoding: chunked\r\n\r\n") : STR("\r\n"));
    r->answered = ANSWER_STREAMING;
    return write_all(r, buf_str(&out)) && !r->head;
}

static bool write_chunk(struct http_request *r, struct str bytes)
{
    if (bytes.len == 0) {
        return !r->failed;
    }
    if (!r->chunked) {
        return write_all(r, bytes);
    }
    auto_buf out;
    buf_init(&out, bytes.len + 32);
    buf_addf(&out, "%zx\r\n", bytes.len);
    buf_add(&out, bytes);
    buf_add(&out, STR("\r\n"));
    return write_all(r, buf_str(&out));
}

static bool write_deflated(struct http_request *r, struct str bytes, int flush)
{
    char out[16384];
    z_stream *z = r->deflate;
    z->next_in = (const Bytef *)bytes.p;
    z->avail_in = (uInt)bytes.len;
    int rc;
    do {
        z->next_out = (Bytef *)out;
        z->avail_out = sizeof(out);
        rc = deflate(z, flush);
        if (rc == Z_STREAM_ERROR || !write_chunk(r, str_make(out, sizeof(out) - z->avail_out))) {
            return false;
        }
    } while (flush == Z_FINISH ? rc != Z_STREAM_END : z->avail_in > 0 || z->avail_out == 0);
    return true;
}

bool http_stream_write(struct http_request *r, struct str bytes)
{
    if (r->answered != ANSWER_STREAMING || r->failed || r->head || r->server->stopping) {
        return false;
    }
    return r->deflate ? write_deflated(r, bytes, Z_NO_FLUSH) : write_chunk(r, bytes);
}

void response_finish(struct http_request *r)
{
    if (r->answered == ANSWER_NONE) {
        response_refuse(r, 500, "the request was not answered");
    }
    if (r->answered == ANSWER_STREAMING && !r->failed && !r->head) {
        if (r->server->stopping) { /* cut short: no proper end, so that the client knows */
            mg_disable_connection_keep_alive(r->mg);
        } else if ((!r->deflate || write_deflated(r, STR(""), Z_FINISH)) && r->chunked) {
            write_all(r, STR("0\r\n\r\n"));
        }
    }
    if (r->deflate) {
        deflateEnd(r->deflate);
    }
    if (r->counted) {
        atomic_fetch_sub(&r->server->streams, 1);
        self_add(SELF_SSE_STREAMS, -1);
    }
}
