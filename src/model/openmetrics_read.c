#include "src/base/codec.h"
#include "src/base/number.h"
#include "src/model/openmetrics.h"

#include <limits.h>

#define TIME_MAX_MS  ((int64_t)1 << 52) /* what the store can file */
#define MS_AT_LEAST  100000000000LL     /* a whole number from here on is no time in seconds: the year 5138 */
#define NAN_DECIMALS 23                 /* three for milliseconds, twenty for the bits */
#define SHOWN_MAX    40                 /* bytes of foreign text in a message */

/* One line on its way. */
struct scan {
    struct str line;
    size_t at;
    int line_number;
    bool go_escapes;
    struct arena *arena; /* of unescaped texts */
    struct error *err;
};

static bool at_end(const struct scan *s)
{
    return s->at >= s->line.len;
}

static char peek(const struct scan *s)
{
    return at_end(s) ? '\0' : s->line.p[s->at];
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static void skip_space(struct scan *s)
{
    while (!at_end(s) && is_space(peek(s))) {
        s->at++;
    }
}

static bool skip_char(struct scan *s, char c)
{
    skip_space(s);
    if (at_end(s) || peek(s) != c) {
        return false;
    }
    s->at++;
    return true;
}

static int column_of(const struct scan *s, size_t at)
{
    int column = 1;
    for (size_t i = 0; i < at && i < s->line.len; i++) {
        column += ((unsigned char)s->line.p[i] & 0xc0) != 0x80;
    }
    return column;
}

static int fail_at(struct scan *s, size_t at, const char *text)
{
    return error_set_at(s->err, ERR_PARSE, s->line_number, column_of(s, at), "%s", text);
}

/* "text, not "what stands there"" */
static int expected(struct scan *s, size_t at, const char *text)
{
    struct str there = str_slice(s->line, at, s->line.len);
    if (there.len == 0) {
        return error_set_at(s->err, ERR_PARSE, s->line_number, column_of(s, at), "%s expected, the line ends here",
                            text);
    }
    there.len = utf8_cut(there, SHOWN_MAX);
    return error_set_at(s->err, ERR_PARSE, s->line_number, column_of(s, at), "%s expected, not \"" STR_FMT "\"", text,
                        STR_ARG(there));
}

/* -- quoted texts -- */

static int hex_digits(struct str s, size_t n, uint32_t *out)
{
    uint32_t value = 0;
    for (size_t i = 0; i < n; i++) {
        char c = i < s.len ? s.p[i] : '\0';
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit < 0) {
            return ERR_PARSE;
        }
        value = value << 4 | (uint32_t)digit;
    }
    *out = value;
    return 0;
}

static void add_code_point(uint32_t c, struct buf *out)
{
    if (c < 0x80) {
        buf_add_char(out, (char)c);
    } else if (c < 0x800) {
        buf_add_char(out, (char)(0xc0 | c >> 6));
        buf_add_char(out, (char)(0x80 | (c & 0x3f)));
    } else if (c < 0x10000) {
        buf_add_char(out, (char)(0xe0 | c >> 12));
        buf_add_char(out, (char)(0x80 | (c >> 6 & 0x3f)));
        buf_add_char(out, (char)(0x80 | (c & 0x3f)));
    } else {
        buf_add_char(out, (char)(0xf0 | (c >> 18 & 7)));
        buf_add_char(out, (char)(0x80 | (c >> 12 & 0x3f)));
        buf_add_char(out, (char)(0x80 | (c >> 6 & 0x3f)));
        buf_add_char(out, (char)(0x80 | (c & 0x3f)));
    }
}

/* s begins behind the backslash. Bytes taken; 0: no escape of Go's. */
static size_t add_go_escape(struct str s, struct buf *out)
{
    static const char letters[] = "abtnvfr"; /* \x07 to \x0d */
    char c = s.len ? s.p[0] : '\0';
    size_t digits = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
    uint32_t value = 0;
    if (digits) {
        if (hex_digits(str_slice(s, 1, s.len), digits, &value)) {
            return 0;
        }
        if (c == 'x') {
            buf_add_char(out, (char)value);
        } else {
            add_code_point(value, out);
        }
        return 1 + digits;
    }
    const char *letter = c ? strchr(letters, c) : NULL;
    if (!letter) {
        return 0;
    }
    buf_add_char(out, (char)(0x07 + (letter - letters)));
    return 1;
}

/* A backslash before anything else than these stands for itself. */
static void unescape(struct str s, bool quote, bool go, struct buf *out)
{
    for (size_t i = 0; i < s.len;) {
        char c = s.p[i++];
        char next = i < s.len ? s.p[i] : '\0';
        if (c != '\\') {
            buf_add_char(out, c);
        } else if (next == '\\' || (quote && next == '"')) {
            buf_add_char(out, next);
            i++;
        } else if (next == 'n') {
            buf_add_char(out, '\n');
            i++;
        } else {
            size_t n = go ? add_go_escape(str_slice(s, i, s.len), out) : 0;
            i += n;
            if (n == 0) {
                buf_add_char(out, '\\');
            }
        }
    }
}

/* Index of the closing quote; the scan stands behind the opening one. */
static size_t closing_quote(const struct scan *s)
{
    size_t i = s->at;
    while (i < s->line.len && s->line.p[i] != '"') {
        i += s->line.p[i] == '\\' ? 2 : 1;
    }
    return i;
}

static int scan_quoted(struct scan *s, struct str *out)
{
    size_t begin = s->at++;
    size_t end = closing_quote(s);
    if (end >= s->line.len) {
        return fail_at(s, begin, "a quoted text that does not end in this line");
    }
    struct str raw = str_slice(s->line, s->at, end);
    s->at = end + 1;
    if (memchr(raw.p, '\\', raw.len)) {
        auto_buf text;
        buf_init(&text, TEXT_LINE_MAX);
        unescape(raw, true, s->go_escapes, &text);
        raw = arena_dup(s->arena, buf_str(&text));
    }
    if (!utf8_valid(raw)) {
        return fail_at(s, begin, "a text that is not UTF-8");
    }
    *out = raw;
    return 0;
}

/* -- series -- */

static bool is_name_char(char c, bool first, bool colon)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (colon && c == ':') ||
           (!first && c >= '0' && c <= '9');
}

static int scan_bare_name(struct scan *s, bool colon, const char *what, struct str *out)
{
    size_t begin = s->at;
    while (!at_end(s) && is_name_char(peek(s), s->at == begin, colon)) {
        s->at++;
    }
    if (s->at == begin) {
        return expected(s, begin, what);
    }
    *out = str_slice(s->line, begin, s->at);
    return 0;
}

static int add_label(struct scan *s, size_t at, struct labels_builder *b, struct str name, struct str value)
{
    if (name.len == 0 || name.len > LABEL_NAME_MAX) {
        return fail_at(s, at, name.len ? "a name of more than 256 bytes" : "an empty name");
    }
    if (value.len > LABEL_VALUE_MAX) {
        return fail_at(s, at, "a label value of more than 4096 bytes");
    }
    for (uint32_t i = 0; i < b->n; i++) {
        if (str_eq(b->v[i].name, name)) {
            return fail_at(s, at, str_eq(name, METRIC_NAME) ? "a second metric name" : "a label name that was there");
        }
    }
    labels_set(b, name, value);
    return b->overflow ? fail_at(s, at, "more than 64 labels") : 0;
}

/* label="value", or a quoted metric name. */
static int scan_pair(struct scan *s, struct labels_builder *b)
{
    size_t begin = s->at;
    bool quoted = peek(s) == '"';
    struct str name, value;
    int rc = quoted ? scan_quoted(s, &name) : scan_bare_name(s, false, "a label name or '}'", &name);
    if (rc) {
        return rc;
    }
    if (!skip_char(s, '=')) {
        return quoted ? add_label(s, begin, b, METRIC_NAME, name) : expected(s, s->at, "'=' behind the label name");
    }
    skip_space(s);
    if (peek(s) != '"') {
        return expected(s, s->at, "a label value in double quotes");
    }
    rc = scan_quoted(s, &value);
    return rc ? rc : add_label(s, begin, b, name, value);
}

static int scan_braces(struct scan *s, struct labels_builder *b)
{
    for (;;) {
        if (skip_char(s, '}')) { /* also behind a last comma */
            return 0;
        }
        int rc = scan_pair(s, b);
        if (rc) {
            return rc;
        }
        if (!skip_char(s, ',')) {
            return skip_char(s, '}') ? 0 : expected(s, s->at, "',' or '}' behind the label");
        }
    }
}

/* A line of promtool's dump begins with a label, one with a quoted metric name with that. */
static bool looks_dumped(const struct scan *s)
{
    struct scan probe = *s;
    if (!skip_char(&probe, '{')) {
        return false;
    }
    skip_space(&probe);
    if (peek(&probe) == '"') {
        probe.at++;
        probe.at = closing_quote(&probe) + 1;
        return skip_char(&probe, '=');
    }
    return peek(&probe) != '}';
}

static int scan_series(struct scan *s, struct labels *out)
{
    struct labels_builder b;
    labels_builder_init(&b, s->arena);
    size_t begin = s->at;
    int rc = 0;
    if (peek(s) != '{') {
        struct str name;
        rc = scan_bare_name(s, true, "a metric name", &name);
        rc = rc ? rc : add_label(s, begin, &b, METRIC_NAME, name);
    }
    size_t end = s->at;
    if (rc == 0 && skip_char(s, '{')) {
        rc = scan_braces(s, &b);
        end = s->at;
    }
    if (rc) {
        return rc;
    }
    s->at = end; /* blanks before a '{' that is not there belong to what follows */
    *out = labels_finish(&b, true);
    return labels_get(*out, METRIC_NAME).len ? 0 : fail_at(s, begin, "a series without a metric name");
}

/* The series of the line before is not read again. */
static bool scan_same_series(struct text_reader *r, struct scan *s)
{
    struct str last = buf_str(&r->series);
    if (last.len == 0 || !str_starts(s->line, last) || s->line.len == last.len || s->line.p[last.len] != ' ') {
        return false;
    }
    size_t begin = s->at;
    s->at = last.len;
    skip_space(s);
    bool same = peek(s) != '{'; /* else that name has labels now */
    s->at = same ? last.len : begin;
    return same;
}

static int read_series(struct text_reader *r, struct scan *s, bool *same)
{
    *same = scan_same_series(r, s);
    if (*same) {
        return 0;
    }
    buf_clear(&r->series);
    arena_clear(&r->arena);
    int rc = scan_series(s, &r->labels);
    if (rc == 0) {
        buf_add(&r->series, str_slice(s->line, 0, s->at));
    }
    return rc;
}

/* -- value and time -- */

static struct str scan_word(struct scan *s)
{
    size_t begin = s->at;
    while (!at_end(s) && !is_space(peek(s))) {
        s->at++;
    }
    return str_slice(s->line, begin, s->at);
}

static int scan_value(struct scan *s, double *out)
{
    if (at_end(s) || !is_space(peek(s))) {
        return expected(s, s->at, "a blank and a value");
    }
    skip_space(s);
    size_t begin = s->at;
    struct str word = scan_word(s);
    if (word.len && word.p[0] == '{') {
        return fail_at(s, begin, "a native histogram: only plain values are taken");
    }
    return word.len && number_parse(word, out) ? 0 : expected(s, begin, "a value");
}

/* A time as it is written: [-]digits[.digits], or anything else that is a number. */
struct written_time {
    struct str whole, fraction; /* digits */
    bool negative, plain, has_point;
};

static struct written_time split_time(struct str word)
{
    struct written_time t = {.plain = true};
    t.negative = word.len && word.p[0] == '-';
    word = str_slice(word, t.negative || (word.len && word.p[0] == '+') ? 1 : 0, word.len);
    t.has_point = str_find_char(word, '.') >= 0;
    t.whole = str_split(&word, '.');
    t.fraction = word;
    for (size_t i = 0; i < t.whole.len + t.fraction.len; i++) {
        char c = i < t.whole.len ? t.whole.p[i] : t.fraction.p[i - t.whole.len];
        t.plain = t.plain && c >= '0' && c <= '9';
    }
    t.plain = t.plain && t.whole.len > 0;
    return t;
}

static bool in_range(double ms)
{
    return fabs(ms) <= (double)TIME_MAX_MS;
}

/* Exact where the text is plain; rounded to the nearest millisecond. */
static bool seconds_to_ms(struct str word, const struct written_time *t, int64_t *out)
{
    double approximate;
    if (!number_parse(word, &approximate) || !in_range(approximate * 1000)) {
        return false;
    }
    uint64_t whole;
    if (!t->plain || !str_to_uint64(t->whole, &whole)) {
        *out = llround(approximate * 1000);
        return true;
    }
    int64_t ms = 0;
    for (size_t i = 0; i < 3; i++) {
        ms = ms * 10 + (i < t->fraction.len ? t->fraction.p[i] - '0' : 0);
    }
    ms += (int64_t)whole * 1000 + (t->fraction.len > 3 && t->fraction.p[3] >= '5');
    *out = t->negative ? -ms : ms;
    return true;
}

static bool is_seconds(enum text_format format)
{
    return format == TEXT_OPENMETRICS;
}

/* Which of the two a time tells; TEXT_AUTO: neither. */
static enum text_format format_of(struct str word, const struct written_time *t)
{
    double v;
    if (!t->plain || t->has_point) {
        return TEXT_OPENMETRICS;
    }
    return number_parse(word, &v) && fabs(v) >= (double)MS_AT_LEAST ? TEXT_PROMETHEUS : TEXT_AUTO;
}

static int time_error(struct scan *s, size_t at, enum text_format format)
{
    return expected(s, at, is_seconds(format) ? "a time in seconds" : "a time in whole milliseconds");
}

/* The bits of a NaN may stand behind the milliseconds. */
static void take_nan_bits(const struct written_time *t, double *value)
{
    uint64_t bits;
    if (isnan(*value) && t->plain && t->fraction.len == NAN_DECIMALS &&
        str_to_uint64(str_slice(t->fraction, 3, NAN_DECIMALS), &bits) && isnan(sample_from_bits(bits))) {
        *value = sample_from_bits(bits);
    }
}

static int scan_time(struct text_reader *r, struct scan *s, struct text_line *out)
{
    skip_space(s);
    size_t begin = s->at;
    struct str word = scan_word(s);
    if (word.len == 0 || word.p[0] == '#') {
        return fail_at(s, begin, "a time is missing: each sample needs one here");
    }
    struct written_time t = split_time(word);
    enum text_format format = s->go_escapes ? TEXT_PROMETHEUS : r->format;
    if (format == TEXT_AUTO) {
        r->format = format = format_of(word, &t);
    }
    if (format == TEXT_AUTO) {
        return fail_at(s, begin,
                       "cannot tell whether times are seconds (OpenMetrics) or milliseconds (Prometheus): say which "
                       "with the format");
    }
    if (is_seconds(format)) {
        take_nan_bits(&t, &out->value);
        return seconds_to_ms(word, &t, &out->t_ms) ? 0 : time_error(s, begin, format);
    }
    bool fine = str_to_int64(word, &out->t_ms) && in_range((double)out->t_ms);
    return fine ? 0 : time_error(s, begin, format);
}

static int read_sample(struct text_reader *r, struct scan *s, struct text_line *out)
{
    s->arena = &r->arena;
    s->go_escapes = looks_dumped(s);
    int rc = read_series(r, s, &out->same_series);
    rc = rc ? rc : scan_value(s, &out->value);
    rc = rc ? rc : scan_time(r, s, out);
    if (rc) {
        return rc;
    }
    skip_space(s);
    if (!at_end(s) && peek(s) != '#') { /* an exemplar is passed over */
        return expected(s, s->at, "the end of the line or an exemplar (# {...})");
    }
    out->kind = TEXT_SAMPLE;
    out->labels = r->labels;
    return 0;
}

/* -- lines with a # -- */

static const struct {
    const char *name;
    enum metric_type type;
    enum text_format format; /* that has it; TEXT_AUTO: both */
} types[] = {
    {"counter", METRIC_COUNTER, TEXT_AUTO},
    {"gauge", METRIC_GAUGE, TEXT_AUTO},
    {"histogram", METRIC_HISTOGRAM, TEXT_AUTO},
    {"summary", METRIC_SUMMARY, TEXT_AUTO},
    {"untyped", METRIC_UNKNOWN, TEXT_PROMETHEUS},
    {"unknown", METRIC_UNKNOWN, TEXT_OPENMETRICS},
    {"info", METRIC_INFO, TEXT_OPENMETRICS},
    {"stateset", METRIC_GAUGE, TEXT_OPENMETRICS},
    {"gaugehistogram", METRIC_UNKNOWN, TEXT_OPENMETRICS},
};

static void decide(struct text_reader *r, enum text_format format)
{
    r->format = r->format == TEXT_AUTO ? format : r->format;
}

static int read_type(struct text_reader *r, struct scan *s, struct text_line *out)
{
    skip_space(s);
    size_t begin = s->at;
    struct str word = scan_word(s);
    skip_space(s);
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (str_is(word, types[i].name) && at_end(s)) {
            decide(r, types[i].format);
            out->kind = TEXT_TYPE;
            out->type = types[i].type;
            return 0;
        }
    }
    return expected(s, begin, "a metric type (counter, gauge, histogram, summary, info, unknown, ...)");
}

static int read_help(struct text_reader *r, struct scan *s, struct text_line *out)
{
    if (!at_end(s)) {
        s->at++; /* one blank */
    }
    struct str text = str_slice(s->line, s->at, s->line.len);
    if (!utf8_valid(text)) {
        return fail_at(s, s->at, "a text that is not UTF-8");
    }
    auto_buf plain;
    buf_init(&plain, TEXT_LINE_MAX);
    unescape(text, r->format != TEXT_PROMETHEUS, false, &plain);
    out->kind = TEXT_HELP;
    out->help = arena_dup(&r->help_arena, buf_str(&plain));
    return 0;
}

static int read_family_name(struct scan *s, struct str *out)
{
    skip_space(s);
    size_t begin = s->at;
    int rc = peek(s) == '"' ? scan_quoted(s, out) : scan_bare_name(s, true, "a metric name", out);
    if (rc == 0 && (out->len == 0 || out->len > LABEL_NAME_MAX)) {
        return fail_at(s, begin, out->len ? "a name of more than 256 bytes" : "an empty name");
    }
    return rc == 0 && !at_end(s) && !is_space(peek(s)) ? expected(s, s->at, "a blank behind the metric name") : rc;
}

static int read_comment(struct text_reader *r, struct scan *s, struct text_line *out)
{
    arena_clear(&r->help_arena);
    s->arena = &r->help_arena;
    s->at++;
    skip_space(s);
    struct str word = scan_word(s);
    if (str_is(word, "EOF")) {
        decide(r, TEXT_OPENMETRICS);
        out->kind = TEXT_EOF;
        return 0;
    }
    if (str_is(word, "UNIT")) {
        decide(r, TEXT_OPENMETRICS);
        return 0;
    }
    bool type = str_is(word, "TYPE");
    if (!type && !str_is(word, "HELP")) {
        return 0;
    }
    int rc = read_family_name(s, &out->name);
    return rc ? rc : type ? read_type(r, s, out) : read_help(r, s, out);
}

/* -- the reader -- */

void text_reader_init(struct text_reader *reader, enum text_format format)
{
    *reader = (struct text_reader){.format = format};
    arena_init(&reader->arena);
    arena_init(&reader->help_arena);
    buf_init(&reader->series, TEXT_LINE_MAX);
}

void text_reader_release(struct text_reader *reader)
{
    arena_release(&reader->arena);
    arena_release(&reader->help_arena);
    buf_release(&reader->series);
}

int text_reader_line(struct text_reader *reader, struct str line, struct text_line *out, struct error *err)
{
    reader->line += reader->line < INT_MAX;
    struct scan s = {.line = line, .line_number = reader->line, .err = err};
    struct text_line read = {0};
    int rc = 0;
    skip_space(&s);
    if (!at_end(&s)) {
        rc = peek(&s) == '#' ? read_comment(reader, &s, &read) : read_sample(reader, &s, &read);
    }
    if (rc == 0) {
        *out = read;
    }
    return rc;
}

static const char *const formats[] = {
    [TEXT_AUTO] = "auto", [TEXT_OPENMETRICS] = "openmetrics", [TEXT_PROMETHEUS] = "prometheus"};

const char *text_format_name(enum text_format format)
{
    return formats[format];
}

bool text_format_parse(struct str name, enum text_format *out)
{
    for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
        if (str_is(name, formats[i])) {
            *out = (enum text_format)i;
            return true;
        }
    }
    return false;
}
