/* jansson, and what the parsers of this folder ask of it. */
#pragma once
#include "src/base/str.h"

#include <jansson.h>
#include <math.h>

/* The text of a string; empty for anything else. */
static inline struct str celery_json_text(const json_t *value)
{
    return json_is_string(value) ? str_make(json_string_value(value), json_string_length(value)) : (struct str){0};
}

static inline double celery_json_number(const json_t *value, double absent)
{
    return json_is_number(value) ? json_number_value(value) : absent;
}

/* Celery's numbers may come as int or float. */
static inline int64_t celery_json_int(const json_t *value, int64_t absent)
{
    if (json_is_integer(value)) {
        return json_integer_value(value);
    }
    double d = celery_json_number(value, NAN);
    return d >= -9e15 && d <= 9e15 ? (int64_t)d : absent; /* false for NaN */
}

static inline json_t *celery_json_parse(struct str text)
{
    return json_loadb(text.p ? text.p : "", text.len, JSON_ALLOW_NUL, NULL);
}
