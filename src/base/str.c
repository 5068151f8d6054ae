#include "src/base/str.h"

bool str_starts(struct str s, struct str prefix)
{
    return s.len >= prefix.len && (prefix.len == 0 || memcmp(s.p, prefix.p, prefix.len) == 0);
}

bool str_ends(struct str s, struct str suffix)
{
    return s.len >= suffix.len && (suffix.len == 0 || memcmp(s.p + s.len - suffix.len, suffix.p, suffix.len) == 0);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct str str_trim(struct str s)
{
    while (s.len && is_blank(s.p[0])) {
        s.p++;
        s.len--;
    }
    while (s.len && is_blank(s.p[s.len - 1])) {
        s.len--;
    }
    return s;
}

struct str str_slice(struct str s, size_t from, size_t to)
{
    to = to < s.len ? to : s.len;
    from = from < to ? from : to;
    return str_make(s.p ? s.p + from : NULL, to - from);
}

ptrdiff_t str_find_char(struct str s, char c)
{
    const char *at = s.len ? memchr(s.p, c, s.len) : NULL;
    return at ? at - s.p : -1;
}

ptrdiff_t str_find(struct str s, struct str needle)
{
    if (needle.len == 0) {
        return 0;
    }
    const char *at = s.len ? memmem(s.p, s.len, needle.p, needle.len) : NULL;
    return at ? at - s.p : -1;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

ptrdiff_t str_find_nocase(struct str s, struct str needle)
{
    for (size_t i = 0; i + needle.len <= s.len; i++) {
        size_t n = 0;
        while (n < needle.len && lower(s.p[i + n]) == lower(needle.p[n])) {
            n++;
        }
        if (n == needle.len) {
            return (ptrdiff_t)i;
        }
    }
    return -1;
}

struct str str_split(struct str *rest, char sep)
{
    ptrdiff_t at = str_find_char(*rest, sep);
    struct str part = at < 0 ? *rest : str_make(rest->p, (size_t)at);
    size_t used = at < 0 ? rest->len : (size_t)at + 1;
    *rest = str_slice(*rest, used, rest->len);
    return part;
}

bool str_to_uint64(struct str s, uint64_t *out)
{
    uint64_t value = 0;
    if (s.len == 0) {
        return false;
    }
    for (size_t i = 0; i < s.len; i++) {
        if (s.p[i] < '0' || s.p[i] > '9' || __builtin_mul_overflow(value, 10u, &value) ||
            __builtin_add_overflow(value, (uint64_t)(s.p[i] - '0'), &value)) {
            return false;
        }
    }
    *out = value;
    return true;
}

bool str_to_int64(struct str s, int64_t *out)
{
    bool negative = s.len && s.p[0] == '-';
    if (s.len && (negative || s.p[0] == '+')) {
        s = str_slice(s, 1, s.len);
    }
    uint64_t value;
    if (!str_to_uint64(s, &value) || value > (uint64_t)INT64_MAX + negative) {
        return false;
    }
    *out = negative ? (int64_t)(0 - value) : (int64_t)value;
    return true;
}
