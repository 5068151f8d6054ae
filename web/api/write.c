/*
 * POST /api/v1/write: Prometheus remote write 1.0.
 *
 * What a request needs to be decoded is kept for the next one. Answers are plain text, as Prometheus': senders log the
 * first line. A full queue or disk is 503, because senders try again after that and not after 429.
 * Source: https://prometheus.io/docs/specs/prw/remote_write_spec/
 */
#include "src/base/log.h"
#include "src/model/remote_write.h"
#include "storage/store.h"
#include "web/api/api.h"
#include "web/api/endpoints.h"

#include <snappy-c.h>
#include <stdatomic.h>
#include <strings.h>

#define RETRY_AFTER    "5"            /* seconds */
#define SCRATCHES_KEPT 4              /* senders at once that find one */
#define SCRATCH_MAX    (1024u * 1024) /* a larger message's is not kept */

struct scratch {
    struct buf message;
    struct remote_write decoded;
};

static struct scratch *_Atomic kept[SCRATCHES_KEPT];

static struct scratch *scratch_take(void)
{
    for (size_t i = 0; i < SCRATCHES_KEPT; i++) {
        struct scratch *s = atomic_exchange(&kept[i], NULL);
        if (s) {
            return s;
        }
    }
    struct scratch *s = mem_zalloc(sizeof(*s));
    buf_init(&s->message, REMOTE_WRITE_BYTES_MAX + 1);
    return s;
}

static void scratch_give(struct scratch *s)
{
    for (size_t i = 0; i < SCRATCHES_KEPT && s->message.cap <= SCRATCH_MAX; i++) {
        struct scratch *none = NULL;
        if (atomic_compare_exchange_strong(&kept[i], &none, s)) {
            return;
        }
    }
    remote_write_release(&s->decoded);
    buf_release(&s->message);
    mem_free(s);
}

static void answer(struct http_request *r, int status, const char *text)
{
    http_respond(r, status, "text/plain; charset=utf-8", arena_printf(http_arena(r), "%s\n", text));
}

static bool same(struct str s, const char *name)
{
    return s.len == strlen(name) && strncasecmp(s.p, name, s.len) == 0;
}

/* NULL, or why it is none of ours. Both headers may be absent: old senders leave them out. */
static const char *look_at_type(struct http_request *r)
{
    struct str coding = http_header(r, "Content-Encoding"), type = http_header(r, "Content-Type");
    if (coding.len && !same(coding, "snappy")) {
        return "a remote write request is compressed with snappy: send it with Content-Encoding: snappy";
    }
    if (type.len && !same(str_trim(str_split(&type, ';')), "application/x-protobuf")) {
        return "a remote write request has Content-Type: application/x-protobuf";
    }
    while (type.len) {
        struct str value = str_trim(str_split(&type, ';'));
        struct str name = str_trim(str_split(&value, '='));
        value = str_trim(value);
        if (same(name, "proto") && !str_is(value, "prometheus.WriteRequest")) {
            return "remote write 2.0 is not understood: send 1.0 (protobuf_message: prometheus.WriteRequest)";
        }
    }
    return NULL;
}

/* 0, or the status to refuse with. The announced length is looked at before memory is taken for it. */
static int decompress(struct str body, struct buf *message, struct error *err)
{
    size_t len = 0;
    buf_clear(message);
    if (snappy_uncompressed_length(body.p ? body.p : "", body.len, &len) != SNAPPY_OK) {
        error_set(err, ERR_PARSE, "the body is not compressed with snappy (block format)");
        return 400;
    }
    if (len > REMOTE_WRITE_BYTES_MAX) {
        error_set(err, ERR_LIMIT, "the body holds %zu bytes, at most %u are taken: send less at once", len,
                  REMOTE_WRITE_BYTES_MAX);
        return 413;
    }
    char *to = buf_reserve(message, len);
    invariant(to);
    if (snappy_uncompress(body.p, body.len, to, &len) != SNAPPY_OK) {
        error_set(err, ERR_PARSE, "the body is damaged: snappy cannot read it");
        return 400;
    }
    message->len = len;
    return 0;
}

static void add_refused(struct write_result *result, const struct remote_write *decoded)
{
    if (decoded->refused_series && result->rejected_series == 0) {
        result->first = decoded->refused;
    }
    result->rejected_series += decoded->refused_series;
    result->rejected_samples += decoded->refused_samples;
}

static void answer_result(struct http_request *r, const struct write_result *result)
{
    if (result->rejected_series + result->rejected_samples == 0) {
        http_respond(r, 204, NULL, (struct str){0});
        return;
    }
    char text[512];
    snprintf(text, sizeof(text), "%zu series and %zu samples were refused, %zu samples are stored; the first: %s",
             result->rejected_series, result->rejected_samples, result->samples,
             result->first.text[0] ? result->first.text : "a time outside of what the store keeps");
    answer(r, 400, text);
}

static void store(struct http_request *r, const struct api_context *api, struct remote_write *decoded)
{
    struct write_request request = {
        .group = STR("remote_write"),
        .series = decoded->series.p,
        .series_count = decoded->series.len,
        .samples = decoded->samples.p,
        .sample_count = decoded->samples.len,
        .labels = remote_write_labels,
        .ctx = decoded,
        .families = decoded->families.p,
        .family_count = decoded->families.len,
    };
    struct write_result result = {0};
    int rc = store_write(api->store, &request, &result);
    if (rc == 0) {
        add_refused(&result, decoded);
        answer_result(r, &result);
        return;
    }
    if (rc == ERR_FULL) {
        http_set_header(r, "Retry-After", STR(RETRY_AFTER));
    }
    answer(r, rc == ERR_FULL ? 503 : 500,
           rc == ERR_FULL ? "the store's queue or disk is full: try again later" : error_text(rc));
}

void api_write(struct http_request *r, void *ctx)
{
    const char *foreign = look_at_type(r);
    if (foreign) {
        answer(r, 415, foreign);
        return;
    }
    if (!http_same_origin(r)) {
        answer(r, 403, "a page of another origin may not write here");
        return;
    }
    struct error err = {0};
    struct scratch *scratch = scratch_take();
    int status = decompress(http_body(r), &scratch->message, &err);
    if (status == 0) {
        int rc = remote_write_decode(&scratch->decoded, buf_str(&scratch->message), &err);
        status = rc == 0 ? 0 : rc == ERR_LIMIT ? 413 : 400;
    }
    if (status) {
        answer(r, status, err.text);
    } else {
        store(r, ctx, &scratch->decoded);
    }
    scratch_give(scratch);
}
