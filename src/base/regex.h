/*
 * Regular expressions with RE2's language on PCRE2, anchored at both ends, as Prometheus matches.
 *
 * PCRE2 flags: ANCHORED ENDANCHORED DOTALL UTF NEVER_BACKSLASH_C, JIT, match_limit 10,000 (so
 * "(a+)+$" costs 0.1 ms, not minutes). What RE2 refuses is refused before compiling: lookaround,
 * backreferences, atomic groups, possessive quantifiers, \K, verbs, recursion.
 * A pattern that is a literal or an alternation of literals is kept as a set and never meets PCRE2;
 * a literal prefix is tested first. Patterns up to 8 KiB, alternations of literals up to 256 KiB.
 *
 * Threads: a compiled regex is immutable and may be shared.
 */
#pragma once
#include "src/base/error.h"
#include "src/base/str.h"

struct regex;
int regex_compile(struct str pattern, struct regex **out, struct error *err) MUST_USE;
void regex_free(struct regex *regex);
/* No match on hitting the match limit. */
bool regex_matches(const struct regex *regex, struct str subject);
/* If the pattern is a finite set of literals: their count and texts (borrowed); else 0. */
size_t regex_literals(const struct regex *regex, const struct str **out);
/* First match at any position in replace/label_replace style: anchored; fills up to `max` groups
 * (index 0 = whole). Returns the number of groups or 0. Named groups: regex_group_name(). */
size_t regex_groups(const struct regex *regex, struct str subject, struct str *groups, size_t max);
int regex_group_index(const struct regex *regex, struct str name); /* -1: none */
