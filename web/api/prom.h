/*
 * What the endpoints under /api/v1 share: Prometheus' envelope, its errors, its common parameters.
 *
 * An answer is written with a json_writer into a buffer; answer_flush() sends what has gathered once it is large, so
 * that a big result is held once (in its arena), not twice. Nothing is sent while a snapshot is open.
 */
#pragma once
#include "web/api/api.h"
#include "web/api/param.h"

#define ANSWER_MAX (1u << 30) /* bytes of JSON that an endpoint without flushing may write */

struct answer {
    struct http_request *request;
    struct buf out;
    struct json_writer w;
    bool streaming, gone;
};

/* {"status":"success","data": : the caller writes one value, then answer_end(). */
void answer_begin(struct answer *a, struct http_request *r);
/* Sends what is there if it is much; false: the client has gone, stop writing. */
bool answer_flush(struct answer *a);
void answer_end(struct answer *a, const struct str *warnings, size_t warning_count, const struct str *infos,
                size_t info_count);
#define WARNING_TRUNCATED STR("results truncated due to limit")

/* "bad_data" 400, "execution" 422, "timeout" "canceled" "unavailable" 503, "not_found" 404, "unsupported" 501, else
 * 500. */
void prom_error(struct http_request *r, const char *type, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* False: a page of another origin asks for a change; refused with 403. */
bool prom_same_origin(struct http_request *r) MUST_USE;
/* By code: what a query or the store returned. */
void prom_fail(struct http_request *r, int rc, const struct error *err);
/* invalid parameter "name": text */
void prom_invalid(struct http_request *r, const char *name, const struct error *err);
/* The same with PromQL's position: invalid parameter "query": 1:5: parse error: … */
void prom_invalid_promql(struct http_request *r, const char *name, const struct error *err);

/* A parameter, or `otherwise` if it is absent or empty. False: refused with 400. */
bool prom_time(struct http_request *r, const char *name, int64_t otherwise, int64_t *ms) MUST_USE;
bool prom_limit(struct http_request *r, uint64_t *limit) MUST_USE;

/* Selectors of match[], and the time range of the metadata endpoints. */
struct selector {
    struct matcher *matchers;
    size_t n;
};
struct selection {
    struct selector *v;
    size_t n;
    int64_t start_ms, end_ms;
    bool empty; /* the range ends before it starts: nothing is found, and that is no error */
    uint64_t limit;
};
/* False: refused. Release in any case. */
bool selection_read(struct http_request *r, struct selection *out) MUST_USE;
void selection_release(struct selection *s);
#define auto_selection __attribute__((cleanup(selection_release))) struct selection

/* A finished JSON document as "data"; `otherwise` when nothing was published under that name. */
void prom_board(struct http_request *r, struct board *board, const char *name, const char *otherwise);

void write_labels(struct json_writer *w, struct labels labels);
