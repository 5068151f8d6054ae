/* libyaml's event stream to a tree. Aliases share nodes (no copy); weights bound what a walk over the tree can cost. */
#include "config/yaml.h"

#include "src/base/buf.h"
#include "src/base/vec.h"

#include <errno.h>
#include <stdio.h>
#include <yaml.h>

enum {
    MAX_BYTES = 4 << 20,
    MAX_DEPTH = 32,
    MAX_ANCHORS = 100,
    MAX_WEIGHT = 100000, /* nodes a walk meets, aliases expanded */
};

struct anchor {
    struct str name;
    struct yaml_node *node;
    size_t weight;
};

struct builder {
    yaml_parser_t parser;
    struct arena *arena;
    struct error *err;
    vec(struct anchor) anchors;
    size_t weight;
};

static int fail(struct builder *b, yaml_mark_t mark, int code, const char *text)
{
    return error_set_at(b->err, code, (int)mark.line + 1, (int)mark.column + 1, "%s", text);
}

static int next_event(struct builder *b, yaml_event_t *event)
{
    if (yaml_parser_parse(&b->parser, event)) {
        return 0;
    }
    const yaml_parser_t *p = &b->parser;
    return error_set_at(b->err, ERR_PARSE, (int)p->problem_mark.line + 1, (int)p->problem_mark.column + 1,
                        "not valid YAML: %s%s%s", p->problem ? p->problem : "unreadable", p->context ? ", " : "",
                        p->context ? p->context : "");
}

static int register_anchor(struct builder *b, const yaml_char_t *name, struct yaml_node *node, size_t weight,
                           yaml_mark_t mark)
{
    if (!name) {
        return 0;
    }
    if (b->anchors.len >= MAX_ANCHORS) {
        return fail(b, mark, ERR_LIMIT, "more than 100 anchors");
    }
    struct str copy = arena_dup(b->arena, str_of((const char *)name));
    vec_push(&b->anchors, (struct anchor){copy, node, weight});
    return 0;
}

static int build_node(struct builder *b, yaml_event_t *event, int depth, struct yaml_node *out);

/* Latest anchor of that name wins, as YAML has it. */
static int build_alias(struct builder *b, const yaml_event_t *event, struct yaml_node *out)
{
    struct str name = str_of((const char *)event->data.alias.anchor);
    for (size_t i = b->anchors.len; i > 0; i--) {
        const struct anchor *a = &b->anchors.p[i - 1];
        if (str_eq(a->name, name)) {
            b->weight += a->weight;
            if (b->weight > MAX_WEIGHT) {
                return fail(b, event->start_mark, ERR_LIMIT, "aliases expand to more than 100,000 values");
            }
            *out = *a->node;
            return 0;
        }
    }
    return error_set_at(b->err, ERR_PARSE, (int)event->start_mark.line + 1, (int)event->start_mark.column + 1,
                        "alias *" STR_FMT " has no anchor before it", STR_ARG(name));
}

static int build_scalar(struct builder *b, const yaml_event_t *event, struct yaml_node *out)
{
    out->type = YAML_SCALAR;
    out->scalar = arena_dup(b->arena, str_make((const char *)event->data.scalar.value, event->data.scalar.length));
    out->quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    return register_anchor(b, event->data.scalar.anchor, out, 1, event->start_mark);
}

static int check_key(struct builder *b, const struct yaml_node *keys, size_t count, const struct yaml_node *key)
{
    if (key->type != YAML_SCALAR) {
        return error_set_at(b->err, ERR_PARSE, key->line, key->column, "a key must be plain text");
    }
    for (size_t i = 0; i < count; i++) {
        if (str_eq(keys[i].scalar, key->scalar)) {
            return error_set_at(b->err, ERR_PARSE, key->line, key->column,
                                "key \"" STR_FMT "\" stands here twice; the first is in line %d", STR_ARG(key->scalar),
                                keys[i].line);
        }
    }
    return 0;
}

typedef vec(struct yaml_node) node_vec;

static struct yaml_node *keep_nodes(struct builder *b, const node_vec *nodes)
{
    struct yaml_node *copy = arena_array(b->arena, struct yaml_node, nodes->len ? nodes->len : 1);
    if (nodes->len) {
        memcpy(copy, nodes->p, nodes->len * sizeof(*copy));
    }
    return copy;
}

static int build_children(struct builder *b, bool mapping, int depth, node_vec *keys, node_vec *items)
{
    yaml_event_type_t end = mapping ? YAML_MAPPING_END_EVENT : YAML_SEQUENCE_END_EVENT;
    bool want_key = mapping;
    for (;;) {
        yaml_event_t event;
        int rc = next_event(b, &event);
        if (rc) {
            return rc;
        }
        if (event.type == end) {
            yaml_event_delete(&event);
            return 0;
        }
        struct yaml_node node = {0};
        rc = build_node(b, &event, depth + 1, &node);
        yaml_event_delete(&event);
        if (!rc && want_key) {
            rc = check_key(b, keys->p, keys->len, &node);
        }
        if (rc) {
            return rc;
        }
        if (want_key) {
            vec_push(keys, node);
        } else {
            vec_push(items, node);
        }
        want_key = mapping && !want_key;
    }
}

static int build_collection(struct builder *b, yaml_event_t *event, int depth, struct yaml_node *out)
{
    bool mapping = event->type == YAML_MAPPING_START_EVENT;
    const yaml_char_t *anchor = mapping ? event->data.mapping_start.anchor : event->data.sequence_start.anchor;
    size_t before = b->weight;
    node_vec keys = {0};
    node_vec items = {0};
    int rc = build_children(b, mapping, depth, &keys, &items);
    if (!rc) {
        out->type = mapping ? YAML_MAPPING : YAML_SEQUENCE;
        out->count = items.len;
        out->items = keep_nodes(b, &items);
        out->keys = mapping ? keep_nodes(b, &keys) : NULL;
        rc = register_anchor(b, anchor, out, b->weight - before + 1, event->start_mark);
    }
    vec_release(&keys);
    vec_release(&items);
    return rc;
}

static int build_node(struct builder *b, yaml_event_t *event, int depth, struct yaml_node *out)
{
    if (depth > MAX_DEPTH) {
        return fail(b, event->start_mark, ERR_LIMIT, "nested deeper than 32 levels");
    }
    if (++b->weight > MAX_WEIGHT) {
        return fail(b, event->start_mark, ERR_LIMIT, "more than 100,000 values");
    }
    /* Anchored nodes are looked at after their parent's vector has moved: keep them in the arena. */
    struct yaml_node *node = arena_new(b->arena, struct yaml_node);
    int rc;
    switch (event->type) {
    case YAML_ALIAS_EVENT:
        rc = build_alias(b, event, node);
        break;
    case YAML_SCALAR_EVENT:
        rc = build_scalar(b, event, node);
        break;
    case YAML_SEQUENCE_START_EVENT:
    case YAML_MAPPING_START_EVENT:
        rc = build_collection(b, event, depth, node);
        break;
    default:
        rc = fail(b, event->start_mark, ERR_PARSE, "a value was expected here");
    }
    node->line = (int)event->start_mark.line + 1;
    node->column = (int)event->start_mark.column + 1;
    *out = *node;
    return rc;
}

/* STREAM-START [DOCUMENT-START node DOCUMENT-END] STREAM-END */
static int build_stream(struct builder *b, struct yaml_node *root)
{
    bool seen = false;
    for (;;) {
        yaml_event_t event;
        int rc = next_event(b, &event);
        if (rc) {
            return rc;
        }
        yaml_event_type_t type = event.type;
        if (type == YAML_DOCUMENT_START_EVENT && seen) {
            rc = fail(b, event.start_mark, ERR_PARSE, "a second YAML document begins here; one file holds one");
        } else if (type != YAML_STREAM_START_EVENT && type != YAML_DOCUMENT_START_EVENT &&
                   type != YAML_DOCUMENT_END_EVENT && type != YAML_STREAM_END_EVENT) {
            rc = build_node(b, &event, 0, root);
            seen = true;
        }
        yaml_event_delete(&event);
        if (rc || type == YAML_STREAM_END_EVENT) {
            return rc;
        }
    }
}

int yaml_parse(struct str text, struct arena *arena, struct yaml_node **out, struct error *err)
{
    if (text.len > MAX_BYTES) {
        return error_set(err, ERR_LIMIT, "larger than 4 MiB");
    }
    struct builder b = {.arena = arena, .err = err};
    if (!yaml_parser_initialize(&b.parser)) {
        return error_set(err, ERR_PARSE, "the YAML reader could not start");
    }
    yaml_parser_set_input_string(&b.parser, (const unsigned char *)(text.p ? text.p : ""), text.len);
    struct yaml_node *root = arena_new(arena, struct yaml_node);
    root->type = YAML_MAPPING;
    root->line = root->column = 1;
    int rc = build_stream(&b, root);
    yaml_parser_delete(&b.parser);
    vec_release(&b.anchors);
    if (rc) {
        return rc;
    }
    if (yaml_is_null(root)) { /* nothing but comments */
        *root = (struct yaml_node){.type = YAML_MAPPING, .line = 1, .column = 1};
    }
    *out = root;
    return 0;
}

int yaml_load(const char *path, struct arena *arena, struct yaml_node **out, struct error *err)
{
    FILE *f = fopen(path, "rbe");
    if (!f) {
        return error_set(err, -errno, "cannot be read: %s", error_text(-errno));
    }
    auto_buf text;
    buf_init(&text, MAX_BYTES + 1);
    for (;;) {
        char chunk[16384];
        size_t n = fread(chunk, 1, sizeof(chunk), f);
        buf_add_bytes(&text, chunk, n);
        if (n < sizeof(chunk) || text.failed) {
            break;
        }
    }
    int failed = ferror(f) ? -EIO : 0;
    fclose(f);
    if (failed) {
        return error_set(err, failed, "cannot be read (is it a folder?)");
    }
    if (text.failed) {
        return error_set(err, ERR_LIMIT, "larger than 4 MiB");
    }
    return yaml_parse(buf_str(&text), arena, out, err);
}

bool yaml_is_null(const struct yaml_node *node)
{
    if (node->type != YAML_SCALAR || node->quoted) {
        return false;
    }
    return node->scalar.len == 0 || str_is(node->scalar, "~") || str_is(node->scalar, "null") ||
           str_is(node->scalar, "Null") || str_is(node->scalar, "NULL");
}

struct yaml_node *yaml_get(const struct yaml_node *mapping, const char *key)
{
    if (!mapping || mapping->type != YAML_MAPPING) {
        return NULL;
    }
    for (size_t i = 0; i < mapping->count; i++) {
        if (str_is(mapping->keys[i].scalar, key)) {
            return yaml_is_null(&mapping->items[i]) ? NULL : &mapping->items[i];
        }
    }
    return NULL;
}

/* Levenshtein distance of short words; anything longer than 40 bytes is no near miss. */
static size_t edit_distance(struct str a, struct str b)
{
    enum { WORD_MAX = 40 };
    if (a.len > WORD_MAX || b.len > WORD_MAX) {
        return WORD_MAX;
    }
    size_t row[WORD_MAX + 1];
    for (size_t j = 0; j <= b.len; j++) {
        row[j] = j;
    }
    for (size_t i = 1; i <= a.len; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b.len; j++) {
            size_t above = row[j];
            size_t best = diagonal + (a.p[i - 1] != b.p[j - 1]);
            best = above + 1 < best ? above + 1 : best;
            best = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
            row[j] = best;
            diagonal = above;
        }
    }
    return row[b.len];
}

const char *yaml_nearest(struct str word, const char *const *names)
{
    const char *best = NULL;
    size_t best_distance = 3;
    for (; *names; names++) {
        size_t distance = edit_distance(word, str_of(*names));
        if (distance < best_distance) {
            best_distance = distance;
            best = *names;
        }
    }
    return best;
}
