/* Rule files: a file is refused with at least one problem that has a text, or gives rules that are whole: with an
 * expression that parses again from its printed form, templates compiled, unique ids. */
#include "alerts/rule_file.h"

#include <stdint.h>

static void count(void *ctx, const struct error *problem)
{
    if (!problem->text[0] || !problem->code) {
        abort();
    }
    ++*(size_t *)ctx;
}

static void check_rule(const struct rule *rule)
{
    auto_arena arena;
    arena_init(&arena);
    struct expr *expr = NULL;
    struct error err = {0};
    if (!rule->name.len || !rule->expr || query_parse(rule->expr_text, &arena, &expr, &err)) {
        abort();
    }
    expr_release(expr);
    for (size_t i = 0; i < rule->annotation_count; i++) {
        if (!rule->annotations[i].tmpl ||
            (i && str_cmp(rule->annotations[i - 1].name, rule->annotations[i].name) >= 0)) {
            abort();
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t problems = 0;
    struct rule_file *file =
        rule_file_parse(STR("fuzz.yml"), (struct str){(const char *)data, size}, NULL, 0, count, &problems);
    if (!file != (problems > 0)) {
        abort();
    }
    for (size_t g = 0; file && g < file->count; g++) {
        for (size_t i = 0; i < file->groups[g].count; i++) {
            check_rule(&file->groups[g].rules[i]);
            if (i && file->groups[g].rules[i].id == file->groups[g].rules[i - 1].id) {
                abort();
            }
        }
    }
    rule_file_unref(file);
    return 0;
}
