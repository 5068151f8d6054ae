/* Small encodings: base64 (RFC 4648, padded; the reader skips nothing), random ids, FNV-1a, UTF-8. */
#pragma once
#include "src/base/arena.h"
#include "src/base/buf.h"

void base64_encode(struct str in, struct buf *out);
/* Appends the decoded bytes; false on a bad character, length or padding. */
bool base64_decode(struct str in, struct buf *out);
/* Random version-4 UUID text from getrandom(2). */
#define UUID_LEN 36
void uuid_random(char out[UUID_LEN + 1]);
uint64_t fnv1a64(uint64_t seed, struct str s);
#define FNV1A64_INIT 14695981039346656037ULL
bool utf8_valid(struct str s);
/* Length of the valid UTF-8 character at the start of s: 1..4, or 0 if there is none. */
size_t utf8_char(struct str s);
/* Length of the longest prefix of at most max bytes that ends between characters. */
size_t utf8_cut(struct str s, size_t max);
