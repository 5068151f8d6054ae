/*
 * Option tables: how one YAML mapping becomes one struct.
 *
 * A table lists every key with type, place in the struct, default and limits; option_decode() writes defaults, then
 * what the mapping says, and refuses unknown keys ("did you mean"), wrong types and values out of range, each with line
 * and column. A secret may come as `key` or `key_file` (first line of that file). Texts live in the arena.
 */
#pragma once
#include "config/yaml.h"
#include "src/model/labels.h"

enum option_type {
    OPTION_STR,
    OPTION_SECRET,   /* struct str; also KEY_file */
    OPTION_BOOL,     /* bool */
    OPTION_DURATION, /* int64_t ms */
    OPTION_INT,      /* int64_t */
    OPTION_STR_LIST, /* struct option_list; a single scalar counts as a list of one */
    OPTION_LABELS,   /* struct labels */
    OPTION_NODE,     /* struct yaml_node *: the caller decodes it; NULL when absent */
};

struct option_list {
    const struct str *v;
    size_t n;
};

struct option {
    const char *name;
    enum option_type type;
    size_t offset;
    const char *fallback; /* default as text, as a user would write it; NULL: zero */
    int64_t min, max;     /* OPTION_DURATION (ms), OPTION_INT; both 0: any */
};

/* {OPTION(struct x, "key", OPTION_STR, field), .fallback = "text"} */
#define OPTION(s, n, t, field) .name = (n), .type = (t), .offset = offsetof(s, field)

/* node NULL: only the defaults. `what` names the mapping in errors ("redis target"). */
int option_decode(const struct option *options, size_t count, const struct yaml_node *node, const char *what,
                  struct arena *arena, void *out, struct error *err) MUST_USE;
/* ${NAME}, ${NAME:-default}, $$ in every scalar value below node; unset without default is an error. */
int option_expand_env(struct yaml_node *node, struct arena *arena, struct error *err) MUST_USE;
