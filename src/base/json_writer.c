#include "src/base/json_writer.h"

#include "src/base/codec.h"
#include "src/base/number.h"
#include "src/base/thread.h"

#include <math.h>

void json_init(struct json_writer *w, struct buf *out)
{
    *w = (struct json_writer){.out = out};
}

/* Before each value and key: a comma unless it is the first of its container or follows a key. */
static void separate(struct json_writer *w)
{
    if (w->after_key) {
        w->after_key = false;
        return;
    }
    if (w->comma[w->depth]) {
        buf_add_char(w->out, ',');
    }
    w->comma[w->depth] = true;
}

static void begin(struct json_writer *w, char c)
{
    separate(w);
    buf_add_char(w->out, c);
    invariant(w->depth < JSON_MAX_DEPTH);
    w->comma[++w->depth] = false;
}

static void end(struct json_writer *w, char c)
{
    invariant(w->depth > 0 && !w->after_key);
    w->depth--;
    buf_add_char(w->out, c);
}

void json_begin_object(struct json_writer *w)
{
    begin(w, '{');
}

void json_end_object(struct json_writer *w)
{
    end(w, '}');
}

void json_begin_array(struct json_writer *w)
{
    begin(w, '[');
}

void json_end_array(struct json_writer *w)
{
    end(w, ']');
}

static bool is_plain(unsigned char c)
{
    return c >= ' ' && c < 0x80 && c != '"' && c != '\\';
}

static void add_control(struct buf *out, unsigned char c)
{
    switch (c) {
    case '"':
    case '\\':
        buf_add_char(out, '\\');
        buf_add_char(out, (char)c);
        break;
    case '\n':
        buf_add(out, STR("\\n"));
        break;
    case '\r':
        buf_add(out, STR("\\r"));
        break;
    case '\t':
        buf_add(out, STR("\\t"));
        break;
    default:
        buf_addf(out, "\\u%04x", c);
    }
}

/* Bytes that stand for themselves, from the first on. */
static size_t plain_length(struct str s)
{
    size_t i = 0;
    for (; i + 8 <= s.len; i += 8) {
        unsigned plain = 1;
        for (size_t k = 0; k < 8; k++) {
            plain &= is_plain((unsigned char)s.p[i + k]);
        }
        if (!plain) {
            break;
        }
    }
    while (i < s.len && is_plain((unsigned char)s.p[i])) {
        i++;
    }
    return i;
}

static void add_escaped(struct buf *out, struct str s)
{
    size_t i = 0;
    while (i < s.len) {
        size_t plain = plain_length(str_slice(s, i, s.len));
        if (plain) {
            buf_add_bytes(out, s.p + i, plain);
            i += plain;
            continue;
        }
        unsigned char c = (unsigned char)s.p[i];
        size_t n = utf8_char(str_slice(s, i, s.len));
        if (c < 0x80) {
            add_control(out, c);
        } else if (n) {
            buf_add_bytes(out, s.p + i, n);
        } else {
            buf_add(out, STR("\xef\xbf\xbd")); /* U+FFFD */
        }
        i += n ? n : 1;
    }
    buf_add_char(out, '"');
}

static void add_string(struct buf *out, struct str s)
{
    char *at = buf_reserve(out, s.len + 2);
    if (!at) {
        return;
    }
    size_t plain = plain_length(s);
    *at = '"';
    if (plain) {
        memcpy(at + 1, s.p, plain);
    }
    out->len += plain + 1;
    if (plain < s.len) {
        add_escaped(out, str_slice(s, plain, s.len));
        return;
    }
    at[plain + 1] = '"';
    at[plain + 2] = '\0';
    out->len++;
}

void json_key(struct json_writer *w, struct str key)
{
    invariant(!w->after_key);
    separate(w);
    add_string(w->out, key);
    buf_add_char(w->out, ':');
    w->after_key = true;
}

void json_str(struct json_writer *w, struct str value)
{
    separate(w);
    add_string(w->out, value);
}

/* Two digits a division. */
static size_t format_uint(uint64_t value, char *end_of_digits)
{
    char *at = end_of_digits;
    while (value >= 10) {
        unsigned pair = (unsigned)(value % 100);
        value /= 100;
        *--at = (char)('0' + pair % 10);
        *--at = (char)('0' + pair / 10);
    }
    if (value || at == end_of_digits) {
        *--at = (char)('0' + value);
    }
    return (size_t)(end_of_digits - at);
}

static void add_int(struct buf *out, int64_t value)
{
    char digits[24], *end_of_digits = digits + sizeof(digits);
    size_t n = format_uint(value < 0 ? 0 - (uint64_t)value : (uint64_t)value, end_of_digits);
    if (value < 0) {
        buf_add_char(out, '-');
    }
    buf_add_bytes(out, end_of_digits - n, n);
}

void json_int(struct json_writer *w, int64_t value)
{
    separate(w);
    add_int(w->out, value);
}

void json_bool(struct json_writer *w, bool value)
{
    separate(w);
    buf_add(w->out, value ? STR("true") : STR("false"));
}

void json_nil(struct json_writer *w)
{
    separate(w);
    buf_add(w->out, STR("null"));
}

void json_double(struct json_writer *w, double value)
{
    if (!isfinite(value)) {
        json_nil(w);
        return;
    }
    char number[NUMBER_MAX];
    separate(w);
    buf_add_bytes(w->out, number, number_format(value, number));
}

void json_sample_value(struct json_writer *w, double value)
{
    char quoted[NUMBER_MAX + 2];
    size_t n = number_format(value, quoted + 1);
    quoted[0] = quoted[n + 1] = '"';
    separate(w);
    buf_add_bytes(w->out, quoted, n + 2);
}

/* Writes what ends at `end`; returns its length. */
static size_t format_seconds(int64_t ms, char *end)
{
    uint64_t size = ms < 0 ? 0 - (uint64_t)ms : (uint64_t)ms;
    unsigned fraction = (unsigned)(size % 1000);
    size_t n = 0;
    if (fraction) {
        end[-1] = (char)('0' + fraction % 10);
        end[-2] = (char)('0' + fraction / 10 % 10);
        end[-3] = (char)('0' + fraction / 100);
        end[-4] = '.';
        n = 4;
    }
    n += format_uint(size / 1000, end - n);
    if (ms < 0) {
        end[-(ptrdiff_t)++n] = '-';
    }
    return n;
}

#define SECONDS_MAX 24

void json_seconds(struct json_writer *w, int64_t ms)
{
    char text[SECONDS_MAX], *end_of_text = text + sizeof(text);
    size_t n = format_seconds(ms, end_of_text);
    separate(w);
    buf_add_bytes(w->out, end_of_text - n, n);
}

void json_seconds_text(int64_t ms, struct json_seconds_text *out)
{
    char text[SECONDS_MAX], *end_of_text = text + sizeof(text);
    out->len = (unsigned char)format_seconds(ms, end_of_text);
    memcpy(out->text, end_of_text - out->len, out->len);
}

static size_t format_kept(struct json_values *values, double value, char *out)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    size_t place = (size_t)((bits * 0x9e3779b97f4a7c15u) >> 55); /* the upper nine bits */
    uint8_t len = values->v[place].len;
    if (len && values->v[place].bits == bits) {
        memcpy(out, values->v[place].text, sizeof(values->v[place].text));
        return len;
    }
    size_t n = number_format(value, out);
    if (n <= sizeof(values->v[place].text)) {
        values->v[place].bits = bits;
        values->v[place].len = (uint8_t)n;
        memcpy(values->v[place].text, out, n);
    }
    return n;
}

/* In one piece: of a large answer nearly everything is points. */
void json_point_at(struct json_writer *w, const struct json_seconds_text *seconds, double value,
                   struct json_values *values)
{
    separate(w);
    char *at = buf_reserve(w->out, 1 + sizeof(seconds->text) + 2 + NUMBER_MAX + 2), *from = at;
    if (!at) {
        return;
    }
    *at++ = '[';
    memcpy(at, seconds->text, sizeof(seconds->text));
    at += seconds->len;
    memcpy(at, ",\"", 2);
    at += 2;
    at += values ? format_kept(values, value, at) : number_format(value, at);
    memcpy(at, "\"]", 2);
    w->out->len += (size_t)(at + 2 - from);
    w->out->p[w->out->len] = 0;
}

void json_point(struct json_writer *w, int64_t ms, double value)
{
    struct json_seconds_text seconds;
    json_seconds_text(ms, &seconds);
    json_point_at(w, &seconds, value, NULL);
}

void json_raw(struct json_writer *w, struct str json)
{
    separate(w);
    buf_add(w->out, json);
}
