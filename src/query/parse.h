/*
 * The parser's state, shared by parse.c (expressions) and parse_selector.c (name{matchers}).
 */
#pragma once
#include "src/query/ast.h"
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

/* Fills the selector e: `name` was taken already (may be NULL), braces follow or not. */
bool parse_selector(struct parser *p, const struct token *name, struct expr *e);
