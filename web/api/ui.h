/* What the endpoints under /api/ui share: JSON without an envelope; errors have the member "error". */
#pragma once
#include "web/api/prom.h"

void ui_error(struct http_request *r, int status, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* "name": text, or null when it is empty. */
void ui_text_or_null(struct json_writer *w, const char *name, struct str text);
/* "name": seconds from ms, or null for 0. */
void ui_time_or_null(struct json_writer *w, const char *name, int64_t ms);
/* A document of the board as it is, null when there is none. */
void ui_board_value(struct json_writer *w, struct board *board, const char *name);
/* Answers with what was written; 500 if it passed the buffer's maximum. */
void ui_answer(struct http_request *r, struct buf *json);
