/*
 * Cells of characters, and which are not for a terminal.
 *
 * Own tables, because the C library knows only its locale's characters, and a container may have none but "C". Source:
 * Unicode's EastAsianWidth.txt (W and F) and the combining blocks; ranges are rounded to blocks where what lies between
 * is not assigned or rare. A character that is missed moves a column by a cell.
 */
#include "src/base/codec.h"
#include "src/tool/table.h"

struct range {
    uint32_t first, last;
};

static const struct range wide[] = {
    {0x1100, 0x115f},   {0x231a, 0x231b},   {0x2329, 0x232a},   {0x23e9, 0x23ec},   {0x23f0, 0x23f0},
    {0x23f3, 0x23f3},   {0x25fd, 0x25fe},   {0x2614, 0x2615},   {0x2648, 0x2653},   {0x267f, 0x267f},
    {0x2693, 0x2693},   {0x26a1, 0x26a1},   {0x26aa, 0x26ab},   {0x26bd, 0x26be},   {0x26c4, 0x26c5},
    {0x26ce, 0x26ce},   {0x26d4, 0x26d4},   {0x26ea, 0x26ea},   {0x26f2, 0x26f3},   {0x26f5, 0x26f5},
    {0x26fa, 0x26fa},   {0x26fd, 0x26fd},   {0x2705, 0x2705},   {0x270a, 0x270b},   {0x2728, 0x2728},
    {0x274c, 0x274c},   {0x274e, 0x274e},   {0x2753, 0x2755},   {0x2757, 0x2757},   {0x2795, 0x2797},
    {0x27b0, 0x27b0},   {0x27bf, 0x27bf},   {0x2b1b, 0x2b1c},   {0x2b50, 0x2b50},   {0x2b55, 0x2b55},
    {0x2e80, 0x303e},   {0x3041, 0x3247},   {0x3250, 0x4dbf},   {0x4e00, 0xa4cf},   {0xa960, 0xa97f},
    {0xac00, 0xd7a3},   {0xf900, 0xfaff},   {0xfe10, 0xfe19},   {0xfe30, 0xfe6f},   {0xff01, 0xff60},
    {0xffe0, 0xffe6},   {0x16fe0, 0x18d08}, {0x1aff0, 0x1b2ff}, {0x1f004, 0x1f004}, {0x1f0cf, 0x1f0cf},
    {0x1f18e, 0x1f18e}, {0x1f191, 0x1f19a}, {0x1f200, 0x1f320}, {0x1f32d, 0x1f335}, {0x1f337, 0x1f37c},
    {0x1f37e, 0x1f393}, {0x1f3a0, 0x1f3ca}, {0x1f3cf, 0x1f3d3}, {0x1f3e0, 0x1f3f0}, {0x1f3f4, 0x1f3f4},
    {0x1f3f8, 0x1f43e}, {0x1f440, 0x1f440}, {0x1f442, 0x1f4fc}, {0x1f4ff, 0x1f53d}, {0x1f54b, 0x1f54e},
    {0x1f550, 0x1f567}, {0x1f57a, 0x1f57a}, {0x1f595, 0x1f596}, {0x1f5a4, 0x1f5a4}, {0x1f5fb, 0x1f64f},
    {0x1f680, 0x1f6c5}, {0x1f6cc, 0x1f6cc}, {0x1f6d0, 0x1f6d2}, {0x1f6d5, 0x1f6df}, {0x1f6eb, 0x1f6ec},
    {0x1f6f4, 0x1f6fc}, {0x1f7e0, 0x1f7f0}, {0x1f90c, 0x1f93a}, {0x1f93c, 0x1f945}, {0x1f947, 0x1f9ff},
    {0x1fa70, 0x1faff}, {0x20000, 0x3fffd},
};
static const struct range zero[] = {
    {0x0300, 0x036f}, {0x0483, 0x0489}, {0x0591, 0x05bd}, {0x0610, 0x061a}, {0x064b, 0x065f}, {0x0670, 0x0670},
    {0x06d6, 0x06dc}, {0x093c, 0x093c}, {0x0941, 0x0948}, {0x094d, 0x094d}, {0x0e31, 0x0e31}, {0x0e34, 0x0e3a},
    {0x0e47, 0x0e4e}, {0x1160, 0x11ff}, {0x1ab0, 0x1aff}, {0x1dc0, 0x1dff}, {0x200b, 0x200d}, {0x2060, 0x2064},
    {0x20d0, 0x20f0}, {0x302a, 0x302d}, {0x3099, 0x309a}, {0xfe00, 0xfe0f}, {0xfe20, 0xfe2f}, {0xe0100, 0xe01ef},
};
/* Control characters, line ends, and what turns the direction of writing. */
static const struct range unseen[] = {
    {0x00, 0x1f},     {0x7f, 0x9f},     {0x061c, 0x061c}, {0x200e, 0x200f},
    {0x2028, 0x202e}, {0x2066, 0x2069}, {0xfeff, 0xfeff}, {0xfff9, 0xfffb},
};

static bool in_ranges(const struct range *ranges, size_t n, uint32_t c)
{
    size_t low = 0;
    while (n > low) {
        size_t middle = (low + n) / 2;
        if (c > ranges[middle].last) {
            low = middle + 1;
        } else if (c < ranges[middle].first) {
            n = middle;
        } else {
            return true;
        }
    }
    return false;
}

#define IN(table, c) in_ranges(table, sizeof(table) / sizeof((table)[0]), c)

/* Bytes of the character s begins with; 0 if it begins none. */
static size_t decode(struct str s, uint32_t *c)
{
    static const unsigned char masks[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    size_t n = utf8_char(s);
    *c = n ? (unsigned char)s.p[0] & masks[n] : 0;
    for (size_t i = 1; i < n; i++) {
        *c = *c << 6 | ((unsigned char)s.p[i] & 0x3f);
    }
    return n;
}

size_t text_width(struct str text)
{
    size_t width = 0;
    for (size_t i = 0; i < text.len;) {
        uint32_t c;
        size_t n = decode(str_slice(text, i, text.len), &c);
        width += c < 0x300 ? 1 : IN(zero, c) ? 0 : IN(wide, c) ? 2 : 1;
        i += n ? n : 1;
    }
    return width;
}

struct str text_visible(struct str text, struct arena *arena)
{
    auto_buf out;
    buf_init(&out, 4 * text.len + 16);
    for (size_t i = 0; i < text.len;) {
        uint32_t c;
        size_t n = decode(str_slice(text, i, text.len), &c);
        if (n && !IN(unseen, c)) {
            buf_add_bytes(&out, text.p + i, n);
        } else if (c == '\n' || c == '\t' || c == '\r') {
            buf_add(&out, c == '\n' ? STR("\\n") : c == '\t' ? STR("\\t") : STR("\\r"));
        } else {
            n = n ? n : 1;
            for (size_t k = 0; k < n; k++) {
                buf_addf(&out, "\\x%02x", (unsigned char)text.p[i + k]);
            }
        }
        i += n;
    }
    return arena_dup(arena, buf_str(&out));
}
