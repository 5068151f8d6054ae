#include "src/tool/table.h"

#include <locale.h>
#include <wchar.h>
#include <wctype.h>

/* The C library knows widths, but only of a locale's characters; glibc has C.UTF-8 built in. */
static locale_t utf8_locale(void)
{
    static locale_t locale;
    if (!locale) {
        locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    }
    return locale;
}

/* Bytes of the character at p, at least one; *c is 0 for a byte that begins none. */
static size_t next_char(const char *p, size_t len, wchar_t *c)
{
    mbstate_t state = {0};
    size_t n = mbrtowc(c, p, len, &state);
    if (n == 0 || n > len) { /* NUL, bad or cut */
        *c = 0;
        return 1;
    }
    return n;
}

size_t text_width(struct str text)
{
    size_t width = 0;
    locale_t before = utf8_locale() ? uselocale(utf8_locale()) : (locale_t)0;
    for (size_t i = 0; i < text.len;) {
        wchar_t c;
        i += next_char(text.p + i, text.len - i, &c);
        int cells = c ? wcwidth(c) : 1;
        width += cells < 0 ? 1 : (size_t)cells;
    }
    if (before) {
        (void)uselocale(before);
    }
    return width;
}

static void add_visible(struct buf *out, const char *p, size_t n, wchar_t c)
{
    if (c == '\n' || c == '\t' || c == '\r') {
        buf_add(out, c == '\n' ? STR("\\n") : c == '\t' ? STR("\\t") : STR("\\r"));
    } else if (c && !iswcntrl((wint_t)c) && wcwidth(c) >= 0) {
        buf_add_bytes(out, p, n);
    } else {
        for (size_t i = 0; i < n; i++) {
            buf_addf(out, "\\x%02x", (unsigned char)p[i]);
        }
    }
}

struct str text_visible(struct str text, struct arena *arena)
{
    auto_buf out;
    buf_init(&out, 4 * text.len + 16);
    locale_t before = utf8_locale() ? uselocale(utf8_locale()) : (locale_t)0;
    for (size_t i = 0; i < text.len;) {
        wchar_t c;
        size_t n = next_char(text.p + i, text.len - i, &c);
        add_visible(&out, text.p + i, n, c);
        i += n;
    }
    if (before) {
        (void)uselocale(before);
    }
    return arena_dup(arena, buf_str(&out));
}

void table_init(struct table *table, size_t columns, size_t left)
{
    *table = (struct table){.columns = columns, .left = left};
}

void table_release(struct table *table)
{
    vec_release(&table->cells);
}

void table_add(struct table *table, struct str cell)
{
    vec_push(&table->cells, cell);
}

static size_t *column_widths(const struct table *table)
{
    size_t *widths = mem_zalloc(table->columns * sizeof(*widths));
    for (size_t i = 0; i < table->cells.len; i++) {
        size_t width = text_width(table->cells.p[i]);
        size_t *column = &widths[i % table->columns];
        *column = width > *column ? width : *column;
    }
    return widths;
}

size_t table_width(const struct table *table)
{
    size_t *widths = column_widths(table);
    size_t sum = 2 * (table->columns - 1);
    for (size_t i = 0; i < table->columns; i++) {
        sum += widths[i];
    }
    mem_free(widths);
    return sum;
}

static void add_spaces(struct buf *out, size_t n)
{
    static const char spaces[] = "                                ";
    for (size_t part; n > 0; n -= part) {
        part = n < sizeof(spaces) - 1 ? n : sizeof(spaces) - 1;
        buf_add_bytes(out, spaces, part);
    }
}

void table_print(const struct table *table, struct buf *out)
{
    size_t *widths = column_widths(table);
    size_t owed = 0; /* spaces, written when a text follows */
    for (size_t i = 0; i < table->cells.len; i++) {
        struct str cell = table->cells.p[i];
        size_t column = i % table->columns, pad = widths[column] - text_width(cell);
        bool left = column < table->left;
        owed += column ? 2 : 0;
        owed += left ? 0 : pad;
        if (cell.len) {
            add_spaces(out, owed);
            owed = 0;
            buf_add(out, cell);
        }
        owed += left ? pad : 0;
        if (column + 1 == table->columns) {
            buf_add_char(out, '\n');
            owed = 0;
        }
    }
    mem_free(widths);
}
