#include "src/loop/http_fetch.h"

#include "src/loop/late_curl.h"

#include <limits.h>

#define BODY_MAX   (1u << 20)
#define CONNECT_MS 10000L
#define SILENT_S   600L

struct http_session {
    CURL *easy;
};

struct answer {
    CURL *easy;
    const struct http_fetch *fetch;
    struct http_fetched fetched;
    bool cancelled;
};

struct http_session *http_session_new(void)
{
    return mem_zalloc(sizeof(struct http_session));
}

void http_session_free(struct http_session *session)
{
    if (session && session->easy) {
        curl.curl_easy_cleanup(session->easy);
    }
    mem_free(session);
}

static size_t on_body(char *p, size_t size, size_t n, void *ctx)
{
    struct answer *a = ctx;
    struct str bytes = str_make(p, size * n);
    long status = 0;
    curl.curl_easy_getinfo(a->easy, CURLINFO_RESPONSE_CODE, &status);
    if (status == 200 && a->fetch->take) {
        a->cancelled = !a->fetch->take(a->fetch->ctx, bytes);
        return a->cancelled ? 0 : bytes.len;
    }
    size_t room = BODY_MAX - a->fetched.body.len;
    buf_add(&a->fetched.body, str_slice(bytes, 0, room));
    return bytes.len;
}

static size_t on_header(char *p, size_t size, size_t n, void *ctx)
{
    struct answer *a = ctx;
    struct str value = str_make(p, size * n);
    struct str name = str_split(&value, ':');
    uint64_t seconds;
    if (name.len == strlen("Retry-After") && str_find_nocase(name, STR("Retry-After")) == 0 &&
        str_to_uint64(str_trim(value), &seconds) && seconds < INT_MAX) {
        a->fetched.retry_after_ms = (int64_t)seconds * 1000;
    }
    return size * n;
}

static void set_request(CURL *easy, const struct http_fetch *fetch, const char *url, struct curl_slist *headers)
{
    curl.curl_easy_reset(easy); /* keeps connections */
    curl.curl_easy_setopt(easy, CURLOPT_URL, url);
    curl.curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl.curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS);
    curl.curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl.curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, SILENT_S);
    curl.curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl.curl_easy_setopt(easy, CURLOPT_USERAGENT, "cloche/" CLOCHE_VERSION);
    curl.curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
    if (strcmp(fetch->method, "POST") == 0) {
        curl.curl_easy_setopt(easy, CURLOPT_POST, 1L);
        curl.curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)fetch->body.len);
        curl.curl_easy_setopt(easy, CURLOPT_POSTFIELDS, fetch->body.p ? fetch->body.p : "");
    }
}

static int begin(struct http_session *session, struct error *err)
{
    int rc = session->easy ? 0 : curl_open(err);
    if (rc == 0 && !session->easy) {
        curl.curl_global_init(CURL_GLOBAL_DEFAULT);
        session->easy = curl.curl_easy_init();
    }
    return rc;
}

int http_fetch(struct http_session *session, const struct http_fetch *fetch, struct http_fetched *out,
               struct error *err)
{
    int opened = begin(session, err);
    if (opened) {
        return opened;
    }
    struct answer answer = {.easy = session->easy, .fetch = fetch, .fetched.retry_after_ms = -1};
    char reason[CURL_ERROR_SIZE] = "", type[256];
    buf_init(&answer.fetched.body, BODY_MAX);
    (void)snprintf(type, sizeof(type), "Content-Type: %s", fetch->content_type ? fetch->content_type : "");
    struct curl_slist *headers = curl.curl_slist_append(NULL, "Expect:"); /* no second round trip */
    headers = curl.curl_slist_append(headers, type);
    auto_free char *url = mem_str_dup(fetch->url);
    set_request(session->easy, fetch, url, headers);
    curl.curl_easy_setopt(session->easy, CURLOPT_ERRORBUFFER, reason);
    curl.curl_easy_setopt(session->easy, CURLOPT_WRITEFUNCTION, on_body);
    curl.curl_easy_setopt(session->easy, CURLOPT_WRITEDATA, &answer);
    curl.curl_easy_setopt(session->easy, CURLOPT_HEADERFUNCTION, on_header);
    curl.curl_easy_setopt(session->easy, CURLOPT_HEADERDATA, &answer);
    CURLcode rc = curl.curl_easy_perform(session->easy);
    long status = 0;
    curl.curl_easy_getinfo(session->easy, CURLINFO_RESPONSE_CODE, &status);
    curl.curl_slist_free_all(headers);
    if (rc != CURLE_OK) {
        buf_release(&answer.fetched.body);
        return answer.cancelled ? error_set(err, ERR_CANCELLED, "the answer was not taken to its end")
                                : error_set(err, ERR_CONNECT, "%s", reason[0] ? reason : curl.curl_easy_strerror(rc));
    }
    answer.fetched.status = (int)status;
    *out = answer.fetched;
    return 0;
}
