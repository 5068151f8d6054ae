/* /api/v1/format_query and /api/v1/parse_query: an expression in one shape, and as a tree. */
#include "web/api/endpoints.h"
#include "web/api/run.h"

#define TEXT_MAX (64u << 20) /* deep trees are mostly indent when printed */

static void answer_tree(struct http_request *r, void (*write)(const struct expr *expr, struct buf *out), bool json)
{
    struct expr *expr = NULL;
    if (!run_parse(r, &expr)) {
        return;
    }
    auto_buf text;
    buf_init(&text, TEXT_MAX);
    write(expr, &text);
    expr_release(expr);
    if (text.failed) {
        prom_error(r, "execution", "the expression would be more than 64 MiB of text: it is nested too deeply");
        return;
    }
    struct answer a;
    answer_begin(&a, r);
    if (json) {
        json_raw(&a.w, buf_str(&text));
    } else {
        json_str(&a.w, buf_str(&text));
    }
    answer_end(&a, NULL, 0, NULL, 0);
}

void api_format_query(struct http_request *r, void *ctx)
{
    (void)ctx;
    answer_tree(r, expr_pretty, false);
}

void api_parse_query(struct http_request *r, void *ctx)
{
    (void)ctx;
    answer_tree(r, expr_to_json, true);
}
