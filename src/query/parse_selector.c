/* name{label="value", "other label"=~"regex", "utf-8 metric name"} */
#include "src/base/codec.h"
#include "src/query/parse.h"

struct selector_build {
    vec(struct matcher) matchers; /* regexes are compiled when the array no longer moves */
    vec(struct token) at;
    struct str name;
    bool named;
};

static bool unquote(struct parser *p, struct str *out)
{
    int rc = token_unquote(&p->tok, p->arena, out, p->err);
    if (rc < 0) {
        p->failed = true;
        p->code = rc;
    }
    return rc == 0;
}

static bool set_name(struct parser *p, struct selector_build *b, struct str name, const struct token *at)
{
    if (b->named) {
        parser_fail(p, ERR_PARSE, at, "metric name must not be set twice: \"" STR_FMT "\" or \"" STR_FMT "\"",
                    STR_ARG(b->name), STR_ARG(name));
        return false;
    }
    b->named = true;
    b->name = name;
    vec_push(&b->matchers, (struct matcher){.op = MATCH_EQ, .name = METRIC_NAME, .value = name});
    vec_push(&b->at, *at);
    return true;
}

static bool matcher_operator(enum token_kind kind, enum matcher_op *out)
{
    switch (kind) {
    case TOKEN_ASSIGN:
        *out = MATCH_EQ;
        return true;
    case TOKEN_NE:
        *out = MATCH_NE;
        return true;
    case TOKEN_RE:
        *out = MATCH_RE;
        return true;
    case TOKEN_NRE:
        *out = MATCH_NRE;
        return true;
    default:
        return false;
    }
}

/* One entry between the braces. */
static bool parse_matcher(struct parser *p, struct selector_build *b)
{
    struct token at = p->tok;
    struct str label = arena_dup(p->arena, at.text), value;
    enum matcher_op op;
    if (at.kind == TOKEN_STRING ? !unquote(p, &label) : at.kind != TOKEN_IDENT || !label_name_legal(label)) {
        if (!p->failed) {
            parser_unexpected(p, "a label name, a quoted name or \"}\"");
        }
        return false;
    }
    if (!parser_advance(p)) {
        return false;
    }
    if (at.kind == TOKEN_STRING && (p->tok.kind == TOKEN_COMMA || p->tok.kind == TOKEN_RBRACE)) {
        return set_name(p, b, label, &at);
    }
    if (!matcher_operator(p->tok.kind, &op)) {
        parser_unexpected(p, "one of \"=\", \"!=\", \"=~\", \"!~\" after the label name");
        return false;
    }
    if (!parser_advance(p)) {
        return false;
    }
    if (p->tok.kind != TOKEN_STRING) {
        parser_unexpected(p, "a quoted label value");
        return false;
    }
    struct token value_at = p->tok;
    if (!unquote(p, &value) || !parser_advance(p)) {
        return false;
    }
    vec_push(&b->matchers, (struct matcher){.op = op, .name = label, .value = value});
    vec_push(&b->at, value_at);
    return true;
}

static bool parse_braces(struct parser *p, struct selector_build *b)
{
    bool ok = parser_advance(p);
    while (ok && p->tok.kind != TOKEN_RBRACE) {
        ok = parse_matcher(p, b);
        if (ok && p->tok.kind == TOKEN_COMMA) {
            ok = parser_advance(p);
        } else if (ok && p->tok.kind != TOKEN_RBRACE) {
            parser_unexpected(p, "\",\" or \"}\" between the label matchers");
            ok = false;
        }
    }
    return ok && parser_advance(p);
}

/* A name outside the matchers and a matcher of __name__ would contradict each other. */
static bool name_is_single(struct parser *p, const struct selector_build *b)
{
    bool seen = false;
    for (size_t i = 0; b->named && i < b->matchers.len; i++) {
        if (str_eq(b->matchers.p[i].name, METRIC_NAME) && seen) {
            parser_fail(p, ERR_PARSE, &b->at.p[i],
                        "metric name must not be set twice: \"" STR_FMT "\" or \"" STR_FMT "\"", STR_ARG(b->name),
                        STR_ARG(b->matchers.p[i].value));
            return false;
        }
        seen = seen || str_eq(b->matchers.p[i].name, METRIC_NAME);
    }
    return true;
}

/* Compiles regexes. */
static bool finish(struct parser *p, struct selector_build *b, struct expr *e)
{
    size_t n = b->matchers.len;
    if (!name_is_single(p, b)) {
        return false;
    }
    struct matcher *v = arena_array(p->arena, struct matcher, n + 1);
    bool selective = false;
    for (size_t i = 0; i < n; i++) {
        struct error why = {0};
        if (matcher_init(&v[i], b->matchers.p[i].op, b->matchers.p[i].name, b->matchers.p[i].value, &why) < 0) {
            v[i].regex = NULL;
            parser_fail(p, ERR_PARSE, &b->at.p[i], "%s", why.text);
            return false;
        }
        vec_push(&p->regex_owners, &v[i]);
        selective = selective || !matcher_matches(&v[i], STR(""));
    }
    e->selector.selective = selective; /* whether it must be: check.c */
    e->selector.matchers = v;
    e->selector.matcher_count = n;
    e->selector.name = b->name;
    return true;
}

bool parse_selector(struct parser *p, const struct token *name, struct expr *e)
{
    struct selector_build b = {0};
    bool ok = !name || set_name(p, &b, arena_dup(p->arena, name->text), name);
    if (ok && p->tok.kind == TOKEN_LBRACE) {
        ok = parse_braces(p, &b);
    }
    ok = ok && finish(p, &b, e);
    e->selector.name_before = name != NULL;
    vec_release(&b.matchers);
    vec_release(&b.at);
    return ok;
}
