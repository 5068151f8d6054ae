/* /api/v1/labels and /api/v1/label/{name}/values. */
#include "src/base/codec.h"
#include "web/api/endpoints.h"
#include "web/api/prom.h"

/* Names when name.p is NULL, else values of that label; of all series or of one selector. */
static int read_one(struct snapshot *snapshot, struct http_request *r, struct str name, const struct selection *s,
                    const struct selector *selector, struct str_list *out)
{
    const struct matcher *matchers = selector ? selector->matchers : NULL;
    size_t n = selector ? selector->n : 0;
    return name.p ? snapshot_label_values(snapshot, name, matchers, n, s->start_ms, s->end_ms, http_arena(r), out)
                  : snapshot_label_names(snapshot, matchers, n, s->start_ms, s->end_ms, http_arena(r), out);
}

static int by_text(const void *a, const void *b)
{
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

/* Sorted union of the lists of several selectors. */
static int read_union(struct snapshot *snapshot, struct http_request *r, struct str name, const struct selection *s,
                      struct str_list *out)
{
    vec(struct str) all = {0};
    int rc = 0;
    for (size_t i = 0; i < s->n && rc == 0; i++) {
        struct str_list list = {0};
        rc = read_one(snapshot, r, name, s, &s->v[i], &list);
        for (size_t k = 0; rc == 0 && k < list.n; k++) {
            vec_push(&all, list.v[k]);
        }
    }
    if (all.len > 1) {
        qsort(all.p, all.len, sizeof(*all.p), by_text);
    }
    struct str *kept = arena_array(http_arena(r), struct str, all.len + 1);
    *out = (struct str_list){.v = kept};
    for (size_t i = 0; i < all.len; i++) {
        if (i == 0 || !str_eq(all.p[i], all.p[i - 1])) {
            kept[out->n++] = all.p[i];
        }
    }
    vec_release(&all);
    return rc;
}

static void answer_list(struct http_request *r, const struct api_context *api, struct str name)
{
    auto_selection selection = {0};
    if (!selection_read(r, &selection)) {
        return;
    }
    struct snapshot *snapshot = NULL;
    struct str_list list = {0};
    int rc = snapshot_open(api->store, &snapshot);
    if (rc == 0 && !selection.empty) {
        rc = selection.n > 1 ? read_union(snapshot, r, name, &selection, &list)
                             : read_one(snapshot, r, name, &selection, selection.n ? selection.v : NULL, &list);
    }
    if (rc) {
        snapshot_close(snapshot);
        prom_fail(r, rc, NULL);
        return;
    }
    bool cut = selection.limit && list.n > selection.limit;
    struct answer a;
    answer_begin(&a, r);
    json_begin_array(&a.w);
    for (size_t i = 0; i < (cut ? selection.limit : list.n); i++) {
        json_str(&a.w, list.v[i]);
    }
    json_end_array(&a.w);
    snapshot_close(snapshot);
    answer_end(&a, &WARNING_TRUNCATED, cut, NULL, 0);
}

void api_labels(struct http_request *r, void *ctx)
{
    answer_list(r, ctx, (struct str){0});
}

void api_label_values(struct http_request *r, void *ctx)
{
    struct str name = http_path_param(r, "name");
    if (!utf8_valid(name) || name.len > LABEL_NAME_MAX) {
        prom_error(r, "bad_data", "invalid label name: it must be UTF-8 of at most %d bytes", LABEL_NAME_MAX);
        return;
    }
    answer_list(r, ctx, name);
}
