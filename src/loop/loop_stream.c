#include "src/loop/loop_stream.h"

#include <arpa/inet.h>
#include <sys/un.h>
#include <uv.h>

enum { ADDRS_MAX = 8, KEEPALIVE_S = 60 };

/* One socket. Its memory goes in libuv's close callback; until then `stream` may be NULL. */
struct socket {
    union {
        uv_handle_t handle;
        uv_stream_t uv;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    };
    uv_connect_t connecting;
    struct stream *stream;
};

struct write {
    uv_write_t request;
    char *bytes;
};

struct stream {
    struct loop *loop;
    struct stream_callbacks callbacks;
    void *ctx;
    char *host, *unix_path; /* unix_path NULL: TCP */
    int port;
    const struct tls_context *tls_context;

    int refs; /* the owner, a lookup under way, functions that call back */
    bool ended, open, paused, reading, writing;
    struct sockaddr_storage addrs[ADDRS_MAX];
    size_t addr_count, addr_next;
    struct socket *socket;
    struct tls *tls;
    struct buf out;    /* plain bytes to send */
    struct buf sealed; /* encrypted bytes to send */
    char *input;       /* STREAM_READ_BYTES from the socket */
    char *opened;      /* STREAM_READ_BYTES after decryption */
};

static void flush(struct stream *s) LOOP_ONLY;
static void connect_next(struct stream *s, int last_error) LOOP_ONLY;

static void unref(struct stream *s)
{
    if (--s->refs > 0) {
        return;
    }
    tls_free(s->tls);
    buf_release(&s->out);
    buf_release(&s->sealed);
    mem_free(s->input);
    mem_free(s->opened);
    mem_free(s->host);
    mem_free(s->unix_path);
    mem_free(s);
}

static void on_closed(uv_handle_t *handle)
{
    mem_free(handle->data);
}

static void drop_socket(struct stream *s)
{
    if (s->socket) {
        s->socket->stream = NULL;
        uv_close(&s->socket->handle, on_closed);
        s->socket = NULL;
    }
    s->reading = s->writing = s->open = false;
}

void stream_close(struct stream *s)
{
    if (s) {
        s->ended = true;
        drop_socket(s);
        unref(s);
    }
}

const char *stream_waits_for(const struct stream *s)
{
    if (s->open) {
        return "an answer (it accepts connections but does not answer)";
    }
    if (s->tls) {
        return "the TLS handshake (does this port speak TLS?)";
    }
    return s->socket ? "the connection (do packets get there?)" : "the address of the host name";
}

/* The last callback. The owner still has to call stream_close(), often from within. */
static void end(struct stream *s, const struct error *reason) LOOP_ONLY;
static void end(struct stream *s, const struct error *reason)
{
    if (s->ended) {
        return;
    }
    s->ended = true;
    drop_socket(s);
    s->callbacks.on_end(s->ctx, reason);
}

static void end_uv(struct stream *s, int status, const char *what) LOOP_ONLY;
static void end_uv(struct stream *s, int status, const char *what)
{
    struct error reason = {0};
    if (status == UV_EOF) {
        error_set(&reason, ERR_CLOSED, "closed by the server");
    } else {
        error_set(&reason, ERR_CONNECT, "%s: %s", what, uv_strerror(status));
    }
    end(s, &reason);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *out)
{
    (void)suggested;
    struct socket *socket = handle->data;
    struct stream *s = socket->stream;
    *out = s ? uv_buf_init(s->input, STREAM_READ_BYTES) : uv_buf_init(NULL, 0);
}

static void deliver(struct stream *s, const char *p, size_t n)
{
    if (!s->ended && n) {
        s->callbacks.on_data(s->ctx, p, n);
    }
}

static void announce_open(struct stream *s)
{
    s->open = true;
    s->callbacks.on_open(s->ctx);
}

/* Drives the handshake, then hands on what decrypts. */
static void pump_tls(struct stream *s) LOOP_ONLY;
static void pump_tls(struct stream *s)
{
    struct error reason = {0};
    int state = s->open ? 1 : tls_handshake(s->tls, &reason);
    flush(s); /* also a failed handshake has an alert to send */
    if (state < 0) {
        end(s, &reason);
        return;
    }
    if (state == 1 && !s->open && !s->ended) {
        announce_open(s);
    }
    while (s->open && !s->ended) {
        ptrdiff_t n = tls_read(s->tls, s->opened, STREAM_READ_BYTES, &reason);
        if (n < 0) {
            end(s, &reason);
        }
        if (n <= 0) {
            break;
        }
        deliver(s, s->opened, (size_t)n);
    }
    if (!s->ended) {
        flush(s); /* answers to key updates */
    }
}

static void on_read(uv_stream_t *handle, ssize_t n, const uv_buf_t *buffer)
{
    loop_assert();
    struct socket *socket = handle->data;
    struct stream *s = socket->stream;
    if (!s || n == 0) {
        return;
    }
    s->refs++;
    if (n < 0) {
        end_uv(s, (int)n, s->open ? "connection lost" : "connection lost before it was ready");
    } else if (s->tls) {
        tls_feed(s->tls, buffer->base, (size_t)n);
        pump_tls(s);
    } else {
        deliver(s, buffer->base, (size_t)n);
    }
    unref(s);
}

/* Pausing waits until the handshake is through, else it would never be. */
static void update_reading(struct stream *s)
{
    bool want = s->socket && !(s->paused && s->open);
    if (want && !s->reading) {
        s->reading = uv_read_start(&s->socket->uv, on_alloc, on_read) == 0;
    } else if (!want && s->reading) {
        uv_read_stop(&s->socket->uv);
        s->reading = false;
    }
}

void stream_pause(struct stream *s, bool paused)
{
    s->paused = paused;
    if (!s->ended && s->open) {
        update_reading(s);
    }
}

static void on_written(uv_write_t *request, int status)
{
    loop_assert();
    struct write *write = (struct write *)request;
    struct socket *socket = request->handle->data;
    struct stream *s = socket->stream;
    mem_free(write->bytes);
    mem_free(write);
    if (!s) {
        return;
    }
    s->refs++;
    s->writing = false;
    if (status < 0) {
        end_uv(s, status, "cannot send");
    } else {
        flush(s);
    }
    unref(s);
}

/* One write is under way at a time; what comes meanwhile goes together in the next. */
static void flush(struct stream *s)
{
    if (!s->socket || s->writing) {
        return;
    }
    struct buf *from = &s->out;
    if (s->tls) {
        struct error reason = {0};
        if (s->out.len && tls_write(s->tls, buf_str(&s->out), &reason) != 0) {
            end(s, &reason);
            return;
        }
        buf_clear(&s->out);
        tls_take(s->tls, &s->sealed);
        from = &s->sealed;
    }
    if (from->len == 0) {
        return;
    }
    struct write *write = mem_zalloc(sizeof(*write));
    size_t n;
    write->bytes = buf_steal(from, &n);
    uv_buf_t bytes = uv_buf_init(write->bytes, (unsigned)n);
    int rc = uv_write(&write->request, &s->socket->uv, &bytes, 1, on_written);
    if (rc == 0) {
        s->writing = true;
        return;
    }
    mem_free(write->bytes);
    mem_free(write);
    end_uv(s, rc, "cannot send");
}

/* Sent from the loop, so that a failure is never reported from within the caller. */
static void flush_later(void *ctx)
{
    loop_assert();
    struct stream *s = ctx;
    if (!s->ended) {
        flush(s);
    }
    unref(s);
}

bool stream_write(struct stream *s, struct str bytes)
{
    if (s->ended || !s->open || bytes.len > s->out.max - s->out.len) {
        return false;
    }
    bool first = s->out.len == 0;
    buf_add(&s->out, bytes);
    if (first && !s->writing) {
        s->refs++;
        loop_post(s->loop, flush_later, s);
    }
    return true;
}

static void begin_tls(struct stream *s) LOOP_ONLY;
static void begin_tls(struct stream *s)
{
    s->tls = tls_new(s->tls_context, s->host);
    s->opened = mem_alloc(STREAM_READ_BYTES);
    pump_tls(s);
}

static void on_connected(uv_connect_t *request, int status)
{
    loop_assert();
    struct socket *socket = request->handle->data;
    struct stream *s = socket->stream;
    if (!s) {
        return;
    }
    s->refs++;
    if (status < 0) {
        drop_socket(s);
        connect_next(s, status);
        unref(s);
        return;
    }
    if (!s->unix_path) {
        uv_tcp_nodelay(&socket->tcp, 1);
        uv_tcp_keepalive(&socket->tcp, 1, KEEPALIVE_S);
    }
    s->input = mem_alloc(STREAM_READ_BYTES);
    update_reading(s);
    if (s->tls_context) {
        begin_tls(s);
    } else {
        announce_open(s);
    }
    unref(s);
}

static struct socket *socket_new(struct stream *s)
{
    struct socket *socket = mem_zalloc(sizeof(*socket));
    if (s->unix_path) {
        uv_pipe_init(loop_uv(s->loop), &socket->pipe, 0);
    } else {
        uv_tcp_init(loop_uv(s->loop), &socket->tcp);
    }
    socket->handle.data = socket;
    socket->stream = s;
    s->socket = socket;
    return socket;
}

/* Tries the next address; without one left the reason of the last counts. */
static void connect_next(struct stream *s, int last_error)
{
    int rc = last_error;
    while (!s->ended && s->addr_next < s->addr_count) {
        const struct sockaddr *addr = (const struct sockaddr *)&s->addrs[s->addr_next++];
        struct socket *socket = socket_new(s);
        rc = uv_tcp_connect(&socket->connecting, &socket->tcp, addr, on_connected);
        if (rc == 0) {
            return;
        }
        drop_socket(s);
    }
    end_uv(s, rc, "cannot connect");
}

static void on_resolved(void *ctx, const struct sockaddr_storage *addrs, size_t n, const struct error *err)
{
    loop_assert();
    struct stream *s = ctx;
    if (!s->ended && n == 0) {
        end(s, err);
    } else if (!s->ended) {
        s->addr_count = n < ADDRS_MAX ? n : ADDRS_MAX;
        memcpy(s->addrs, addrs, s->addr_count * sizeof(s->addrs[0]));
        connect_next(s, UV_EADDRNOTAVAIL);
    }
    unref(s);
}

static void connect_unix(void *ctx)
{
    loop_assert();
    struct stream *s = ctx;
    if (!s->ended && strlen(s->unix_path) >= sizeof(((struct sockaddr_un *)NULL)->sun_path)) {
        end_uv(s, UV_ENAMETOOLONG, "cannot connect"); /* uv_pipe_connect() would cut it and go elsewhere */
    } else if (!s->ended) {
        struct socket *socket = socket_new(s);
        uv_pipe_connect(&socket->connecting, &socket->pipe, s->unix_path, on_connected);
    }
    unref(s);
}

struct stream *stream_open(struct loop *loop, const struct stream_options *options,
                           const struct stream_callbacks *callbacks, void *ctx)
{
    struct stream *s = mem_zalloc(sizeof(*s));
    s->loop = loop;
    s->callbacks = *callbacks;
    s->ctx = ctx;
    s->host = mem_str_dup(options->host);
    s->port = options->port;
    s->tls_context = options->tls;
    s->refs = 2; /* the owner and the lookup */
    buf_init(&s->out, options->max_queued_bytes);
    buf_init(&s->sealed, options->max_queued_bytes * 2 + STREAM_READ_BYTES);
    if (options->unix_path.len) {
        s->unix_path = mem_str_dup(options->unix_path);
        loop_post(loop, connect_unix, s);
    } else {
        loop_resolve(loop, options->host, options->port, on_resolved, s);
    }
    return s;
}
