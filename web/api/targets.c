/* /api/v1/targets and scrape_pools: what the loop published; alertmanagers, notifications: none, ever. */
#include "web/api/endpoints.h"
#include "web/api/prom.h"

#include <jansson.h>
#include <stdlib.h>

#define NO_TARGETS "{\"activeTargets\":[],\"droppedTargets\":[]}"

static void answer_json(struct http_request *r, struct str json)
{
    struct answer a;
    answer_begin(&a, r);
    json_raw(&a.w, json);
    answer_end(&a, NULL, 0, NULL, 0);
}

static json_t *read_targets(const struct api_context *api)
{
    const struct board_doc *doc = board_read(api->board, "targets");
    json_t *root = doc ? json_loadb(doc->json.p, doc->json.len, 0, NULL) : NULL;
    board_unref(doc);
    return root;
}

static const char *pool_of(json_t *target)
{
    const char *pool = json_string_value(json_object_get(target, "scrapePool"));
    return pool ? pool : "";
}

static void answer_pool(struct http_request *r, const struct api_context *api, struct str pool)
{
    json_t *root = read_targets(api), *active = json_object_get(root, "activeTargets");
    for (size_t i = json_array_size(active); i-- > 0;) {
        if (!str_is(pool, pool_of(json_array_get(active, i)))) {
            json_array_remove(active, i);
        }
    }
    char *text = root ? json_dumps(root, JSON_COMPACT) : NULL;
    answer_json(r, text ? str_of(text) : STR(NO_TARGETS));
    free(text);
    json_decref(root);
}

void api_targets(struct http_request *r, void *ctx)
{
    const struct api_context *api = ctx;
    struct str state = http_param(r, "state"), pool = http_param(r, "scrapePool");
    bool active = state.len == 0 || str_is(state, "any") || str_is(state, "active");
    if (!active) { /* everything published is active: nothing is ever dropped by relabelling */
        answer_json(r, STR(NO_TARGETS));
    } else if (pool.len) {
        answer_pool(r, api, pool);
    } else {
        prom_board(r, api->board, "targets", NO_TARGETS);
    }
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

void api_scrape_pools(struct http_request *r, void *ctx)
{
    json_t *root = read_targets(ctx), *active = json_object_get(root, "activeTargets");
    size_t n = json_array_size(active);
    const char **pools = arena_array(http_arena(r), const char *, n + 1);
    for (size_t i = 0; i < n; i++) {
        pools[i] = pool_of(json_array_get(active, i));
    }
    if (n > 1) {
        qsort(pools, n, sizeof(*pools), by_text);
    }
    struct answer a;
    answer_begin(&a, r);
    json_begin_object(&a.w);
    json_key(&a.w, STR("scrapePools"));
    json_begin_array(&a.w);
    for (size_t i = 0; i < n; i++) {
        if (i == 0 || strcmp(pools[i], pools[i - 1]) != 0) {
            json_str(&a.w, str_of(pools[i]));
        }
    }
    json_end_array(&a.w);
    json_end_object(&a.w);
    answer_end(&a, NULL, 0, NULL, 0);
    json_decref(root);
}

/* Notifications go out from here: there is no Alertmanager. */
void api_alertmanagers(struct http_request *r, void *ctx)
{
    (void)ctx;
    answer_json(r, STR("{\"activeAlertmanagers\":[],\"droppedAlertmanagers\":[]}"));
}

void api_notifications(struct http_request *r, void *ctx)
{
    (void)ctx;
    answer_json(r, STR("[]"));
}
