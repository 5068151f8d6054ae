/* The parser's hands: tokens, errors, nodes, lists of label names. */
#include "src/base/codec.h"
#include "src/query/parse.h"

void *parser_fail(struct parser *p, int code, const struct token *at, const char *fmt, ...)
{
    if (!p->failed) {
        char text[sizeof(p->err->text)];
        va_list args;
        va_start(args, fmt);
        vsnprintf(text, sizeof(text), fmt, args);
        va_end(args);
        p->code = error_set_at(p->err, code, at->line, at->column, "%s", text);
    }
    p->failed = true;
    return NULL;
}

/* What the text leaves open at its end: Prometheus names that, not the end. NULL: nothing. */
static const char *left_open(const struct parser *p)
{
    struct lexer lexer;
    struct token tok = {.kind = TOKEN_END};
    struct error ignored = {0};
    int parentheses = 0, braces = 0, brackets = 0;
    lexer_init(&lexer, p->lexer.text);
    while (lexer_next(&lexer, &tok, &ignored) == 0 && tok.kind != TOKEN_END) {
        parentheses += (tok.kind == TOKEN_LPAREN) - (tok.kind == TOKEN_RPAREN);
        braces += (tok.kind == TOKEN_LBRACE) - (tok.kind == TOKEN_RBRACE);
        brackets += (tok.kind == TOKEN_LBRACKET) - (tok.kind == TOKEN_RBRACKET);
    }
    return braces > 0        ? "unexpected end of input inside braces"
           : parentheses > 0 ? "unclosed left parenthesis"
           : brackets > 0    ? "unclosed left bracket"
                             : NULL;
}

void *parser_unexpected(struct parser *p, const char *expected)
{
    const char *open = p->tok.kind == TOKEN_END ? left_open(p) : NULL;
    if (open) {
        return parser_fail(p, ERR_PARSE, &p->tok, "%s, expected %s", open, expected);
    }
    struct str got = token_describe(&p->tok, p->arena);
    return parser_fail(p, ERR_PARSE, &p->tok, "unexpected " STR_FMT ", expected %s", STR_ARG(got), expected);
}

bool parser_advance(struct parser *p)
{
    if (p->failed) {
        return false;
    }
    p->end = p->tok.start + (uint32_t)p->tok.text.len;
    int rc = lexer_next(&p->lexer, &p->tok, p->err);
    if (rc < 0) {
        p->failed = true;
        p->code = rc;
    }
    return rc == 0;
}

bool parser_take(struct parser *p, enum token_kind kind, const char *expected)
{
    if (p->failed) {
        return false;
    }
    if (p->tok.kind != kind) {
        parser_unexpected(p, expected);
        return false;
    }
    return parser_advance(p);
}

bool parser_at_word(const struct parser *p, const char *word)
{
    return p->tok.kind == TOKEN_IDENT && p->tok.text.len == strlen(word) &&
           str_find_nocase(p->tok.text, str_of(word)) == 0;
}

bool parser_feature(struct parser *p, enum query_feature feature, const char *what, const struct token *at)
{
    if (!p->failed && !query_feature_required(feature, what, at->line, at->column, p->err)) {
        p->failed = true;
        p->code = ERR_PARSE;
    }
    return !p->failed;
}

/* A node that begins at token `at` and, until parser_cover(), ends there. */
struct expr *parser_node(struct parser *p, enum expr_kind kind, const struct token *at)
{
    struct expr *e = arena_new(p->arena, struct expr);
    e->kind = kind;
    e->start = at->start;
    e->end = p->end > at->start ? p->end : at->start;
    e->line = at->line;
    e->column = at->column;
    e->depth = 1;
    return e;
}

struct expr *parser_cover(struct parser *p, struct expr *e, const struct expr *child)
{
    if (child && child->depth >= e->depth) {
        e->depth = child->depth + 1;
    }
    e->varies = e->varies || (child && child->varies);
    e->end = p->end;
    if (e->depth > EXPR_DEPTH_MAX) {
        struct token at = {.line = e->line, .column = e->column};
        return parser_fail(p, ERR_LIMIT, &at, "the expression is nested too deeply (at most %d levels)",
                           EXPR_DEPTH_MAX);
    }
    return e;
}

static int name_cmp(const void *a, const void *b)
{
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

/* (a, b, "c d"): sorted, unique. */
bool parser_names(struct parser *p, struct name_list *out)
{
    vec(struct str) names = {0};
    bool ok = parser_take(p, TOKEN_LPAREN, "\"(\" and a list of label names");
    while (ok && p->tok.kind != TOKEN_RPAREN) {
        struct str name = p->tok.text;
        if (p->tok.kind == TOKEN_STRING) {
            ok = token_unquote(&p->tok, p->arena, &name, p->err) == 0;
            if (!ok) {
                p->failed = true;
                p->code = ERR_PARSE;
            }
        } else if (p->tok.kind != TOKEN_IDENT || !label_name_legal(name)) {
            parser_unexpected(p, "a label name");
            ok = false;
        }
        if (ok) {
            vec_push(&names, arena_dup(p->arena, name));
            ok = parser_advance(p);
        }
        if (ok && p->tok.kind == TOKEN_COMMA) {
            ok = parser_advance(p);
        } else if (ok && p->tok.kind != TOKEN_RPAREN) {
            parser_unexpected(p, "\",\" or \")\" in the list of label names");
            ok = false;
        }
    }
    ok = ok && parser_advance(p);
    struct str *v = arena_array(p->arena, struct str, names.len + 1);
    struct str *written = arena_array(p->arena, struct str, names.len + 1);
    size_t n = 0;
    if (names.len) {
        memcpy(written, names.p, names.len * sizeof(*written));
        qsort(names.p, names.len, sizeof(*names.p), name_cmp);
    }
    for (size_t i = 0; i < names.len; i++) {
        if (!n || !str_eq(v[n - 1], names.p[i])) {
            v[n++] = names.p[i];
        }
    }
    *out = (struct name_list){v, n, written, names.len};
    vec_release(&names);
    return ok;
}

int parser_start(struct parser *p, struct str text, struct arena *arena, struct error *err)
{
    *p = (struct parser){.arena = arena, .err = err ? err : &p->no_error};
    if (text.len > QUERY_TEXT_MAX) {
        return error_set_at(err, ERR_LIMIT, 1, 1, "the query is %zu bytes long, at most %d are allowed", text.len,
                            QUERY_TEXT_MAX);
    }
    if (!utf8_valid(text)) {
        return error_set_at(err, ERR_PARSE, 1, 1, "the query is not valid UTF-8");
    }
    lexer_init(&p->lexer, arena_dup(arena, text));
    return parser_advance(p) ? 0 : p->code;
}

void parser_end(struct parser *p, bool keep_regexes)
{
    for (size_t i = 0; !keep_regexes && i < p->regex_owners.len; i++) {
        matcher_release(p->regex_owners.p[i]);
    }
    vec_release(&p->regex_owners);
}
