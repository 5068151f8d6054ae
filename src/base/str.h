/*
 * Borrowed text: pointer and length, passed by value, not NUL-terminated.
 *
 * Ownership: none; the bytes belong to whoever made them (arena, buf, LMDB map, literal).
 * Threads:   as the bytes.
 * A str with len 0 may have p == NULL. Bytes are not required to be UTF-8 (see utf8.h).
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct str {
    const char *p;
    size_t len;
};

#define STR(literal) ((struct str){"" literal, sizeof(literal) - 1})
#define STR_FMT      "%.*s"
#define STR_ARG(s)   (int)(s).len, (s).p ? (s).p : ""

static inline struct str str_of(const char *cstr) /* NULL gives the empty str */
{
    return (struct str){cstr, cstr ? strlen(cstr) : 0};
}

static inline struct str str_make(const char *p, size_t len)
{
    return (struct str){p, len};
}

static inline bool str_eq(struct str a, struct str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.p, b.p, a.len) == 0);
}

static inline bool str_is(struct str a, const char *cstr)
{
    return str_eq(a, str_of(cstr));
}

/* memcmp order, shorter first on a common prefix: the order of label names and values. Of series that are compared most
 * labels are the same text at the same place. */
static inline int str_cmp(struct str a, struct str b)
{
    size_t n = a.len < b.len ? a.len : b.len;
    int c = n && a.p != b.p ? memcmp(a.p, b.p, n) : 0;
    return c ? c : (a.len > b.len) - (a.len < b.len);
}

bool str_starts(struct str s, struct str prefix);
bool str_ends(struct str s, struct str suffix);
struct str str_trim(struct str s);                          /* spaces, tabs, CR, LF at both ends */
struct str str_slice(struct str s, size_t from, size_t to); /* clamped to s */
/* Index of the first occurrence, or -1. */
ptrdiff_t str_find_char(struct str s, char c);
ptrdiff_t str_find(struct str s, struct str needle);
ptrdiff_t str_find_nocase(struct str s, struct str needle); /* ASCII case folding only */
/* Takes the part of *rest before `sep` (all of it if there is none) and moves *rest behind it. */
struct str str_split(struct str *rest, char sep);
/* Whole text must be a number in range; false leaves *out alone. */
bool str_to_int64(struct str s, int64_t *out);
bool str_to_uint64(struct str s, uint64_t *out);
