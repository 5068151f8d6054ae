/* Any bytes as YAML: a tree with places inside the text, or an error with a place. */
#include "config/option.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void walk(const struct yaml_node *node, int depth)
{
    if (node->line < 1 || node->column < 1 || depth > 40) {
        abort();
    }
    for (size_t i = 0; i < node->count; i++) {
        walk(&node->items[i], depth + 1);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    arena_init(&arena);
    struct yaml_node *root = NULL;
    struct error err = {0};
    int rc = yaml_parse(str_make((const char *)data, size), &arena, &root, &err);
    if (rc == 0) {
        walk(root, 0);
        (void)!option_expand_env(root, &arena, &err);
    } else if (err.code != rc || !err.text[0]) {
        abort();
    }
    arena_release(&arena);
    return 0;
}
