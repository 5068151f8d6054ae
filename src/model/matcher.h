/* One condition of a selector: name op value; regexes are anchored (base/regex.h). A missing label is the empty text.
 */
#pragma once
#include "src/base/regex.h"
#include "src/model/labels.h"

enum matcher_op { MATCH_EQ, MATCH_NE, MATCH_RE, MATCH_NRE };

struct matcher {
    enum matcher_op op;
    struct str name, value;
    struct regex *regex; /* MATCH_RE, MATCH_NRE */
};

/* Copies nothing: name and value must outlive the matcher. */
int matcher_init(struct matcher *m, enum matcher_op op, struct str name, struct str value, struct error *err) MUST_USE;
void matcher_release(struct matcher *m);
bool matcher_matches(const struct matcher *m, struct str value);
bool matchers_match(const struct matcher *m, size_t n, struct labels labels);
