/*
 * RE2's syntax, checked and rewritten for PCRE2. Part of regex.c.
 *
 * What RE2 (Go's regexp/syntax) refuses is refused with its reason; what both know but read differently (\v, \s,
 * octal escapes, \Q..\E) is rewritten. Source of the rules: Go's regexp/syntax/parse.go and PCRE2's pcre2pattern(3).
 */
#pragma once
#include "src/base/arena.h"
#include "src/base/buf.h"
#include "src/base/error.h"

/* Appends the PCRE2 pattern to out. */
int regex_translate(struct str pattern, struct buf *out, struct error *err) MUST_USE;

/* If the pattern is a literal or an alternation of literals, perhaps within one pair of parentheses: fills *out
 * (texts in the arena), *captures (the pair is a capturing group), and returns true. */
struct regex_set {
    struct str *v;
    size_t n;
    bool captures;
};
bool regex_as_set(struct str pattern, struct arena *arena, struct regex_set *out);

/* Literal bytes that every match begins with ("" if there are none), and whether just ".*" or ".+" follows them. */
enum regex_tail { REGEX_TAIL_OTHER, REGEX_TAIL_ANY, REGEX_TAIL_SOME };
struct str regex_prefix(struct str pattern, struct arena *arena, enum regex_tail *tail);
