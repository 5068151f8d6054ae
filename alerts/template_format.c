/* printf, times and JSON as Go prints them. Source: documentation of Go's packages fmt and time. */
#include "alerts/template_internal.h"
#include "src/base/codec.h"
#include "src/base/json_writer.h"
#include "src/base/number.h"

#include <ctype.h>
#include <math.h>

#define WIDTH_MAX 1000 /* of a printf verb: hostile widths must not fill memory */

struct verb {
    bool minus, plus, space, zero, sharp;
    int width, precision; /* -1: none */
    char c;
};

static void pad(struct str s, const struct verb *verb, struct buf *out)
{
    size_t chars = 0;
    for (size_t i = 0; i < s.len; i++) {
        chars += ((unsigned char)s.p[i] & 0xc0) != 0x80;
    }
    size_t fill = verb->width > 0 && (size_t)verb->width > chars ? (size_t)verb->width - chars : 0;
    if (verb->minus) {
        buf_add(out, s);
    }
    for (size_t i = 0; i < fill; i++) {
        buf_add_char(out, ' ');
    }
    if (!verb->minus) {
        buf_add(out, s);
    }
}

/* C's printf does what Go's does for these, given the same flags. */
static void c_format(const struct verb *verb, const char *length, char conversion, char spec[32])
{
    char *p = spec;
    *p++ = '%';
    *p = '-';
    p += verb->minus;
    *p = '+';
    p += verb->plus;
    *p = ' ';
    p += verb->space;
    *p = '0';
    p += verb->zero && !verb->minus;
    *p = '#';
    p += verb->sharp;
    int n = 0;
    if (verb->width >= 0) {
        n = snprintf(p, 8, "%d", verb->width);
        p += n;
    }
    if (verb->precision >= 0) {
        n = snprintf(p, 8, ".%d", verb->precision);
        p += n;
    }
    snprintf(p, 8, "%s%c", length, conversion);
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
static void print_int(int64_t i, const struct verb *verb, struct buf *out)
{
    char spec[32];
    if (verb->c == 'x' || verb->c == 'X' || verb->c == 'o') {
        bool negative = i < 0;
        c_format(verb, "ll", verb->c, spec);
        if (negative) {
            buf_add_char(out, '-');
        }
        buf_addf(out, spec, negative ? -(unsigned long long)i : (unsigned long long)i);
    } else {
        c_format(verb, "ll", 'd', spec);
        buf_addf(out, spec, (long long)i);
    }
}

static void print_float(double f, const struct verb *verb, struct buf *out)
{
    char spec[32], number[NUMBER_MAX];
    struct verb plain = *verb;
    bool shortest = verb->precision < 0 && (verb->c == 'v' || verb->c == 'g' || verb->c == 'G');
    if (shortest || !isfinite(f)) {
        pad(str_make(number, number_format_g(f, number)), verb, out);
        return;
    }
    if (verb->precision < 0) {
        plain.precision = 6;
    }
    c_format(&plain, "", verb->c == 'v' ? 'g' : verb->c == 'F' ? 'f' : verb->c, spec);
    buf_addf(out, spec, f);
}
#pragma GCC diagnostic pop

static void quote(struct str s, struct buf *out)
{
    buf_add_char(out, '"');
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c == '"' || c == '\\') {
            buf_addf(out, "\\%c", c);
        } else if (c == '\n') {
            buf_add(out, STR("\\n"));
        } else if (c == '\t') {
            buf_add(out, STR("\\t"));
        } else if (c == '\r') {
            buf_add(out, STR("\\r"));
        } else if (c < 0x20 || c == 0x7f) {
            buf_addf(out, "\\x%02x", c);
        } else {
            buf_add_char(out, (char)c);
        }
    }
    buf_add_char(out, '"');
}

static struct str cut_chars(struct str s, int max)
{
    size_t i = 0;
    for (int chars = 0; i < s.len; i++) {
        if (((unsigned char)s.p[i] & 0xc0) != 0x80 && chars++ == max) {
            break;
        }
    }
    return str_slice(s, 0, i);
}

static void print_text(struct tmpl_value v, const struct verb *verb, struct buf *out)
{
    auto_buf text;
    buf_init(&text, TEMPLATE_OUTPUT_MAX);
    if (v.kind == TMPL_STRING && (verb->c == 'x' || verb->c == 'X')) {
        for (size_t i = 0; i < v.s.len; i++) {
            buf_addf(&text, verb->c == 'x' ? "%02x" : "%02X", (unsigned char)v.s.p[i]);
        }
    } else if (v.kind == TMPL_STRING && verb->c == 'q') {
        quote(v.s, &text);
    } else {
        tmpl_print(v, &text);
    }
    struct str s = buf_str(&text);
    pad(verb->precision >= 0 && verb->c == 's' ? cut_chars(s, verb->precision) : s, verb, out);
}

static bool verb_fits(struct tmpl_value v, char c)
{
    switch (v.kind) {
    case TMPL_BOOL:
        return c == 't' || c == 'v';
    case TMPL_INT:
        return strchr("dvxXoc", c) != NULL;
    case TMPL_FLOAT:
        return strchr("eEfFgGv", c) != NULL;
    case TMPL_STRING:
        return strchr("svqxX", c) != NULL;
    default:
        return c == 's' || c == 'v';
    }
}

static void print_verb(struct tmpl_value v, const struct verb *verb, struct buf *out)
{
    if (!verb_fits(v, verb->c)) { /* "%!d(float64=3)": what Go prints */
        buf_addf(out, "%%!%c(", verb->c);
        if (v.kind == TMPL_NIL) {
            buf_add(out, STR("<nil>)"));
            return;
        }
        buf_addf(out, "%s=", tmpl_type_name(v));
        tmpl_print(v, out);
        buf_add_char(out, ')');
    } else if (v.kind == TMPL_INT) {
        print_int(v.i, verb, out);
    } else if (v.kind == TMPL_FLOAT) {
        print_float(v.f, verb, out);
    } else {
        print_text(v, verb, out);
    }
}

static int read_number(struct str format, size_t *i)
{
    int n = 0;
    while (*i < format.len && isdigit((unsigned char)format.p[*i])) {
        n = n < WIDTH_MAX ? n * 10 + (format.p[*i] - '0') : n;
        (*i)++;
    }
    return n < WIDTH_MAX ? n : WIDTH_MAX;
}

static size_t read_verb(struct str format, size_t i, struct verb *verb)
{
    *verb = (struct verb){.width = -1, .precision = -1};
    for (; i < format.len; i++) {
        char c = format.p[i];
        bool *flag = c == '-'   ? &verb->minus
                     : c == '+' ? &verb->plus
                     : c == ' ' ? &verb->space
                     : c == '0' ? &verb->zero
                     : c == '#' ? &verb->sharp
                                : NULL;
        if (!flag) {
            break;
        }
        *flag = true;
    }
    if (i < format.len && isdigit((unsigned char)format.p[i])) {
        verb->width = read_number(format, &i);
    }
    if (i < format.len && format.p[i] == '.') {
        i++;
        verb->precision = read_number(format, &i);
    }
    verb->c = i < format.len ? format.p[i] : '\0';
    return i;
}

void tmpl_printf(struct str format, const struct tmpl_value *args, size_t n, struct buf *out)
{
    size_t used = 0;
    for (size_t i = 0; i < format.len && !out->failed; i++) {
        if (format.p[i] != '%') {
            buf_add_char(out, format.p[i]);
            continue;
        }
        struct verb verb;
        i = read_verb(format, i + 1, &verb);
        if (!verb.c) {
            buf_add(out, STR("%!(NOVERB)"));
        } else if (verb.c == '%') {
            buf_add_char(out, '%');
        } else if (used == n) {
            buf_addf(out, "%%!%c(MISSING)", verb.c);
        } else {
            print_verb(args[used++], &verb, out);
        }
    }
    if (used < n) {
        buf_add(out, STR("%!(EXTRA "));
        for (size_t i = used; i < n; i++) {
            buf_addf(out, "%s%s=", i > used ? ", " : "", tmpl_type_name(args[i]));
            tmpl_print(args[i], out);
        }
        buf_add_char(out, ')');
    }
}

void tmpl_time_string(int64_t wall_ms, struct buf *out)
{
    tmpl_time_format(wall_ms, STR("2006-01-02 15:04:05.999 -0700 MST"), out);
}

static const char *const months[] = {"January", "February", "March",     "April",   "May",      "June",
                                     "July",    "August",   "September", "October", "November", "December"};
static const char *const days[] = {"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"};

enum time_part {
    T_YEAR4,
    T_YEAR2,
    T_MONTH,
    T_MON,
    T_MONTH02,
    T_MONTH2,
    T_DAY02,
    T_DAY_2,
    T_DAY2,
    T_WEEKDAY,
    T_WDAY,
    T_HOUR24,
    T_HOUR03,
    T_HOUR3,
    T_MIN04,
    T_MIN4,
    T_SEC05,
    T_SEC5,
    T_PM,
    T_pm,
    T_ZONE,
    T_Z0700,
    T_OFF,
    T_OFF_COLON
};
/* Longest first where one is the beginning of another. */
static const struct {
    const char *text;
    enum time_part part;
} layout_parts[] = {
    {"2006", T_YEAR4}, {"January", T_MONTH},    {"Jan", T_MON},   {"Monday", T_WEEKDAY}, {"Mon", T_WDAY},
    {"MST", T_ZONE},   {"-07:00", T_OFF_COLON}, {"-0700", T_OFF}, {"Z07:00", T_Z0700},   {"01", T_MONTH02},
    {"02", T_DAY02},   {"03", T_HOUR03},        {"04", T_MIN04},  {"05", T_SEC05},       {"06", T_YEAR2},
    {"15", T_HOUR24},  {"_2", T_DAY_2},         {"PM", T_PM},     {"pm", T_pm},          {"1", T_MONTH2},
    {"2", T_DAY2},     {"3", T_HOUR3},          {"4", T_MIN4},    {"5", T_SEC5},
};

static void add_time_part(enum time_part part, const struct tm *tm, struct buf *out)
{
    int hour12 = tm->tm_hour % 12 ? tm->tm_hour % 12 : 12;
    switch (part) {
    case T_YEAR4:
        buf_addf(out, "%04d", tm->tm_year + 1900);
        break;
    case T_YEAR2:
        buf_addf(out, "%02d", tm->tm_year % 100);
        break;
    case T_MONTH:
        buf_add(out, str_of(months[tm->tm_mon]));
        break;
    case T_MON:
        buf_add_bytes(out, months[tm->tm_mon], 3);
        break;
    case T_MONTH02:
        buf_addf(out, "%02d", tm->tm_mon + 1);
        break;
    case T_MONTH2:
        buf_addf(out, "%d", tm->tm_mon + 1);
        break;
    case T_DAY02:
        buf_addf(out, "%02d", tm->tm_mday);
        break;
    case T_DAY_2:
        buf_addf(out, "%2d", tm->tm_mday);
        break;
    case T_DAY2:
        buf_addf(out, "%d", tm->tm_mday);
        break;
    case T_WEEKDAY:
        buf_add(out, str_of(days[tm->tm_wday]));
        break;
    case T_WDAY:
        buf_add_bytes(out, days[tm->tm_wday], 3);
        break;
    case T_HOUR24:
        buf_addf(out, "%02d", tm->tm_hour);
        break;
    case T_HOUR03:
        buf_addf(out, "%02d", hour12);
        break;
    case T_HOUR3:
        buf_addf(out, "%d", hour12);
        break;
    case T_MIN04:
        buf_addf(out, "%02d", tm->tm_min);
        break;
    case T_MIN4:
        buf_addf(out, "%d", tm->tm_min);
        break;
    case T_SEC05:
        buf_addf(out, "%02d", tm->tm_sec);
        break;
    case T_SEC5:
        buf_addf(out, "%d", tm->tm_sec);
        break;
    case T_PM:
        buf_add(out, tm->tm_hour < 12 ? STR("AM") : STR("PM"));
        break;
    case T_pm:
        buf_add(out, tm->tm_hour < 12 ? STR("am") : STR("pm"));
        break;
    case T_ZONE:
        buf_add(out, STR("UTC"));
        break;
    case T_Z0700:
        buf_add_char(out, 'Z');
        break;
    case T_OFF:
        buf_add(out, STR("+0000"));
        break;
    case T_OFF_COLON:
        buf_add(out, STR("+00:00"));
        break;
    }
}

/* ".000" and ".999" behind the seconds: fixed digits, or without trailing zeros. Returns the bytes of layout used. */
static size_t add_fraction(struct str layout, int ms, struct buf *out)
{
    size_t n = 1;
    while (n < layout.len && n < 10 && layout.p[n] == layout.p[1]) {
        n++;
    }
    char digits[16];
    snprintf(digits, sizeof(digits), "%03d000000", ms);
    size_t used = n - 1;
    while (layout.p[1] == '9' && used && digits[used - 1] == '0') {
        used--;
    }
    if (used) {
        buf_add_char(out, '.');
        buf_add_bytes(out, digits, used);
    }
    return n;
}

void tmpl_time_format(int64_t wall_ms, struct str layout, struct buf *out)
{
    int64_t s = wall_ms / 1000, ms = wall_ms % 1000;
    if (ms < 0) {
        ms += 1000;
        s--;
    }
    time_t t = (time_t)s;
    struct tm tm;
    if (!gmtime_r(&t, &tm)) {
        return;
    }
    for (size_t i = 0; i < layout.len && !out->failed;) {
        struct str rest = str_slice(layout, i, layout.len);
        if (rest.len > 1 && rest.p[0] == '.' && (rest.p[1] == '0' || rest.p[1] == '9')) {
            i += add_fraction(rest, (int)ms, out);
            continue;
        }
        size_t k = 0, parts = sizeof(layout_parts) / sizeof(layout_parts[0]);
        while (k < parts && !str_starts(rest, str_of(layout_parts[k].text))) {
            k++;
        }
        if (k < parts) {
            add_time_part(layout_parts[k].part, &tm, out);
            i += strlen(layout_parts[k].text);
        } else {
            buf_add_char(out, layout.p[i++]);
        }
    }
}

static void json_value(struct tmpl_value v, struct json_writer *w, int depth)
{
    auto_buf text = {0};
    if (depth > 16) {
        json_nil(w);
        return;
    }
    switch (v.kind) {
    case TMPL_NIL:
        json_nil(w);
        break;
    case TMPL_BOOL:
        json_bool(w, v.b);
        break;
    case TMPL_INT:
        json_int(w, v.i);
        break;
    case TMPL_FLOAT:
        json_double(w, v.f);
        break;
    case TMPL_STRING:
        json_str(w, v.s);
        break;
    case TMPL_TIME:
        buf_init(&text, 64);
        tmpl_time_format(v.i, STR("2006-01-02T15:04:05.999Z07:00"), &text);
        json_str(w, buf_str(&text));
        break;
    case TMPL_LIST:
        json_begin_array(w);
        for (size_t i = 0; i < v.list->n; i++) {
            json_value(v.list->v[i], w, depth + 1);
        }
        json_end_array(w);
        break;
    case TMPL_MAP:
    case TMPL_OBJECT:
        json_begin_object(w);
        for (size_t i = 0; i < v.map->n; i++) {
            json_key(w, v.map->v[i].key);
            json_value(v.map->v[i].value, w, depth + 1);
        }
        json_end_object(w);
        break;
    }
}

void tmpl_json(struct tmpl_value v, struct buf *out)
{
    struct json_writer w;
    json_init(&w, out);
    json_value(v, &w, 0);
}
