/*
 * YAML to a tree in an arena, with line and column of every node (libyaml). JSON is YAML too.
 *
 * Refused: doubled keys, aliases and anchors beyond 100 (alias bombs: every alias is refused whose expansion would pass
 * 100,000 nodes), nesting beyond 32, files beyond 4 MiB, more than one document.
 * Used for the configuration and for rule files.
 */
#pragma once
#include "src/base/arena.h"
#include "src/base/error.h"

enum yaml_type { YAML_SCALAR, YAML_SEQUENCE, YAML_MAPPING };

struct yaml_node {
    enum yaml_type type;
    int line, column;
    struct str scalar;       /* YAML_SCALAR */
    bool expanded;           /* option_expand_env() has been here: aliases share nodes */
    bool quoted;             /* a quoted or block scalar is text, never null, bool or number */
    struct yaml_node *items; /* sequence items, or values of a mapping */
    struct yaml_node *keys;  /* mapping: keys[i] belongs to items[i]; scalars */
    size_t count;
};

/* err positions are those of the text. An empty document gives a YAML_MAPPING with count 0. */
int yaml_parse(struct str text, struct arena *arena, struct yaml_node **out, struct error *err) MUST_USE;
int yaml_load(const char *path, struct arena *arena, struct yaml_node **out, struct error *err) MUST_USE;
struct yaml_node *yaml_get(const struct yaml_node *mapping, const char *key); /* NULL: absent or plain null */
bool yaml_is_null(const struct yaml_node *node);
/* Nearest name within two edits among `names` (NULL-terminated), or NULL: for "did you mean". */
const char *yaml_nearest(struct str word, const char *const *names);
