#include "src/base/codec.h"

#include "src/base/thread.h"

#include <sys/random.h>

static const char base64_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_encode(struct str in, struct buf *out)
{
    const unsigned char *p = (const unsigned char *)in.p;
    char *at = buf_reserve(out, (in.len + 2) / 3 * 4);
    if (!at) {
        return;
    }
    for (size_t i = 0; i < in.len; i += 3) {
        size_t have = in.len - i;
        unsigned bits =
            (unsigned)p[i] << 16 | (have > 1 ? (unsigned)p[i + 1] << 8 : 0) | (have > 2 ? (unsigned)p[i + 2] : 0);
        *at++ = base64_digits[bits >> 18];
        *at++ = base64_digits[bits >> 12 & 63];
        *at++ = have > 1 ? base64_digits[bits >> 6 & 63] : '=';
        *at++ = have > 2 ? base64_digits[bits & 63] : '=';
    }
    *at = '\0';
    out->len = (size_t)(at - out->p);
}

/* Value of a digit plus one; 0: no digit. Events come in base64: a look-up per byte, one test per group. */
static const unsigned char base64_digit[256] = {
    ['A'] = 1,  ['B'] = 2,  ['C'] = 3,  ['D'] = 4,  ['E'] = 5,  ['F'] = 6,  ['G'] = 7,  ['H'] = 8,
    ['I'] = 9,  ['J'] = 10, ['K'] = 11, ['L'] = 12, ['M'] = 13, ['N'] = 14, ['O'] = 15, ['P'] = 16,
    ['Q'] = 17, ['R'] = 18, ['S'] = 19, ['T'] = 20, ['U'] = 21, ['V'] = 22, ['W'] = 23, ['X'] = 24,
    ['Y'] = 25, ['Z'] = 26, ['a'] = 27, ['b'] = 28, ['c'] = 29, ['d'] = 30, ['e'] = 31, ['f'] = 32,
    ['g'] = 33, ['h'] = 34, ['i'] = 35, ['j'] = 36, ['k'] = 37, ['l'] = 38, ['m'] = 39, ['n'] = 40,
    ['o'] = 41, ['p'] = 42, ['q'] = 43, ['r'] = 44, ['s'] = 45, ['t'] = 46, ['u'] = 47, ['v'] = 48,
    ['w'] = 49, ['x'] = 50, ['y'] = 51, ['z'] = 52, ['0'] = 53, ['1'] = 54, ['2'] = 55, ['3'] = 56,
    ['4'] = 57, ['5'] = 58, ['6'] = 59, ['7'] = 60, ['8'] = 61, ['9'] = 62, ['+'] = 63, ['/'] = 64,
};

/* Writes the bytes of one group of four digits, of which the last `pad` are '='. */
static bool decode_group(const unsigned char *p, size_t pad, unsigned char *out)
{
    unsigned bits = 0;
    for (size_t i = 0; i < 4; i++) {
        unsigned digit = i < 4 - pad ? base64_digit[p[i]] : 1;
        if (digit == 0) {
            return false;
        }
        bits = bits << 6 | (digit - 1);
    }
    if (bits & ((1u << (8 * pad)) - 1)) { /* bits that no encoder sets */
        return false;
    }
    out[0] = (unsigned char)(bits >> 16);
    out[1] = (unsigned char)(bits >> 8);
    out[2] = (unsigned char)bits;
    return true;
}

/* Groups without padding; a bad digit is noticed at the end only, so that the loop has no branch. */
static bool decode_groups(const unsigned char *p, size_t groups, unsigned char *out)
{
    bool good = true;
    for (size_t i = 0; i < groups; i++, p += 4, out += 3) {
        unsigned a = base64_digit[p[0]], b = base64_digit[p[1]], c = base64_digit[p[2]], d = base64_digit[p[3]];
        good &= a && b && c && d;
        unsigned bits = (a - 1) << 18 | (b - 1) << 12 | (c - 1) << 6 | (d - 1);
        out[0] = (unsigned char)(bits >> 16);
        out[1] = (unsigned char)(bits >> 8);
        out[2] = (unsigned char)bits;
    }
    return good;
}

bool base64_decode(struct str in, struct buf *out)
{
    if (in.len % 4 != 0) {
        return false;
    }
    size_t pad = in.len && in.p[in.len - 1] == '=' ? 1 + (in.p[in.len - 2] == '=') : 0;
    size_t start = out->len, size = in.len / 4 * 3 - pad;
    char *at = buf_reserve(out, size + pad); /* whole groups are written, the padding cut off after */
    if (!at) {
        return false;
    }
    const unsigned char *p = (const unsigned char *)in.p;
    size_t whole = in.len / 4 - (pad ? 1 : 0);
    bool good = decode_groups(p, whole, (unsigned char *)at);
    if (!good || (pad && !decode_group(p + 4 * whole, pad, (unsigned char *)at + 3 * whole))) {
        out->p[start] = '\0';
        return false;
    }
    out->len = start + size;
    out->p[out->len] = '\0';
    return true;
}

void uuid_random(char out[UUID_LEN + 1])
{
    static const char hex[] = "0123456789abcdef";
    unsigned char bytes[16];
    /* Up to 256 bytes come whole once the kernel's pool is initialised. */
    ssize_t n = getrandom(bytes, sizeof(bytes), 0);
    invariant(n == (ssize_t)sizeof(bytes));
    bytes[6] = (unsigned char)((bytes[6] & 0x0f) | 0x40);
    bytes[8] = (unsigned char)((bytes[8] & 0x3f) | 0x80);
    for (size_t i = 0; i < sizeof(bytes); i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10) {
            *out++ = '-';
        }
        *out++ = hex[bytes[i] >> 4];
        *out++ = hex[bytes[i] & 15];
    }
    *out = '\0';
}

uint64_t fnv1a64(uint64_t seed, struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        seed = (seed ^ (unsigned char)s.p[i]) * 1099511628211ULL;
    }
    return seed;
}

size_t utf8_char(struct str s)
{
    const unsigned char *p = (const unsigned char *)s.p;
    if (s.len == 0) {
        return 0;
    }
    unsigned char c = p[0];
    if (c < 0x80) {
        return 1;
    }
    size_t n = c >= 0xc2 && c <= 0xdf ? 2 : (c & 0xf0) == 0xe0 ? 3 : c >= 0xf0 && c <= 0xf4 ? 4 : 0;
    if (n == 0 || s.len < n) {
        return 0;
    }
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    /* Overlong forms, surrogates, beyond U+10FFFF. */
    if ((c == 0xe0 && p[1] < 0xa0) || (c == 0xed && p[1] > 0x9f) || (c == 0xf0 && p[1] < 0x90) ||
        (c == 0xf4 && p[1] > 0x8f)) {
        return 0;
    }
    return n;
}

bool utf8_valid(struct str s)
{
    size_t i = 0;
    while (i < s.len) {
        uint64_t word;
        while (s.len - i >= sizeof(word)) { /* nearly all text is ASCII */
            memcpy(&word, s.p + i, sizeof(word));
            if (word & 0x8080808080808080ULL) {
                break;
            }
            i += sizeof(word);
        }
        if (i == s.len) {
            break;
        }
        size_t n = utf8_char(str_slice(s, i, s.len));
        if (n == 0) {
            return false;
        }
        i += n;
    }
    return true;
}

size_t utf8_cut(struct str s, size_t max)
{
    if (s.len <= max) {
        return s.len;
    }
    size_t n = max;
    while (n > 0 && max - n < 3 && ((unsigned char)s.p[n] & 0xc0) == 0x80) {
        n--;
    }
    /* Only continuation bytes: no text, so anywhere is as good. */
    return ((unsigned char)s.p[n] & 0xc0) == 0x80 ? max : n;
}
