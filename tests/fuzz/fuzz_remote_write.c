/*
 * Remote write requests: samples and series keep their limits and point into the message; labels are acceptable or
 * refused with a text; and a key says the same labels in a request of its own.
 */
#include "src/base/codec.h"
#include "src/base/thread.h"
#include "src/model/remote_write.h"
#include "tests/support/protobuf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool name_fits(struct str name)
{
    return name.len >= 1 && name.len <= LABEL_NAME_MAX && utf8_valid(name);
}

static void check_labels(struct labels labels)
{
    invariant(labels.n >= 1 && labels.n <= LABELS_MAX && name_fits(labels_get(labels, METRIC_NAME)));
    for (uint32_t i = 0; i < labels.n; i++) {
        struct label label = labels.v[i];
        invariant(name_fits(label.name));
        invariant(label.value.len >= 1 && label.value.len <= LABEL_VALUE_MAX && utf8_valid(label.value));
        invariant(i == 0 || str_cmp(labels.v[i - 1].name, label.name) < 0);
    }
}

static void check_error(const struct error *err)
{
    invariant(err->code < 0 && err->text[0] && utf8_valid(str_of(err->text)));
}

static void check_key(struct str key, struct labels expected, struct arena *arena)
{
    struct remote_write again = {0};
    struct labels labels;
    auto_buf series, message;
    buf_init(&series, key.len + 64);
    buf_init(&message, key.len + 128);
    buf_add(&series, key);
    pb_sample(&series, 1, 1);
    pb_bytes(&message, 1, buf_str(&series));
    invariant(remote_write_decode(&again, buf_str(&message), NULL) == 0 && again.series.len == 1);
    invariant(str_eq(again.series.p[0].key, key));
    invariant(remote_write_labels(&again, 0, arena, &labels, NULL) == 0 && labels_eq(labels, expected));
    remote_write_release(&again);
}

static void check_series(struct remote_write *rw, size_t i, struct arena *arena)
{
    struct write_series series = rw->series.p[i];
    invariant(series.count > 0 && series.first + (size_t)series.count <= rw->samples.len);
    struct labels labels;
    struct error err = {0};
    if (remote_write_labels(rw, i, arena, &labels, &err)) {
        check_error(&err);
    } else {
        check_labels(labels);
        check_key(series.key, labels, arena);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct remote_write rw; /* used again, as by the endpoint */
    struct error err = {0};
    auto_arena arena;
    arena_init(&arena);
    int rc = remote_write_decode(&rw, str_make((const char *)data, size), &err);
    invariant(rw.samples.len <= REMOTE_WRITE_SAMPLES_MAX && rw.samples.len <= size);
    invariant(rw.series.len <= REMOTE_WRITE_SERIES_MAX && rw.families.len <= REMOTE_WRITE_FAMILIES_MAX);
    if (rc) {
        check_error(&err);
        return 0;
    }
    if (rw.refused_series) {
        check_error(&rw.refused);
    }
    for (size_t i = 0; i < rw.series.len; i++) {
        check_series(&rw, i, &arena);
    }
    for (size_t i = 0; i < rw.families.len; i++) {
        invariant(name_fits(rw.families.p[i].name) && utf8_valid(rw.families.p[i].help));
    }
    return 0;
}
