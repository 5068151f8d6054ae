/* INFO text: every sample is storable, lists keep their bounds, and parsing the same text again gives the same samples.
 */
#include "src/base/thread.h"
#include "src/collect/redis/redis_info.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t count_prefix(const struct batch *batch, struct str name)
{
    size_t n = 0;
    vec_each (struct batch_sample *, sample, &batch->samples) {
        n += str_eq(labels_get(sample->labels, METRIC_NAME), name);
    }
    return n;
}

static void check(const struct batch *batch)
{
    vec_each (struct batch_sample *, sample, &batch->samples) {
        invariant(metric_name_legal(labels_get(sample->labels, METRIC_NAME)));
        invariant(sample->labels.n <= LABELS_MAX);
        for (uint32_t i = 1; i < sample->labels.n; i++) {
            invariant(str_cmp(sample->labels.v[i - 1].name, sample->labels.v[i].name) < 0);
        }
    }
    invariant(count_prefix(batch, STR("redis_errors_total")) <= REDIS_INFO_LIST_MAX);
    invariant(count_prefix(batch, STR("redis_commands_total")) <= REDIS_INFO_LIST_MAX);
    invariant(count_prefix(batch, STR("redis_db_keys_expiring")) <= REDIS_DATABASES_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = str_make((const char *)data, size);
    struct arena arena;
    struct batch first, second;
    struct redis_info info = {.now_ms = 1795333391833, .databases = 4};
    arena_init(&arena);
    batch_init(&first, &arena, STR("redis/fuzz"), 1, (struct labels){0});
    batch_init(&second, &arena, STR("redis/fuzz"), 2, (struct labels){0});
    int rc = redis_info_parse(text, &info, &first, NULL);
    invariant(redis_info_parse(text, &info, &second, NULL) == rc);
    check(&first);
    invariant(first.samples.len == second.samples.len);
    for (size_t i = 0; i < first.samples.len; i++) {
        invariant(labels_eq(first.samples.p[i].labels, second.samples.p[i].labels));
        invariant(sample_bits(first.samples.p[i].value) == sample_bits(second.samples.p[i].value));
    }
    batch_release(&first);
    batch_release(&second);
    arena_release(&arena);
    return 0;
}
