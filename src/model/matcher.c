#include "src/model/matcher.h"

int matcher_init(struct matcher *m, enum matcher_op op, struct str name, struct str value, struct error *err)
{
    struct regex *regex = NULL;
    if (op == MATCH_RE || op == MATCH_NRE) {
        int rc = regex_compile(value, &regex, err);
        if (rc) {
            return rc;
        }
    }
    *m = (struct matcher){.op = op, .name = name, .value = value, .regex = regex};
    return 0;
}

void matcher_release(struct matcher *m)
{
    regex_free(m->regex);
    m->regex = NULL;
}

bool matcher_matches(const struct matcher *m, struct str value)
{
    switch (m->op) {
    case MATCH_EQ:
        return str_eq(m->value, value);
    case MATCH_NE:
        return !str_eq(m->value, value);
    case MATCH_RE:
        return regex_matches(m->regex, value);
    case MATCH_NRE:
        return !regex_matches(m->regex, value);
    }
    return false;
}

bool matchers_match(const struct matcher *m, size_t n, struct labels labels)
{
    for (size_t i = 0; i < n; i++) {
        if (!matcher_matches(&m[i], labels_get(labels, m[i].name))) {
            return false;
        }
    }
    return true;
}
