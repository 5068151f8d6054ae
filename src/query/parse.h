/*
 * The parser's state and hands (parser.c), shared by parse.c (expressions), parse_selector.c (name{matchers}) and
 * parse_modifiers.c ([5m], offset, @), parse_duration.c (5m, step() * 2).
 */
#pragma once
#include "src/query/ast.h"
#include "src/query/features.h"
#include "src/query/function.h"
#include "src/query/lex.h"

struct parser {
    struct lexer lexer;
    struct token tok; /* not yet taken */
    uint32_t end;     /* end of the last token taken */
    struct arena *arena;
    struct error *err, no_error;
    int depth, code;
    bool failed;
    vec(struct matcher *) regex_owners; /* to be released if parsing fails */
};

int parser_start(struct parser *p, struct str text, struct arena *arena, struct error *err) MUST_USE;
void parser_end(struct parser *p, bool keep_regexes);
/* The next token; false after a failure. */
bool parser_advance(struct parser *p);
bool parser_take(struct parser *p, enum token_kind kind, const char *expected);
bool parser_at_word(const struct parser *p, const char *word); /* ASCII case-insensitive */
/* Both give NULL; only the first error is kept. */
void *parser_fail(struct parser *p, int code, const struct token *at, const char *fmt, ...) PRINTF_LIKE(4, 5);
void *parser_unexpected(struct parser *p, const char *expected);

/* Whether an experimental part is switched on; if not, that is the error. */
bool parser_feature(struct parser *p, enum query_feature feature, const char *what, const struct token *at);

/* A node that begins at token `at` and ends, until parser_cover(), with the last token taken. */
struct expr *parser_node(struct parser *p, enum expr_kind kind, const struct token *at);
/* e ends with the last token taken and stands above child (may be NULL); NULL if that is too deep. */
struct expr *parser_cover(struct parser *p, struct expr *e, const struct expr *child);
/* (a, b, "c d"): sorted, unique. */
bool parser_names(struct parser *p, struct name_list *out);

/* Everything that may follow e; NULL after a failure. */
struct expr *parse_modifiers(struct parser *p, struct expr *e);

/* A duration above zero between brackets. *expr is NULL if it is a mere number; if it varies with the query, *ms is 0.
 */
bool parse_duration(struct parser *p, int64_t *ms, const struct duration_expr **expr);
/* The same behind "offset": of either sign; only parentheses make more than one operand of it. */
bool parse_offset_duration(struct parser *p, int64_t *ms, const struct duration_expr **expr);

/* fill (v), fill_left (v), fill_right (v), if they follow, into the binary operation e. */
bool parse_fill(struct parser *p, struct expr *e);

/* Fills the selector e: `name` was taken already (may be NULL), braces follow or not. */
bool parse_selector(struct parser *p, const struct token *name, struct expr *e);
