/* Columns: widths of all rows first, spaces only where a text follows. */
#include "src/tool/table.h"

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
