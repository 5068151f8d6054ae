#include "src/tool/remote.h"

#include "src/base/url.h"

#include <jansson.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

int remote_open_store(const char *dir, bool must_exist, struct store **out)
{
    char path[PATH_MAX];
    struct error err = {0};
    struct store_options options = {.dir = dir}; /* no retention: nothing is deleted, samples of any age are taken */
    if (snprintf(path, sizeof(path), "%s/metrics", dir) >= (int)sizeof(path)) {
        return tool_fail(1, "the data directory's name is too long");
    }
    if (must_exist && access(path, F_OK)) {
        return tool_fail(1, "%s holds no data of cloche", dir);
    }
    signal(SIGXFSZ, SIG_IGN);
    int rc = store_open(&options, out, &err);
    if (rc == ERR_BUSY) {
        return tool_fail(1, "%s; or ask that process: --url %s instead of --data", err.text, REMOTE_URL);
    }
    return rc ? tool_fail(1, "%s", err.text) : 0;
}

void remote_init(struct remote *remote, const char *url)
{
    *remote = (struct remote){.url = url, .session = http_session_new()};
    signal(SIGPIPE, SIG_IGN);
}

void remote_release(struct remote *remote)
{
    http_session_free(remote->session);
}

void remote_param(struct buf *url, const char *name, const char *value)
{
    if (!value) {
        return;
    }
    auto_arena arena;
    arena_init(&arena);
    struct str n = url_encode(str_of(name), &arena), v = url_encode(str_of(value), &arena);
    buf_addf(url, "%c" STR_FMT "=" STR_FMT, str_find_char(buf_str(url), '?') < 0 ? '?' : '&', STR_ARG(n), STR_ARG(v));
}

int remote_ask(struct remote *remote, const struct http_fetch *fetch, struct http_fetched *out)
{
    struct error err = {0};
    int rc = http_fetch(remote->session, fetch, out, &err);
    if (rc == ERR_CONNECT) {
        return tool_fail(1, "%s: %s; is cloche running there? The data directory of a stopped one: --data DIR",
                         remote->url, err.text);
    }
    return rc ? 1 : 0; /* cancelled: the reason was told by who did it */
}

int remote_refused(const struct http_fetched *answer, const char *what)
{
    json_t *root = json_loadb(answer->body.p ? answer->body.p : "", answer->body.len, 0, NULL);
    const char *text = json_string_value(json_object_get(root, "error"));
    int status = text ? tool_fail(1, "%s: %s", what, text)
                      : tool_fail(1, "%s: the server answered with status %d", what, answer->status);
    json_decref(root);
    return status;
}
