/* A parse error's place in the query. */
#include "src/base/vec.h"
#include "src/tool/query_print.h"
#include "src/tool/table.h"

#define SHOWN_BEFORE 60 /* characters of a long line on either side of the place */

/* "line:column: " before "parse error: " */
static bool read_place(struct str text, int64_t *line, int64_t *column)
{
    struct str rest = text, first = str_split(&rest, ':');
    struct str second = str_split(&rest, ':');
    return str_to_int64(first, line) && str_to_int64(second, column) && *line > 0 && *column > 0;
}

static struct str line_of(struct str text, int64_t line)
{
    struct str rest = text, out = str_split(&rest, '\n');
    while (--line > 0 && rest.len) {
        out = str_split(&rest, '\n');
    }
    return out;
}

/* Byte offset of the n-th character, counted from 0; the end where there are fewer. */
static size_t char_offset(struct str s, int64_t n)
{
    size_t i = 0;
    for (; i < s.len && n > 0; n--) {
        do {
            i++;
        } while (i < s.len && ((unsigned char)s.p[i] & 0xc0) == 0x80);
    }
    return i;
}

static void point_at(struct str line, int64_t column, struct buf *out)
{
    auto_arena arena;
    arena_init(&arena);
    int64_t from = column > SHOWN_BEFORE ? column - SHOWN_BEFORE : 0;
    size_t begin = char_offset(line, from), at = char_offset(line, column - 1);
    size_t end = char_offset(line, column - 1 + SHOWN_BEFORE);
    begin = begin < at ? begin : at;
    struct str before = text_visible(str_slice(line, begin, at), &arena);
    struct str behind = text_visible(str_slice(line, at, end), &arena);
    buf_addf(out, "\n  %s" STR_FMT STR_FMT "%s\n  ", begin ? "…" : "", STR_ARG(before), STR_ARG(behind),
             end < line.len ? "…" : "");
    for (size_t i = text_width(before) + (begin ? 1 : 0); i > 0; i--) {
        buf_add_char(out, ' ');
    }
    buf_add_char(out, '^');
}

bool query_print_error(struct str expr, struct str text, struct buf *out)
{
    auto_arena arena;
    arena_init(&arena);
    const struct str parameter = STR("invalid parameter \"query\": ");
    if (str_starts(text, parameter)) {
        text = str_slice(text, parameter.len, text.len);
    }
    int64_t line, column;
    bool parse = str_find(text, STR("parse error: ")) >= 0;
    buf_add(out, text_visible(text, &arena));
    if (parse && read_place(text, &line, &column)) {
        point_at(line_of(expr, line), column, out);
    }
    buf_add_char(out, '\n');
    return parse;
}
