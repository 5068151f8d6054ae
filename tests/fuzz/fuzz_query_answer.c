/*
 * A byte that chooses the shape, then a server's answer: it is refused, or printed in that shape; as JSON it reads back
 * to the same print. Any text is a place in a query or a time, too.
 */
#include "src/tool/query_print.h"
#include "src/tool/query_when.h"
#include "web/api/param.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void reads_back(struct str json, struct arena *arena)
{
    const struct query_view view = {.format = FORMAT_JSON};
    struct query_result again;
    auto_buf out;
    buf_init(&out, 1 << 24);
    if (!query_answer_read(json, arena, &again)) {
        abort();
    }
    query_print(&again, &view, &out);
    if (!out.failed && !str_eq(buf_str(&out), json)) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1) {
        return 0;
    }
    struct query_view view = {.format = (enum query_format)(data[0] % 5),
                              .header = data[0] & 0x80,
                              .width = 1 + (data[0] & 0x7f),
                              .start_ms = 0,
                              .end_ms = 600000,
                              .step_ms = data[0] % 3 ? 15000 : 0};
    struct str text = str_make((const char *)data + 1, size - 1);
    auto_arena arena;
    arena_init(&arena);
    auto_buf out, said;
    buf_init(&out, 1 << 24);
    buf_init(&said, 1 << 24);
    struct query_result result;
    if (query_answer_read(text, &arena, &result)) {
        query_print(&result, &view, &out);
        if (view.format == FORMAT_JSON && !out.failed) {
            reads_back(buf_str(&out), &arena);
        }
    }
    int64_t ms;
    (void)query_print_error(text, text, &said);
    if (when_parse(text, 0, &ms, NULL) == 0 && (ms < TIME_MIN_MS || ms > TIME_MAX_MS)) {
        abort();
    }
    return 0;
}
