/* Compares the families of a batch with a recorded list of an exporter's ("name type" lines). */
#pragma once
#include "src/base/buf.h"
#include "src/model/sample.h"
#include "tests/support/test.h"

#include <stdio.h>

static inline struct buf read_data(const char *name)
{
    char path[512];
    snprintf(path, sizeof(path), "%s/unit/collect/data/%s", TEST_DATA_DIR, name);
    FILE *f = fopen(path, "rb");
    if (!f) {
        fail_msg("cannot open %s", path);
    }
    struct buf text;
    buf_init(&text, 1 << 22);
    char chunk[4096];
    for (size_t n; f && (n = fread(chunk, 1, sizeof(chunk), f)) > 0;) {
        buf_add_bytes(&text, chunk, n);
    }
    if (f) {
        fclose(f);
    }
    return text;
}

static inline bool families_has(const struct batch *batch, struct str name, struct str type)
{
    vec_each (struct metric_family *, family, &batch->families) {
        if (str_eq(family->name, name)) {
            /* "untyped" is the text format's word for unknown */
            return str_is(type, "untyped") ? family->type == METRIC_UNKNOWN
                                           : str_is(type, metric_type_name(family->type));
        }
    }
    return false;
}

static inline bool in_list(struct str list, struct str name)
{
    while (list.len) {
        struct str word = str_split(&list, ' ');
        if (str_eq(word, name) || (str_ends(word, STR("*")) && str_starts(name, str_slice(word, 0, word.len - 1)))) {
            return true;
        }
    }
    return false;
}

/* Every family of the file that begins with prefix is in the batch with the same type, but those of `absent` (words, a
 * * at the end is any rest). Says how many are equal. */
static inline void assert_families(const struct batch *batch, const char *file, struct str prefix, struct str absent)
{
    struct buf text = read_data(file);
    struct str rest = buf_str(&text);
    size_t equal = 0, left_out = 0, missing = 0;
    while (rest.len) {
        struct str line = str_split(&rest, '\n');
        struct str name = str_split(&line, ' ');
        if (!str_starts(name, prefix)) {
            continue;
        }
        if (families_has(batch, name, line)) {
            equal++;
        } else if (in_list(absent, name)) {
            left_out++;
        } else {
            missing++;
            print_message("missing or of another type: " STR_FMT " " STR_FMT "\n", STR_ARG(name), STR_ARG(line));
        }
    }
    buf_release(&text);
    print_message("%s: %zu families equal, %zu left out on purpose, %zu missing\n", file, equal, left_out, missing);
    assert_int_equal(missing, 0);
    assert_true(equal > 0);
}

/* Value of a series by its printed labels; NaN-free. Fails if it is not there exactly once. */
static inline double series_value(const struct batch *batch, const char *series)
{
    double value = 0;
    size_t found = 0;
    vec_each (struct batch_sample *, sample, &batch->samples) {
        struct buf text;
        buf_init(&text, 1 << 20);
        labels_print(sample->labels, &text);
        if (str_is(buf_str(&text), series)) {
            found++;
            value = sample->value;
        }
        buf_release(&text);
    }
    if (found != 1) {
        fail_msg("series %s found %zu times", series, found);
    }
    return value;
}

#define assert_series(batch, series, expected)                                                                         \
    do {                                                                                                               \
        double got_ = series_value(batch, series), want_ = (expected);                                                 \
        if (got_ != want_) {                                                                                           \
            fail_msg("%s: got %.17g, expected %.17g", series, got_, want_);                                            \
        }                                                                                                              \
    } while (0)

static inline size_t count_of_metric(const struct batch *batch, const char *name)
{
    size_t n = 0;
    vec_each (struct batch_sample *, sample, &batch->samples) {
        n += str_is(labels_get(sample->labels, METRIC_NAME), name);
    }
    return n;
}
