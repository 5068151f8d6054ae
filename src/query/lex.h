/*
 * PromQL's tokens, one at a time.
 *
 * Keywords are identifiers: the parser decides by place, because any keyword may be a label name (and most a metric
 * name). Texts of tokens point into the query. Source: Prometheus promql/parser/lex.go, for the language only.
 */
#pragma once
#include "src/base/arena.h"
#include "src/base/error.h"

#define QUERY_STRING_MAX (256 * 1024) /* bytes of one unquoted string */

enum token_kind {
    TOKEN_END,
    TOKEN_IDENT,
    TOKEN_NUMBER,
    TOKEN_DURATION,
    TOKEN_STRING,
    TOKEN_LPAREN,
    TOKEN_RPAREN,
    TOKEN_LBRACE,
    TOKEN_RBRACE,
    TOKEN_LBRACKET,
    TOKEN_RBRACKET,
    TOKEN_COMMA,
    TOKEN_COLON, /* only between brackets */
    TOKEN_AT,
    TOKEN_ADD,
    TOKEN_SUB,
    TOKEN_MUL,
    TOKEN_DIV,
    TOKEN_MOD,
    TOKEN_POW,
    TOKEN_ASSIGN, /* = of matchers */
    TOKEN_EQ,     /* == */
    TOKEN_NE,
    TOKEN_GT,
    TOKEN_LT,
    TOKEN_GE,
    TOKEN_LE,
    TOKEN_RE,  /* =~ */
    TOKEN_NRE, /* !~ */
};

struct token {
    enum token_kind kind;
    struct str text; /* as written, with quotes */
    uint32_t start;
    int line, column;
    double number; /* TOKEN_NUMBER; TOKEN_DURATION: seconds */
    int64_t ms;    /* TOKEN_DURATION */
};

struct lexer {
    struct str text;
    size_t pos;
    int line, column;
    bool brackets; /* between [ and ] */
};

void lexer_init(struct lexer *lexer, struct str text);
int lexer_next(struct lexer *lexer, struct token *out, struct error *err) MUST_USE;
/* Value of a TOKEN_STRING; Go's escapes ("" and '') or raw (``). */
int token_unquote(const struct token *token, struct arena *arena, struct str *out, struct error *err) MUST_USE;
/* 'identifier "foo"', '")"', 'end of input': how errors name a token. Cut at 60 bytes. */
struct str token_describe(const struct token *token, struct arena *arena);
