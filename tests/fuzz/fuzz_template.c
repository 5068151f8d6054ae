/* Templates: compiling and running any text ends, within the limits, and twice with the same result; an error has a
 * text, a compile error a position inside the text. */
#include "alerts/template.h"

#include <stdint.h>

static int query(void *ctx, struct str expr, struct arena *arena, struct tmpl_sample **out, size_t *n,
                 struct error *err)
{
    (void)ctx;
    if (expr.len > 64) {
        return error_set(err, ERR_PARSE, "too long");
    }
    *n = expr.len % 4;
    *out = arena_array(arena, struct tmpl_sample, 4);
    for (size_t i = 0; i < *n; i++) {
        (*out)[i].value = (double)i + 0.5;
    }
    return 0;
}

static int run(const struct template *tmpl, struct buf *out, struct error *err)
{
    auto_arena arena;
    arena_init(&arena);
    static const struct label pairs[] = {{{"instance", 8}, {"db:5432", 7}}, {{"job", 3}, {"<x>", 3}}};
    struct labels labels = {pairs, 2};
    struct tmpl_value vars[4] = {tmpl_labels(labels, true, &arena), tmpl_labels((struct labels){0}, false, &arena),
                                 tmpl_string(STR("http://c:9900")), tmpl_float(0.25)};
    struct tmpl_field fields[2] = {{STR("Labels"), vars[0]}, {STR("Value"), vars[3]}};
    struct tmpl_env env = {.arena = &arena,
                           .dot = tmpl_object(fields, 2, &arena),
                           .vars = vars,
                           .external_url = STR("http://c:9900"),
                           .now_ms = 1700000000000,
                           .query = query};
    return template_run(tmpl, &env, out, err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    auto_arena arena;
    auto_buf first, second;
    arena_init(&arena);
    buf_init(&first, 4 * TEMPLATE_OUTPUT_MAX);
    buf_init(&second, 4 * TEMPLATE_OUTPUT_MAX);
    struct str text = {(const char *)data, size};
    struct template *tmpl;
    struct error err = {0};
    if (template_compile(text, template_rule_vars, &arena, &tmpl, &err)) {
        if (!err.text[0] ||
            (size <= (64u << 10) && (err.line < 1 || err.column < 1 || (size_t)err.column > size + 4))) {
            abort();
        }
        return 0;
    }
    struct error one = {0}, two = {0};
    int rc = run(tmpl, &first, &one), again = run(tmpl, &second, &two);
    if (rc != again || (rc && !one.text[0]) || (!rc && !str_eq(buf_str(&first), buf_str(&second)))) {
        abort();
    }
    if (template_is_constant(tmpl) && (rc || !str_eq(buf_str(&first), text))) {
        abort(); /* text without actions stands for itself */
    }
    return 0;
}
