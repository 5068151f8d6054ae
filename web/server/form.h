/*
 * application/x-www-form-urlencoded text (query strings and bodies) to pairs, and percent-decoding of path segments.
 *
 * Pure. Pairs and decoded texts live in the arena; texts without escapes point into the input. What is refused, as Go's
 * url.ParseQuery refuses it: a bad escape, a semicolon as separator.
 */
#pragma once
#include "src/base/arena.h"
#include "src/base/error.h"
#include "src/base/vec.h"

#define FORM_PAIRS_MAX 4096

struct form_pair {
    struct str name, value;
};
struct form {
    vec(struct form_pair) pairs;
};

void form_release(struct form *form);
/* Appends the pairs of text. ERR_PARSE or ERR_LIMIT with a text; what came before it stays. */
int form_parse(struct str text, struct arena *arena, struct form *form, struct error *err) MUST_USE;
/* First value of that name; p == NULL if absent. */
struct str form_get(const struct form *form, struct str name);
/* False on a bad escape. '+' becomes a space only if plus_is_space. */
bool form_decode(struct str text, bool plus_is_space, struct arena *arena, struct str *out) MUST_USE;
