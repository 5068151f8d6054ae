#include "src/loop/loop_http.h"

#include "src/base/clock.h"
#include "src/base/mem.h"
#include "src/base/url.h"
#include "src/loop/late_curl.h"

#include <uv.h>

enum { BODY_MAX_BYTES = 1 << 20, DEFAULT_TIMEOUT_MS = 10000, REDIRECTS_MAX = 3, CACHED_CONNECTIONS = 64 };

/* One request under way; also curl's private pointer of its handle. */
struct request {
    struct request *next, **link; /* in the client's list */
    CURL *easy;
    struct curl_slist *headers;
    http_answer_fn fn;
    void *ctx;
    struct buf body;
    bool cut;               /* the body went past its limit */
    int64_t retry_after_ms; /* of the newest answer: redirects come before it */
    char *where;            /* "https://host" for errors */
    char reason[CURL_ERROR_SIZE];
};

/* A socket that curl watches. Freed in libuv's close callback. */
struct watch {
    uv_poll_t poll;
    curl_socket_t fd;
    struct http_client *client; /* NULL: closing */
    struct watch *next, **link;
};

struct http_client {
    struct loop *loop;
    CURLM *multi;
    struct loop_timer *timer;
    struct request *requests;
    struct watch *watches;
    int refs; /* the owner, and functions that call back */
    bool closed;
};

static void unref(struct http_client *client)
{
    if (--client->refs == 0) {
        mem_free(client);
    }
}

/* -- requests -- */

static void request_free(struct request *request)
{
    curl.curl_easy_cleanup(request->easy);
    curl.curl_slist_free_all(request->headers);
    buf_release(&request->body);
    mem_free(request->where);
    mem_free(request);
}

static void unlink_request(struct http_client *client, struct request *request)
{
    *request->link = request->next;
    if (request->next) {
        request->next->link = request->link;
    }
    curl.curl_multi_remove_handle(client->multi, request->easy);
}

/* curl's own words where they say more than its code; elsewhere they might quote the URL. */
static const char *reason_text(const struct request *request, CURLcode code)
{
    switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
    case CURLE_OPERATION_TIMEDOUT:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CONNECT_ERROR:
        return request->reason[0] ? request->reason : curl.curl_easy_strerror(code);
    default:
        return curl.curl_easy_strerror(code);
    }
}

static void answer(struct request *request, CURLcode code)
{
    long status = 0;
    struct error err = {0};
    struct http_answer answer = {.body = buf_str(&request->body), .retry_after_ms = request->retry_after_ms};
    curl.curl_easy_getinfo(request->easy, CURLINFO_RESPONSE_CODE, &status);
    if (code == CURLE_OK || (code == CURLE_WRITE_ERROR && request->cut)) {
        answer.status = (int)status;
    } else {
        error_set(&err, code == CURLE_OPERATION_TIMEDOUT ? ERR_TIMEOUT : ERR_CONNECT, "%s: %s", request->where,
                  reason_text(request, code));
    }
    if (answer.status == 0) {
        answer.body = (struct str){0};
    }
    request->fn(request->ctx, &answer, &err);
}

/* Callers hold a reference: callbacks may free the client. */
static void finish_requests(struct http_client *client) LOOP_ONLY;
static void finish_requests(struct http_client *client)
{
    int left;
    CURLMsg *message;
    while (!client->closed && (message = curl.curl_multi_info_read(client->multi, &left))) {
        if (message->msg != CURLMSG_DONE) {
            continue;
        }
        CURLcode code = message->data.result;
        char *private = NULL;
        curl.curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &private);
        struct request *request = (struct request *)(void *)private;
        unlink_request(client, request);
        answer(request, code);
        request_free(request);
    }
}

/* -- curl's timer and sockets on the loop -- */

static void on_timer(void *ctx)
{
    loop_assert();
    struct http_client *client = ctx;
    int running;
    client->refs++;
    curl.curl_multi_socket_action(client->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    finish_requests(client);
    unref(client);
}

/* Only arms: curl forbids to act from here. */
static int on_curl_timer(CURLM *multi, long timeout_ms, void *ctx)
{
    (void)multi;
    loop_assert();
    struct http_client *client = ctx;
    if (timeout_ms < 0) {
        loop_timer_stop(steal(client->timer));
    } else if (client->timer) {
        loop_timer_again(client->timer, timeout_ms);
    } else {
        client->timer = loop_timer_start(client->loop, timeout_ms, 0, on_timer, client);
    }
    return 0;
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    loop_assert();
    struct watch *watch = poll->data;
    struct http_client *client = watch->client;
    if (!client) {
        return;
    }
    int flags = (events & UV_READABLE ? CURL_CSELECT_IN : 0) | (events & UV_WRITABLE ? CURL_CSELECT_OUT : 0), running;
    if (status < 0) {
        flags = CURL_CSELECT_ERR;
    }
    client->refs++;
    curl.curl_multi_socket_action(client->multi, watch->fd, flags, &running);
    finish_requests(client);
    unref(client);
}

static void on_watch_closed(uv_handle_t *handle)
{
    mem_free(handle->data);
}

static void watch_close(struct watch *watch)
{
    *watch->link = watch->next;
    if (watch->next) {
        watch->next->link = watch->link;
    }
    watch->client = NULL;
    uv_poll_stop(&watch->poll);
    uv_close((uv_handle_t *)&watch->poll, on_watch_closed);
}

static struct watch *watch_new(struct http_client *client, curl_socket_t fd)
{
    struct watch *watch = mem_zalloc(sizeof(*watch));
    if (uv_poll_init_socket(loop_uv(client->loop), &watch->poll, fd) != 0) {
        mem_free(watch);
        return NULL;
    }
    watch->poll.data = watch;
    watch->fd = fd;
    watch->client = client;
    watch->next = client->watches;
    watch->link = &client->watches;
    if (watch->next) {
        watch->next->link = &watch->next;
    }
    client->watches = watch;
    return watch;
}

static int on_curl_socket(CURL *easy, curl_socket_t fd, int what, void *ctx, void *socket_ctx)
{
    (void)easy;
    loop_assert();
    struct http_client *client = ctx;
    struct watch *watch = socket_ctx;
    if (what == CURL_POLL_REMOVE) {
        if (watch) {
            curl.curl_multi_assign(client->multi, fd, NULL);
            watch_close(watch);
        }
        return 0;
    }
    if (!watch) {
        watch = watch_new(client, fd);
        if (!watch) {
            return -1;
        }
        curl.curl_multi_assign(client->multi, fd, watch);
    }
    int events = (what & CURL_POLL_IN ? UV_READABLE : 0) | (what & CURL_POLL_OUT ? UV_WRITABLE : 0);
    uv_poll_start(&watch->poll, events, on_poll);
    return 0;
}

/* -- what arrives -- */

static size_t on_body(char *p, size_t size, size_t n, void *ctx)
{
    struct request *request = ctx;
    size_t room = request->body.max - request->body.len, len = size * n;
    buf_add_bytes(&request->body, p, len < room ? len : room);
    if (len > room) {
        request->cut = true;
        return 0; /* ends the transfer */
    }
    return len;
}

/* Seconds, or an HTTP date; -1 if it is neither. */
static int64_t parse_retry_after(struct str value)
{
    uint64_t seconds;
    if (str_to_uint64(value, &seconds)) {
        return seconds < INT32_MAX ? (int64_t)seconds * 1000 : (int64_t)INT32_MAX * 1000;
    }
    char text[64];
    if (value.len == 0 || value.len >= sizeof(text)) {
        return -1;
    }
    snprintf(text, sizeof(text), STR_FMT, STR_ARG(value));
    int64_t at = curl.curl_getdate(text, NULL);
    if (at < 0) {
        return -1;
    }
    int64_t wait_ms = at * 1000 - clock_wall_ms();
    return wait_ms > 0 ? wait_ms : 0;
}

static size_t on_header(char *p, size_t size, size_t n, void *ctx)
{
    struct request *request = ctx;
    struct str value = str_make(p, size * n);
    if (str_starts(value, STR("HTTP/"))) {
        request->retry_after_ms = -1;
    }
    struct str name = str_split(&value, ':');
    if (name.len == strlen("Retry-After") && str_find_nocase(name, STR("Retry-After")) == 0) {
        request->retry_after_ms = parse_retry_after(str_trim(value));
    }
    return size * n;
}

/* -- sending -- */

static char *scheme_and_host(struct str text)
{
    auto_arena arena;
    arena_init(&arena);
    struct url url;
    if (url_parse(text, &arena, &url, NULL) != 0) {
        return mem_strdup("the URL cannot be parsed");
    }
    return mem_str_dup(arena_printf(&arena, STR_FMT "://" STR_FMT, STR_ARG(url.scheme), STR_ARG(url.host)));
}

static void set_limits(CURL *easy, int64_t timeout_ms)
{
    curl.curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)(timeout_ms > 0 ? timeout_ms : DEFAULT_TIMEOUT_MS));
    curl.curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl.curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
    curl.curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 1L);
    curl.curl_easy_setopt(easy, CURLOPT_MAXREDIRS, (long)REDIRECTS_MAX);
    curl.curl_easy_setopt(easy, CURLOPT_POSTREDIR, CURL_REDIR_POST_ALL); /* a GET would look like a delivery */
    curl.curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl.curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L); /* else a slow name server blocks whoever gives up */
}

static void set_message(struct request *request, const struct http_call *call)
{
    CURL *easy = request->easy;
    char *url = mem_str_dup(call->url);
    curl.curl_easy_setopt(easy, CURLOPT_URL, url);
    mem_free(url);
    if (strcmp(call->method, "POST") == 0) {
        curl.curl_easy_setopt(easy, CURLOPT_POST, 1L);
        curl.curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->body.len);
        curl.curl_easy_setopt(easy, CURLOPT_COPYPOSTFIELDS, call->body.p ? call->body.p : "");
    } else if (strcmp(call->method, "GET") != 0) {
        curl.curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, call->method);
    }
    for (const char *const *header = call->headers; header && *header; header++) {
        request->headers = curl.curl_slist_append(request->headers, *header);
    }
    request->headers = curl.curl_slist_append(request->headers, "Expect:"); /* no second round trip for bodies */
    curl.curl_easy_setopt(easy, CURLOPT_HTTPHEADER, request->headers);
    curl.curl_easy_setopt(easy, CURLOPT_USERAGENT, "cloche/" CLOCHE_VERSION);
    curl.curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "");
}

struct refused {
    http_answer_fn fn;
    void *ctx;
    struct error err;
};

static void answer_refused(void *ctx)
{
    loop_assert();
    struct refused *refused = ctx;
    refused->fn(refused->ctx, &(struct http_answer){.retry_after_ms = -1}, &refused->err);
    mem_free(refused);
}

/* curl's own part of the client, made with the first request. */
static int client_start(struct http_client *client, struct error *err)
{
    if (client->closed) { /* sent from a callback of http_client_free() */
        return error_set(err, ERR_CLOSED, "the request was not sent because cloche is stopping");
    }
    if (client->multi) {
        return 0;
    }
    int rc = curl_open(err);
    if (rc) {
        return rc;
    }
    curl.curl_global_init(CURL_GLOBAL_DEFAULT); /* counts: more than once does no harm */
    client->multi = curl.curl_multi_init();
    invariant(client->multi != NULL);
    curl.curl_multi_setopt(client->multi, CURLMOPT_SOCKETFUNCTION, on_curl_socket);
    curl.curl_multi_setopt(client->multi, CURLMOPT_SOCKETDATA, client);
    curl.curl_multi_setopt(client->multi, CURLMOPT_TIMERFUNCTION, on_curl_timer);
    curl.curl_multi_setopt(client->multi, CURLMOPT_TIMERDATA, client);
    curl.curl_multi_setopt(client->multi, CURLMOPT_MAXCONNECTS, (long)CACHED_CONNECTIONS);
    return 0;
}

void http_send(struct http_client *client, const struct http_call *call, http_answer_fn fn, void *ctx)
{
    struct error err = {0};
    if (client_start(client, &err)) {
        struct refused *refused = mem_alloc(sizeof(*refused));
        *refused = (struct refused){fn, ctx, err};
        loop_post(client->loop, answer_refused, refused);
        return;
    }
    struct request *request = mem_zalloc(sizeof(*request));
    request->easy = curl.curl_easy_init();
    invariant(request->easy != NULL);
    request->fn = fn;
    request->ctx = ctx;
    request->retry_after_ms = -1;
    request->where = scheme_and_host(call->url);
    buf_init(&request->body, BODY_MAX_BYTES);
    set_limits(request->easy, call->timeout_ms);
    set_message(request, call);
    curl.curl_easy_setopt(request->easy, CURLOPT_PRIVATE, request);
    curl.curl_easy_setopt(request->easy, CURLOPT_ERRORBUFFER, request->reason);
    curl.curl_easy_setopt(request->easy, CURLOPT_WRITEFUNCTION, on_body);
    curl.curl_easy_setopt(request->easy, CURLOPT_WRITEDATA, request);
    curl.curl_easy_setopt(request->easy, CURLOPT_HEADERFUNCTION, on_header);
    curl.curl_easy_setopt(request->easy, CURLOPT_HEADERDATA, request);
    request->next = client->requests;
    request->link = &client->requests;
    if (request->next) {
        request->next->link = &request->next;
    }
    client->requests = request;
    /* Starts by curl's timer at the earliest: fn is never called from here. */
    CURLMcode rc = curl.curl_multi_add_handle(client->multi, request->easy);
    invariant(rc == CURLM_OK);
}

struct http_client *http_client_new(struct loop *loop)
{
    struct http_client *client = mem_zalloc(sizeof(*client));
    client->loop = loop;
    client->refs = 1;
    return client;
}

void http_client_free(struct http_client *client)
{
    if (!client || client->closed) {
        return;
    }
    struct error err;
    error_set(&err, ERR_CLOSED, "the request was given up because cloche is stopping");
    client->closed = true;
    while (client->requests) {
        struct request *request = client->requests;
        unlink_request(client, request);
        request->fn(request->ctx, &(struct http_answer){.retry_after_ms = -1}, &err);
        request_free(request);
    }
    if (client->multi) {
        curl.curl_multi_cleanup(client->multi);
    }
    while (client->watches) {
        watch_close(client->watches);
    }
    loop_timer_stop(steal(client->timer));
    unref(client);
}
