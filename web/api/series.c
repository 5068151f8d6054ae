/* /api/v1/series: label sets of the series that match any of the selectors. */
#include "web/api/endpoints.h"
#include "web/api/prom.h"

struct found {
    vec(struct series_ref) refs;
};

static int by_id(const void *a, const void *b)
{
    series_id x = ((const struct series_ref *)a)->id, y = ((const struct series_ref *)b)->id;
    return (x > y) - (x < y);
}

static int by_labels(const void *a, const void *b)
{
    return labels_cmp(((const struct series_ref *)a)->labels, ((const struct series_ref *)b)->labels);
}

static int select_all(struct snapshot *snapshot, struct http_request *r, const struct selection *s, struct found *out)
{
    for (size_t i = 0; i < s->n; i++) {
        struct series_set set = {0};
        int rc = snapshot_select(snapshot, s->v[i].matchers, s->v[i].n, s->start_ms, s->end_ms, 0, http_arena(r), &set);
        if (rc) {
            return rc;
        }
        for (size_t k = 0; k < set.n; k++) {
            vec_push(&out->refs, set.v[k]);
        }
    }
    return 0;
}

/* One series may match several selectors. */
static void sort_unique(struct found *found, bool several)
{
    if (several && found->refs.len > 1) {
        qsort(found->refs.p, found->refs.len, sizeof(*found->refs.p), by_id);
        size_t kept = 1;
        for (size_t i = 1; i < found->refs.len; i++) {
            if (found->refs.p[i].id != found->refs.p[kept - 1].id) {
                found->refs.p[kept++] = found->refs.p[i];
            }
        }
        found->refs.len = kept;
    }
    if (found->refs.len > 1) {
        qsort(found->refs.p, found->refs.len, sizeof(*found->refs.p), by_labels);
    }
}

void api_series(struct http_request *r, void *ctx)
{
    const struct api_context *api = ctx;
    auto_selection selection = {0};
    if (!selection_read(r, &selection)) {
        return;
    }
    if (selection.n == 0) {
        prom_error(r, "bad_data", "no match[] parameter provided");
        return;
    }
    struct snapshot *snapshot = NULL;
    struct found found = {0};
    int rc = snapshot_open(api->store, &snapshot);
    if (rc == 0 && !selection.empty) {
        rc = select_all(snapshot, r, &selection, &found);
    }
    if (rc) {
        snapshot_close(snapshot);
        prom_fail(r, rc, NULL);
        vec_release(&found.refs);
        return;
    }
    sort_unique(&found, selection.n > 1);
    bool cut = selection.limit && found.refs.len > selection.limit;
    struct answer a;
    answer_begin(&a, r);
    json_begin_array(&a.w);
    for (size_t i = 0; i < (cut ? selection.limit : found.refs.len); i++) {
        write_labels(&a.w, found.refs.p[i].labels);
    }
    json_end_array(&a.w);
    snapshot_close(snapshot); /* labels are written: nothing is sent while it is open */
    vec_release(&found.refs);
    answer_end(&a, &WARNING_TRUNCATED, cut, NULL, 0);
}
