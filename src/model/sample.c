#include "src/model/sample.h"

#include "src/base/codec.h"

const char *metric_type_name(enum metric_type type)
{
    static const char *const names[] = {
        [METRIC_UNKNOWN] = "unknown",     [METRIC_COUNTER] = "counter", [METRIC_GAUGE] = "gauge",
        [METRIC_HISTOGRAM] = "histogram", [METRIC_SUMMARY] = "summary", [METRIC_INFO] = "info",
    };
    return names[type];
}

void batch_init(struct batch *batch, struct arena *arena, struct str group, int64_t t_ms, struct labels common)
{
    *batch = (struct batch){.arena = arena, .group = arena_dup(arena, group), .t_ms = t_ms};
    batch->common = labels_dup(common, arena);
}

void batch_release(struct batch *batch)
{
    vec_release(&batch->samples);
    vec_release(&batch->families);
}

bool batch_add(struct batch *batch, struct str name, const struct label *labels, size_t n, double value)
{
    return batch_add_at(batch, name, labels, n, batch->t_ms, value);
}

/* Label values leave as JSON, which is UTF-8: invalid bytes become U+FFFD here, once. */
static struct str clean_value(struct str value, struct arena *arena)
{
    if (utf8_valid(value)) {
        return str_slice(value, 0, utf8_cut(value, LABEL_VALUE_MAX));
    }
    auto_buf out;
    buf_init(&out, LABEL_VALUE_MAX);
    while (value.len && !out.failed) {
        size_t n = utf8_char(value);
        buf_add(&out, n ? str_slice(value, 0, n) : STR("\xef\xbf\xbd"));
        value = str_slice(value, n ? n : 1, value.len);
    }
    return arena_dup(arena, buf_str(&out));
}

bool batch_add_at(struct batch *batch, struct str name, const struct label *labels, size_t n, int64_t t_ms,
                  double value)
{
    if (!metric_name_legal(name) || n > LABELS_MAX) {
        return false;
    }
    struct labels_builder b;
    labels_builder_from(&b, batch->arena, batch->common);
    labels_set(&b, METRIC_NAME, name);
    for (size_t i = 0; i < n; i++) {
        if (!label_name_legal(labels[i].name) || str_eq(labels[i].name, METRIC_NAME)) {
            return false;
        }
        /* An empty own label does not remove a target label: it says nothing. */
        if (labels[i].value.len) {
            labels_set(&b, labels[i].name, clean_value(labels[i].value, batch->arena));
        }
    }
    if (b.overflow) {
        return false;
    }
    vec_push(&batch->samples, (struct batch_sample){labels_finish(&b, true), t_ms, value});
    return true;
}

void batch_family(struct batch *batch, struct str name, enum metric_type type, struct str help)
{
    vec_each (struct metric_family *, it, &batch->families) {
        if (str_eq(it->name, name)) {
            return;
        }
    }
    vec_push(&batch->families, (struct metric_family){name, help, type});
}
