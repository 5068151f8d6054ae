#include "src/query/lex.h"

#include "src/base/codec.h"
#include "src/base/number.h"

#include <ctype.h>

void lexer_init(struct lexer *lexer, struct str text)
{
    *lexer = (struct lexer){.text = text, .line = 1, .column = 1};
}

static int peek(const struct lexer *lx, size_t ahead)
{
    size_t at = lx->pos + ahead;
    return at < lx->text.len ? (unsigned char)lx->text.p[at] : -1;
}

static void advance(struct lexer *lx, size_t n)
{
    for (; n; n--, lx->pos++) {
        unsigned char c = (unsigned char)lx->text.p[lx->pos];
        if (c == '\n') {
            lx->line++;
            lx->column = 1;
        } else if ((c & 0xC0) != 0x80) { /* columns count characters, not bytes */
            lx->column++;
        }
    }
}

static void skip_space_and_comments(struct lexer *lx)
{
    for (;;) {
        int c = peek(lx, 0);
        if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
            advance(lx, 1);
        } else if (c == '#') {
            while (peek(lx, 0) >= 0 && peek(lx, 0) != '\n') {
                advance(lx, 1);
            }
        } else {
            return;
        }
    }
}

static bool ident_start(int c)
{
    return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(int c)
{
    return c >= '0' && c <= '9';
}

static size_t scan_ident(const struct lexer *lx)
{
    size_t n = 0;
    while (ident_start(peek(lx, n)) || is_digit(peek(lx, n)) || (peek(lx, n) == ':' && !lx->brackets)) {
        n++;
    }
    return n;
}

/* Digits with single underscores between them. */
static size_t scan_digits(const struct lexer *lx, size_t n, bool hex)
{
    while (is_digit(peek(lx, n)) || (hex && peek(lx, n) >= 0 && isxdigit(peek(lx, n))) ||
           (peek(lx, n) == '_' && n && peek(lx, n - 1) != '_' && peek(lx, n + 1) >= 0 && isxdigit(peek(lx, n + 1)))) {
        n++;
    }
    return n;
}

static size_t scan_number(const struct lexer *lx)
{
    if (peek(lx, 0) == '0' && (peek(lx, 1) | 0x20) == 'x') {
        return scan_digits(lx, 2, true);
    }
    size_t n = scan_digits(lx, 0, false);
    if (peek(lx, n) == '.') {
        n = scan_digits(lx, n + 1, false);
    }
    if ((peek(lx, n) | 0x20) == 'e') {
        size_t digits = n + 1 + (peek(lx, n + 1) == '+' || peek(lx, n + 1) == '-');
        size_t end = scan_digits(lx, digits, false);
        if (end > digits) {
            n = end;
        }
    }
    return n;
}

static bool number_value(struct str text, double *out)
{
    char copy[400];
    size_t n = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.p[i] == '_') {
            continue;
        }
        if (n == sizeof(copy)) {
            return false;
        }
        copy[n++] = text.p[i];
    }
    /* A leading 0x means hexadecimal, any other leading 0 of an integer octal, as Go reads it. */
    int base = n > 2 && copy[0] == '0' && (copy[1] | 0x20) == 'x' ? 16 : n > 1 && copy[0] == '0' ? 8 : 10;
    double v = 0;
    size_t i = base == 16 ? 2 : 0;
    for (; base != 10 && i < n; i++) {
        int c = copy[i] | 0x20;
        int digit = is_digit(c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : 99;
        if (digit >= base) {
            break;
        }
        v = v * base + digit;
    }
    if (base != 10 && i == n) {
        *out = v;
        return true;
    }
    return base != 16 && number_parse(str_make(copy, n), out);
}

/* Units in the order they must come; each at most once. */
static const struct {
    const char *name;
    int64_t ms;
} units[] = {{"y", 31536000000}, {"w", 604800000}, {"d", 86400000}, {"h", 3600000},
             {"m", 60000},       {"s", 1000},      {"ms", 1}};
#define UNIT_COUNT (sizeof(units) / sizeof(units[0]))

static bool duration_value(struct str text, int64_t *out)
{
    int64_t total = 0;
    size_t i = 0, next_unit = 0;
    while (i < text.len) {
        int64_t n = 0;
        size_t digits = i;
        for (; i < text.len && is_digit((unsigned char)text.p[i]); i++) {
            if (__builtin_mul_overflow(n, 10, &n) || __builtin_add_overflow(n, text.p[i] - '0', &n)) {
                return false;
            }
        }
        size_t unit = i;
        while (i < text.len && !is_digit((unsigned char)text.p[i])) {
            i++;
        }
        struct str name = str_slice(text, unit, i);
        while (next_unit < UNIT_COUNT && !str_is(name, units[next_unit].name)) {
            next_unit++;
        }
        int64_t ms;
        if (unit == digits || next_unit == UNIT_COUNT || __builtin_mul_overflow(n, units[next_unit].ms, &ms) ||
            __builtin_add_overflow(total, ms, &total)) {
            return false;
        }
        next_unit++;
    }
    *out = total;
    return total < INT64_MAX / 1000000; /* 292 years, as Go's time.Duration */
}

static int lex_number(struct lexer *lx, struct token *out, struct error *err)
{
    size_t n = scan_number(lx);
    bool plain = ident_start(peek(lx, n)) == false && !is_digit(peek(lx, n));
    if (!plain) {
        n = scan_ident(lx);
    }
    out->text = str_slice(lx->text, lx->pos, lx->pos + n);
    out->kind = plain ? TOKEN_NUMBER : TOKEN_DURATION;
    bool ok = plain ? number_value(out->text, &out->number) : duration_value(out->text, &out->ms);
    if (!ok) {
        return error_set_at(err, ERR_PARSE, out->line, out->column,
                            "bad number or duration syntax: \"" STR_FMT "\" (numbers: 1.5, 1e3, 0x1f; durations: 30s, "
                            "5m, 1h30m)",
                            out->text.len > 60 ? 60 : (int)out->text.len, out->text.p);
    }
    if (!plain) {
        out->number = (double)out->ms / 1000;
    }
    advance(lx, n);
    return 0;
}

static int lex_string(struct lexer *lx, struct token *out, struct error *err)
{
    int quote = peek(lx, 0);
    size_t n = 1;
    for (;; n++) {
        int c = peek(lx, n);
        if (c == quote) {
            break;
        }
        if (c == '\\' && quote != '`' && peek(lx, n + 1) >= 0) {
            n++;
        } else if (c < 0 || (c == '\n' && quote != '`')) {
            return error_set_at(err, ERR_PARSE, out->line, out->column,
                                "unterminated quoted string: its closing %c is missing", quote);
        }
    }
    out->kind = TOKEN_STRING;
    out->text = str_slice(lx->text, lx->pos, lx->pos + n + 1);
    advance(lx, n + 1);
    return 0;
}

static enum token_kind lex_operator(int c, int next, size_t *len)
{
    static const char two[][3] = {"==", "!=", ">=", "<=", "=~", "!~"};
    static const enum token_kind two_kinds[] = {TOKEN_EQ, TOKEN_NE, TOKEN_GE, TOKEN_LE, TOKEN_RE, TOKEN_NRE};
    for (size_t i = 0; i < sizeof(two_kinds) / sizeof(two_kinds[0]); i++) {
        if (c == two[i][0] && next == two[i][1]) {
            *len = 2;
            return two_kinds[i];
        }
    }
    static const char one[] = "(){}[],:@+-*/%^=><";
    static const enum token_kind one_kinds[] = {
        TOKEN_LPAREN, TOKEN_RPAREN, TOKEN_LBRACE, TOKEN_RBRACE, TOKEN_LBRACKET, TOKEN_RBRACKET,
        TOKEN_COMMA,  TOKEN_COLON,  TOKEN_AT,     TOKEN_ADD,    TOKEN_SUB,      TOKEN_MUL,
        TOKEN_DIV,    TOKEN_MOD,    TOKEN_POW,    TOKEN_ASSIGN, TOKEN_GT,       TOKEN_LT};
    const char *at = c ? strchr(one, c) : NULL;
    *len = 1;
    return at ? one_kinds[at - one] : TOKEN_END;
}

int lexer_next(struct lexer *lx, struct token *out, struct error *err)
{
    skip_space_and_comments(lx);
    *out = (struct token){.start = (uint32_t)lx->pos, .line = lx->line, .column = lx->column};
    int c = peek(lx, 0);
    if (c < 0) {
        return 0;
    }
    if (is_digit(c) || (c == '.' && is_digit(peek(lx, 1)))) {
        return lex_number(lx, out, err);
    }
    if (c == '"' || c == '\'' || c == '`') {
        return lex_string(lx, out, err);
    }
    if (ident_start(c) || (c == ':' && !lx->brackets)) {
        size_t n = scan_ident(lx);
        out->kind = TOKEN_IDENT;
        out->text = str_slice(lx->text, lx->pos, lx->pos + n);
        advance(lx, n);
        return 0;
    }
    size_t len;
    out->kind = lex_operator(c, peek(lx, 1), &len);
    if (out->kind == TOKEN_END) {
        if (c == '!') {
            return error_set_at(err, ERR_PARSE, lx->line, lx->column, "unexpected \"!\", expected \"!=\" or \"!~\"");
        }
        size_t n = 1;
        while ((peek(lx, n) & 0xC0) == 0x80 && peek(lx, n) >= 0) {
            n++;
        }
        struct str bad = str_slice(lx->text, lx->pos, lx->pos + n);
        bool shown = c >= ' ' && c != 0x7f && utf8_valid(bad);
        return shown ? error_set_at(err, ERR_PARSE, lx->line, lx->column, "unexpected character: '" STR_FMT "'",
                                    STR_ARG(bad))
                     : error_set_at(err, ERR_PARSE, lx->line, lx->column, "unexpected byte: 0x%02x", (unsigned)c);
    }
    out->text = str_slice(lx->text, lx->pos, lx->pos + len);
    lx->brackets = out->kind == TOKEN_LBRACKET || (lx->brackets && out->kind != TOKEN_RBRACKET);
    advance(lx, len);
    return 0;
}

static void put_utf8(struct buf *out, uint32_t c)
{
    if (c < 0x80) {
        buf_add_char(out, (char)c);
        return;
    }
    int more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
    static const unsigned char lead[] = {0, 0xC0, 0xE0, 0xF0};
    buf_add_char(out, (char)(lead[more] | (c >> (6 * more))));
    while (more--) {
        buf_add_char(out, (char)(0x80 | ((c >> (6 * more)) & 0x3F)));
    }
}

/* digits of base from s[*i]; false if there are fewer than n. */
static bool escape_digits(struct str s, size_t *i, size_t n, int base, uint32_t *out)
{
    *out = 0;
    for (size_t k = 0; k < n; k++, (*i)++) {
        int c = *i < s.len ? (unsigned char)s.p[*i] : -1;
        int digit = is_digit(c) ? c - '0' : c >= 0 && isxdigit(c) ? (c | 0x20) - 'a' + 10 : 99;
        if (digit >= base) {
            return false;
        }
        *out = *out * (uint32_t)base + (uint32_t)digit;
    }
    return true;
}

/* s[*i] is what follows a backslash. */
static bool unescape(struct str s, size_t *i, char quote, struct buf *out)
{
    static const char names[] = "abfnrtv\\";
    static const char values[] = "\a\b\f\n\r\t\v\\";
    char c = s.p[(*i)++];
    const char *simple = c ? strchr(names, c) : NULL;
    uint32_t code;
    if (simple) {
        buf_add_char(out, values[simple - names]);
        return true;
    }
    if (c == quote) {
        buf_add_char(out, c);
        return true;
    }
    if (c == 'x' || is_digit(c)) {
        if (c != 'x') {
            (*i)--;
        }
        if (!escape_digits(s, i, c == 'x' ? 2 : 3, c == 'x' ? 16 : 8, &code) || code > 255) {
            return false;
        }
        buf_add_char(out, (char)code);
        return true;
    }
    if ((c != 'u' && c != 'U') || !escape_digits(s, i, c == 'u' ? 4 : 8, 16, &code) || code > 0x10FFFF ||
        (code >= 0xD800 && code < 0xE000)) {
        return false;
    }
    put_utf8(out, code);
    return true;
}

int token_unquote(const struct token *token, struct arena *arena, struct str *out, struct error *err)
{
    struct str s = str_slice(token->text, 1, token->text.len - 1);
    char quote = token->text.p[0];
    if (quote == '`' || str_find_char(s, '\\') < 0) {
        *out = arena_dup(arena, s);
        return 0;
    }
    auto_buf b;
    buf_init(&b, QUERY_STRING_MAX);
    for (size_t i = 0; i < s.len;) {
        char c = s.p[i++];
        if (c != '\\') {
            buf_add_char(&b, c);
        } else if (!unescape(s, &i, quote, &b)) {
            return error_set_at(err, ERR_PARSE, token->line, token->column,
                                "invalid escape sequence in the string: allowed are \\a \\b \\f \\n \\r \\t \\v \\\\ "
                                "\\%c \\NNN \\xNN \\uNNNN \\UNNNNNNNN",
                                quote);
        }
    }
    *out = arena_dup(arena, buf_str(&b));
    return 0;
}

struct str token_describe(const struct token *token, struct arena *arena)
{
    struct str text = str_slice(token->text, 0, utf8_cut(token->text, 60));
    switch (token->kind) {
    case TOKEN_END:
        return STR("end of input");
    case TOKEN_IDENT:
        return arena_printf(arena, "identifier \"" STR_FMT "\"", STR_ARG(text));
    case TOKEN_NUMBER:
        return arena_printf(arena, "number \"" STR_FMT "\"", STR_ARG(text));
    case TOKEN_DURATION:
        return arena_printf(arena, "duration \"" STR_FMT "\"", STR_ARG(text));
    case TOKEN_STRING:
        return arena_printf(arena, "string " STR_FMT, STR_ARG(text));
    default:
        return arena_printf(arena, "\"" STR_FMT "\"", STR_ARG(text));
    }
}
