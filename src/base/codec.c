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

static int base64_value(char c)
{
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }
    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Writes the bytes of one group of four digits, of which the last `pad` are '='. */
static bool decode_group(const char *p, size_t pad, unsigned char *out)
{
    unsigned bits = 0;
    for (size_t i = 0; i < 4; i++) {
        int value = i < 4 - pad ? base64_value(p[i]) : 0;
        if (value < 0) {
            return false;
        }
        bits = bits << 6 | (unsigned)value;
    }
    if (bits & ((1u << (8 * pad)) - 1)) { /* bits that no encoder sets */
        return false;
    }
    out[0] = (unsigned char)(bits >> 16);
    out[1] = (unsigned char)(bits >> 8);
    out[2] = (unsigned char)bits;
    return true;
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
    for (size_t i = 0; i < in.len; i += 4, at += 3) {
        if (!decode_group(in.p + i, i + 4 == in.len ? pad : 0, (unsigned char *)at)) {
            out->p[start] = '\0';
            return false;
        }
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
