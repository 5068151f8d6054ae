/*
 * Aligned columns for a terminal.
 *
 * Widths are those of a terminal with UTF-8: wide characters take two cells, combining ones none, whatever the
 * process' locale is. Ownership: cells are borrowed until table_print().
 */
#pragma once
#include "src/base/arena.h"
#include "src/base/buf.h"
#include "src/base/vec.h"

/* Cells a text takes (text_width.c). */
size_t text_width(struct str text);
/* With control characters, turns of the direction of writing and bytes that are no UTF-8 as \n, \t, \x1b: foreign text
 * never commands a terminal. */
struct str text_visible(struct str text, struct arena *arena);

struct table {
    size_t columns, left;  /* the first `left` columns are aligned left, the others right */
    vec(struct str) cells; /* row by row */
};
void table_init(struct table *table, size_t columns, size_t left);
void table_release(struct table *table);
void table_add(struct table *table, struct str cell);
/* Cells of the widest row, with two between columns. */
size_t table_width(const struct table *table);
/* The text has no spaces at a line's end. */
void table_print(const struct table *table, struct buf *out);
#define auto_table __attribute__((cleanup(table_release))) struct table
