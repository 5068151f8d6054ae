#include "src/base/regex_syntax.h"

#include "src/base/codec.h"

enum { REPEAT_MAX = 1000, SET_MAX = 65536 };

struct reader {
    struct str rest;
    struct buf *out;
    struct error *err;
    bool after_repeat; /* what was read last is a repetition: another one may not follow */
    bool repeatable;   /* something stands before that can be repeated */
};

static int refuse(struct reader *r, const char *what)
{
    return error_set(r->err, ERR_PARSE, "regular expression: %s", what);
}

static char peek(const struct reader *r, size_t at)
{
    return at < r->rest.len ? r->rest.p[at] : '\0';
}

static void skip(struct reader *r, size_t n)
{
    r->rest = str_slice(r->rest, n, r->rest.len);
}

static void pass(struct reader *r, size_t n)
{
    buf_add(r->out, str_slice(r->rest, 0, n));
    skip(r, n);
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_octal(char c)
{
    return c >= '0' && c <= '7';
}

static bool is_hex(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_one_of(char c, const char *set)
{
    return c != '\0' && strchr(set, c) != NULL;
}

/* \x7F or \x{10FFFF}; the digits pass, PCRE2 checks the range. */
static int read_hex_escape(struct reader *r)
{
    if (peek(r, 2) == '{') {
        size_t n = 3;
        while (is_hex(peek(r, n))) {
            n++;
        }
        if (n == 3 || n > 11 || peek(r, n) != '}') {
            return refuse(r, "\\x{...} needs hexadecimal digits and a closing '}'");
        }
        pass(r, n + 1);
        return 0;
    }
    if (!is_hex(peek(r, 2)) || !is_hex(peek(r, 3))) {
        return refuse(r, "\\x needs two hexadecimal digits");
    }
    pass(r, 4);
    return 0;
}

/* \0, \12, \123: PCRE2 takes some of these for back-references, so they become \x{...}. */
static int read_octal_escape(struct reader *r)
{
    if (peek(r, 1) != '0' && !is_octal(peek(r, 2))) {
        return refuse(r, "back-references (\\1) are not supported");
    }
    unsigned value = 0;
    size_t n = 1;
    for (; n < 4 && is_octal(peek(r, n)); n++) {
        value = value * 8 + (unsigned)(peek(r, n) - '0');
    }
    skip(r, n);
    buf_addf(r->out, "\\x{%x}", value);
    return 0;
}

/* \pL, \p{Greek}, \P{^Lu} */
static int read_property(struct reader *r)
{
    if (is_letter(peek(r, 2))) {
        pass(r, 3);
        return 0;
    }
    size_t n = 3 + (peek(r, 3) == '^');
    size_t start = n;
    while (is_letter(peek(r, n)) || peek(r, n) == '_') {
        n++;
    }
    if (peek(r, 2) != '{' || n == start || peek(r, n) != '}') {
        return refuse(r, "\\p needs a Unicode class, as in \\pL or \\p{Greek}");
    }
    pass(r, n + 1);
    return 0;
}

/* RE2's \s lacks the vertical tab that PCRE2's has; RE2's \v is the vertical tab alone. */
static bool read_rewritten(struct reader *r, char c, bool in_class)
{
    const char *text = NULL;
    switch (c) {
    case 's':
        text = in_class ? "\\t\\n\\f\\r\\x20" : "[\\t\\n\\f\\r\\x20]";
        break;
    case 'S':
        text = in_class ? "\\S\\x0b" : "[^\\t\\n\\f\\r\\x20]";
        break;
    case 'v':
        text = "\\x0b";
        break;
    default:
        return false;
    }
    buf_add(r->out, str_of(text));
    skip(r, 2);
    return true;
}

/* An escape, at the backslash. */
static int read_escape(struct reader *r, bool in_class)
{
    char c = peek(r, 1);
    if (r->rest.len < 2) {
        return refuse(r, "trailing backslash at the end");
    }
    if (read_rewritten(r, c, in_class)) {
        return 0;
    }
    if (is_one_of(c, in_class ? "dDwWaftnr" : "dDwWbBAzaftnr")) {
        pass(r, 2);
        return 0;
    }
    if (c == 'x') {
        return read_hex_escape(r);
    }
    if (c == 'p' || c == 'P') {
        return read_property(r);
    }
    if (is_octal(c)) {
        return read_octal_escape(r);
    }
    if ((unsigned char)c < 0x80 && !is_letter(c) && !is_digit(c)) { /* an escaped sign stands for itself */
        pass(r, 2);
        return 0;
    }
    return refuse(r, c == 'C' || c == 'K' || c == 'k' || c == 'g' || c == 'R' || c == 'X'
                         ? "this escape sequence is not supported (\\C \\K \\k \\g \\R \\X)"
                         : "invalid escape sequence (write \\\\ for a backslash)");
}

/* \Q...\E: the text between stands for itself; without \E, to the end. */
static void read_quotation(struct reader *r)
{
    skip(r, 2);
    ptrdiff_t end = str_find(r->rest, STR("\\E"));
    size_t n = end < 0 ? r->rest.len : (size_t)end;
    for (size_t i = 0; i < n; i++) {
        char c = r->rest.p[i];
        if ((unsigned char)c < 0x80 && !is_letter(c) && !is_digit(c)) {
            buf_addf(r->out, "\\x{%x}", (unsigned)(unsigned char)c);
        } else {
            buf_add_char(r->out, c);
        }
    }
    skip(r, n + (end < 0 ? 0 : 2));
    r->repeatable = r->repeatable || n > 0;
}

/* [:alpha:], [:^alpha:] at the '['; anything else that begins "[:" is a plain '['. */
static int read_posix_class(struct reader *r)
{
    static const char *const names[] = {"alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph",
                                        "lower", "print", "punct", "space", "upper", "word",  "xdigit"};
    ptrdiff_t end = str_find(r->rest, STR(":]"));
    if (end < 0) {
        buf_add(r->out, STR("\\["));
        skip(r, 1);
        return 0;
    }
    struct str name = str_slice(r->rest, 2, (size_t)end);
    if (name.len && name.p[0] == '^') {
        name = str_slice(name, 1, name.len);
    }
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (str_is(name, names[i])) {
            pass(r, (size_t)end + 2);
            return 0;
        }
    }
    return refuse(r, "unknown class in [[:...:]]");
}

static int read_class(struct reader *r)
{
    pass(r, 1);
    if (peek(r, 0) == '^') {
        pass(r, 1);
    }
    bool first = true;
    while (r->rest.len && (first || peek(r, 0) != ']')) {
        int rc = 0;
        char c = peek(r, 0);
        if (c == '\\') {
            rc = read_escape(r, true);
        } else if (c == '[' && peek(r, 1) == ':') {
            rc = read_posix_class(r);
        } else if (c == '[' || (c == ']' && first)) { /* PCRE2 also knows [. and [= */
            buf_addf(r->out, "\\%c", c);
            skip(r, 1);
        } else {
            pass(r, 1);
        }
        if (rc) {
            return rc;
        }
        first = false;
    }
    if (r->rest.len == 0) {
        return refuse(r, "'[' lacks its closing ']'");
    }
    pass(r, 1);
    return 0;
}

/* (?P<name> and (?<name>, at the '('. */
static int read_named_group(struct reader *r, size_t name_at)
{
    size_t n = name_at;
    while (is_letter(peek(r, n)) || is_digit(peek(r, n)) || peek(r, n) == '_') {
        n++;
    }
    if (n == name_at || is_digit(peek(r, name_at)) || peek(r, n) != '>') {
        return refuse(r, "a group's name must be letters, digits and '_', as in (?P<name>...)");
    }
    pass(r, n + 1);
    return 0;
}

static int read_group(struct reader *r)
{
    r->repeatable = false;
    if (peek(r, 1) == '*') {
        return refuse(r, "nothing stands before '*' (verbs such as (*ACCEPT) are not supported)");
    }
    if (peek(r, 1) != '?') {
        pass(r, 1);
        return 0;
    }
    char c = peek(r, 2), d = peek(r, 3);
    if (c == 'P' && d == '<') {
        return read_named_group(r, 4);
    }
    if (c == '=' || c == '!' || (c == '<' && (d == '=' || d == '!'))) {
        return refuse(r, "lookaround such as (?=...) is not supported");
    }
    if (c == '<') {
        return read_named_group(r, 3);
    }
    if (c == '>') {
        return refuse(r, "atomic groups (?>...) are not supported");
    }
    size_t n = 2;
    while (is_one_of(peek(r, n), "imsU")) {
        n++;
    }
    if (peek(r, n) == '-' && is_one_of(peek(r, n + 1), "imsU")) {
        n++;
        while (is_one_of(peek(r, n), "imsU")) {
            n++;
        }
    }
    if (peek(r, n) != ':' && peek(r, n) != ')') {
        return refuse(r, "this kind of group is not supported (only (...), (?:...), (?P<name>...) and flags i m s U)");
    }
    pass(r, n + 1);
    return 0;
}

/* Length of "{2}", "{2,}" or "{2,5}" at the front, 0 if it is plain text; -1 if a count is too large. */
static int repeat_length(const struct reader *r)
{
    size_t n = 1;
    bool too_large = false;
    for (int part = 0; part < 2; part++) {
        unsigned value = 0;
        size_t start = n;
        while (is_digit(peek(r, n))) {
            value = value * 10 + (unsigned)(peek(r, n++) - '0');
            value = value > REPEAT_MAX ? REPEAT_MAX + 1 : value;
        }
        too_large = too_large || value > REPEAT_MAX;
        if (part == 0 && n == start) {
            return 0;
        }
        if (peek(r, n) == '}') {
            return too_large ? -1 : (int)n + 1;
        }
        if (part == 1 || peek(r, n++) != ',') {
            return 0;
        }
    }
    return 0;
}

static int read_repeat(struct reader *r)
{
    int n = peek(r, 0) == '{' ? repeat_length(r) : 1;
    if (n == 0) {
        buf_add(r->out, STR("\\{"));
        skip(r, 1);
        r->repeatable = true;
        r->after_repeat = false;
        return 0;
    }
    if (n < 0) {
        return refuse(r, "a repetition count is larger than 1000");
    }
    if (r->after_repeat) {
        return refuse(r, "two repetitions in a row (possessive quantifiers are not supported)");
    }
    if (!r->repeatable) {
        return refuse(r, "nothing stands before a repetition (* + ? {n})");
    }
    pass(r, (size_t)n + (peek(r, (size_t)n) == '?'));
    r->after_repeat = true;
    return 0;
}

static int read_one(struct reader *r)
{
    char c = peek(r, 0);
    if (is_one_of(c, "*+?{")) {
        return read_repeat(r);
    }
    r->after_repeat = false;
    if (c == '(') {
        return read_group(r);
    }
    if (c == '\\' && peek(r, 1) == 'Q') {
        read_quotation(r);
        return 0;
    }
    r->repeatable = c != '|';
    if (c == '\\') {
        return read_escape(r, false);
    }
    if (c == '[') {
        return read_class(r);
    }
    pass(r, 1);
    return 0;
}

int regex_translate(struct str pattern, struct buf *out, struct error *err)
{
    struct reader r = {.rest = pattern, .out = out, .err = err};
    if (!utf8_valid(pattern)) {
        return refuse(&r, "not valid UTF-8");
    }
    while (r.rest.len) {
        int rc = read_one(&r);
        if (rc) {
            return rc;
        }
    }
    return out->failed ? refuse(&r, "too long") : 0;
}

/* Takes one literal byte off the front: a plain one or an escaped sign. */
static bool take_literal(struct str *s, char *out)
{
    if (s->len == 0 || is_one_of(s->p[0], "|()[]{}*+?.^$")) {
        return false;
    }
    if (s->p[0] != '\\') {
        *out = s->p[0];
        *s = str_slice(*s, 1, s->len);
        return true;
    }
    char c = s->len > 1 ? s->p[1] : 'x';
    if (is_letter(c) || is_digit(c) || (unsigned char)c >= 0x80) {
        return false;
    }
    *out = c;
    *s = str_slice(*s, 2, s->len);
    return true;
}

static bool is_repeat(struct str s)
{
    return s.len && is_one_of(s.p[0], "*+?{");
}

static struct str unwrap(struct str pattern, bool *captures)
{
    *captures = false;
    if (pattern.len < 2 || pattern.p[0] != '(' || pattern.p[pattern.len - 1] != ')') {
        return pattern;
    }
    if (str_starts(pattern, STR("(?:"))) {
        return str_slice(pattern, 3, pattern.len - 1);
    }
    *captures = true;
    return str_slice(pattern, 1, pattern.len - 1);
}

static int compare_texts(const void *a, const void *b)
{
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

static size_t sort_unique(struct str *v, size_t n)
{
    qsort(v, n, sizeof(*v), compare_texts);
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        if (kept == 0 || !str_eq(v[kept - 1], v[i])) {
            v[kept++] = v[i];
        }
    }
    return kept;
}

bool regex_as_set(struct str pattern, struct arena *arena, struct regex_set *out)
{
    struct regex_set set = {0};
    struct str rest = unwrap(pattern, &set.captures);
    if (!utf8_valid(pattern) || (rest.len && rest.p[rest.len - 1] == '\\' && rest.len != pattern.len)) {
        return false; /* "(a\)": the parenthesis was escaped */
    }
    size_t bars = 0;
    for (size_t i = 0; i < rest.len; i++) {
        bars += rest.p[i] == '|';
    }
    if (bars >= SET_MAX) {
        return false;
    }
    set.v = arena_array(arena, struct str, bars + 1);
    char *text = arena_alloc(arena, rest.len + 1);
    for (;;) {
        char *start = text;
        while (take_literal(&rest, text)) {
            text++;
        }
        set.v[set.n++] = str_make(start, (size_t)(text - start));
        if (rest.len == 0) {
            break;
        }
        if (rest.p[0] != '|') {
            return false;
        }
        rest = str_slice(rest, 1, rest.len);
    }
    set.n = sort_unique(set.v, set.n);
    *out = set;
    return true;
}

/* Whether a '|' stands outside all parentheses: then a match need not begin with the first literal. A bar within a
 * class or quotation counts too, which only costs the prefix. */
static bool has_outer_bar(struct str pattern)
{
    int depth = 0;
    for (size_t i = 0; i < pattern.len; i++) {
        char c = pattern.p[i];
        if (c == '\\') {
            i++;
        } else if (c == '(') {
            depth++;
        } else if (c == ')') {
            depth--;
        } else if (c == '|' && depth <= 0) {
            return true;
        }
    }
    return false;
}

struct str regex_prefix(struct str pattern, struct arena *arena, enum regex_tail *tail)
{
    struct str rest = pattern, none = {0};
    *tail = REGEX_TAIL_OTHER;
    /* '[' and \Q could hide parentheses from has_outer_bar(): then there is no prefix. */
    if (has_outer_bar(pattern) || (str_find_char(pattern, '|') >= 0 &&
                                   (str_find_char(pattern, '[') >= 0 || str_find(pattern, STR("\\Q")) >= 0))) {
        return none;
    }
    char *text = arena_alloc(arena, pattern.len + 1);
    size_t n = 0;
    while (rest.len) {
        struct str before = rest;
        if (!take_literal(&rest, &text[n])) {
            break;
        }
        if (is_repeat(rest)) { /* the character repeated may be absent: all its bytes go */
            while (n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80) {
                n--;
            }
            rest = before;
            break;
        }
        n++;
    }
    if (str_is(rest, ".*")) {
        *tail = REGEX_TAIL_ANY;
    } else if (str_is(rest, ".+")) {
        *tail = REGEX_TAIL_SOME;
    }
    return str_make(text, n);
}
