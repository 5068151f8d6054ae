/* Decoding of mappings by table, and ${ENV} expansion. */
#include "config/option.h"

#include "src/base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { MAX_OPTIONS = 40, SECRET_MAX = 4096 };

#define AT(node) (node)->line, (node)->column

static bool parse_bool(struct str s, bool *out)
{
    static const char *const yes[] = {"true", "yes", "on", "True", "Yes", "On"};
    static const char *const no[] = {"false", "no", "off", "False", "No", "Off"};
    for (size_t i = 0; i < sizeof(yes) / sizeof(*yes); i++) {
        if (str_is(s, yes[i]) || str_is(s, no[i])) {
            *out = str_is(s, yes[i]);
            return true;
        }
    }
    return false;
}

static int decode_labels(const struct yaml_node *node, struct arena *arena, struct labels *out, struct error *err)
{
    if (node->type != YAML_MAPPING) {
        return error_set_at(err, ERR_CONFIG, AT(node), "labels are a mapping of name: value");
    }
    struct labels_builder b;
    labels_builder_init(&b, arena);
    for (size_t i = 0; i < node->count; i++) {
        const struct yaml_node *key = &node->keys[i];
        if (!label_name_legal(key->scalar) || str_starts(key->scalar, STR("__"))) {
            return error_set_at(err, ERR_CONFIG, AT(key),
                                "\"" STR_FMT
                                "\" is no label name: letters, digits and _, not starting with a digit or __",
                                STR_ARG(key->scalar));
        }
        if (node->items[i].type != YAML_SCALAR) {
            return error_set_at(err, ERR_CONFIG, AT(&node->items[i]), "a label's value is a text");
        }
        labels_set(&b, key->scalar, node->items[i].scalar);
    }
    *out = labels_finish(&b, true);
    return 0;
}

static int decode_list(const struct option *option, const struct yaml_node *node, struct arena *arena,
                       struct option_list *out, struct error *err)
{
    if (node->type == YAML_SCALAR) {
        struct str *one = arena_new(arena, struct str);
        *one = node->scalar;
        *out = (struct option_list){one, 1};
        return 0;
    }
    if (node->type != YAML_SEQUENCE) {
        return error_set_at(err, ERR_CONFIG, AT(node), "\"%s\" is a list of texts", option->name);
    }
    struct str *v = arena_array(arena, struct str, node->count + 1);
    for (size_t i = 0; i < node->count; i++) {
        if (node->items[i].type != YAML_SCALAR) {
            return error_set_at(err, ERR_CONFIG, AT(&node->items[i]), "\"%s\" is a list of texts", option->name);
        }
        v[i] = node->items[i].scalar;
    }
    *out = (struct option_list){v, node->count};
    return 0;
}

static int decode_duration(const struct option *option, const struct yaml_node *node, int64_t *out, struct error *err)
{
    int64_t ms;
    if (!duration_parse(node->scalar, &ms)) {
        return error_set_at(err, ERR_CONFIG, AT(node),
                            "\"%s\" is a duration such as 15s, 5m, 1h30m or 15d, not \"" STR_FMT "\"", option->name,
                            STR_ARG(node->scalar));
    }
    if ((option->min || option->max) && (ms < option->min || ms > option->max)) {
        auto_buf low = {0};
        auto_buf high = {0};
        buf_init(&low, 64);
        buf_init(&high, 64);
        duration_format(option->min, &low);
        duration_format(option->max, &high);
        return error_set_at(err, ERR_CONFIG, AT(node), "\"%s\" is between %s and %s", option->name, low.p, high.p);
    }
    *out = ms;
    return 0;
}

static int decode_int(const struct option *option, const struct yaml_node *node, int64_t *out, struct error *err)
{
    int64_t value;
    if (!str_to_int64(node->scalar, &value) ||
        ((option->min || option->max) && (value < option->min || value > option->max))) {
        return error_set_at(err, ERR_CONFIG, AT(node), "\"%s\" is a whole number from %lld to %lld", option->name,
                            (long long)option->min, (long long)option->max);
    }
    *out = value;
    return 0;
}

static int decode_value(const struct option *option, struct yaml_node *node, struct arena *arena, char *out,
                        struct error *err)
{
    void *field = out + option->offset;
    if (option->type == OPTION_NODE) {
        *(struct yaml_node **)field = node;
        return 0;
    }
    if (option->type == OPTION_LABELS) {
        return decode_labels(node, arena, field, err);
    }
    if (option->type == OPTION_STR_LIST) {
        return decode_list(option, node, arena, field, err);
    }
    if (node->type != YAML_SCALAR) {
        return error_set_at(err, ERR_CONFIG, AT(node), "\"%s\" is a single value, not a list or mapping", option->name);
    }
    switch (option->type) {
    case OPTION_BOOL:
        if (!parse_bool(node->scalar, field)) {
            return error_set_at(err, ERR_CONFIG, AT(node), "\"%s\" is true or false, not \"" STR_FMT "\"", option->name,
                                STR_ARG(node->scalar));
        }
        return 0;
    case OPTION_DURATION:
        return decode_duration(option, node, field, err);
    case OPTION_INT:
        return decode_int(option, node, field, err);
    default:
        *(struct str *)field = node->scalar;
        return 0;
    }
}

/* First line of the file a `key_file` names; the secret itself never reaches an error text. */
static int read_secret(const struct option *option, const struct yaml_node *node, struct arena *arena, struct str *out,
                       struct error *err)
{
    if (node->type != YAML_SCALAR) {
        return error_set_at(err, ERR_CONFIG, AT(node), "\"%s_file\" is the path of a file", option->name);
    }
    FILE *f = fopen(arena_cstr(arena, node->scalar), "re");
    if (!f) {
        return error_set_at(err, ERR_CONFIG, AT(node), "\"%s_file\": " STR_FMT " cannot be read: %s", option->name,
                            STR_ARG(node->scalar), error_text(-errno));
    }
    char line[SECRET_MAX];
    size_t n = fread(line, 1, sizeof(line) - 1, f);
    fclose(f);
    line[n] = '\0';
    struct str rest = str_make(line, n);
    *out = arena_dup(arena, str_trim(str_split(&rest, '\n')));
    if (out->len == 0) {
        return error_set_at(err, ERR_CONFIG, AT(node), "\"%s_file\": " STR_FMT " has an empty first line", option->name,
                            STR_ARG(node->scalar));
    }
    return 0;
}

static int set_defaults(const struct option *options, size_t count, struct arena *arena, void *out, struct error *err)
{
    for (size_t i = 0; i < count; i++) {
        if (options[i].fallback) {
            struct yaml_node node = {.type = YAML_SCALAR, .scalar = str_of(options[i].fallback)};
            int rc = decode_value(&options[i], &node, arena, out, err);
            if (rc) {
                return rc;
            }
        }
    }
    return 0;
}

static int unknown_key(const struct option *options, size_t count, const struct yaml_node *key, const char *what,
                       struct error *err)
{
    const char *names[MAX_OPTIONS + 1];
    size_t n = 0;
    for (; n < count && n < MAX_OPTIONS; n++) {
        names[n] = options[n].name;
    }
    names[n] = NULL;
    const char *near = yaml_nearest(key->scalar, names);
    if (near) {
        return error_set_at(err, ERR_CONFIG, AT(key), "unknown key \"" STR_FMT "\" in %s, did you mean \"%s\"?",
                            STR_ARG(key->scalar), what, near);
    }
    struct error list = {0};
    size_t used = 0;
    for (size_t i = 0; i < n && used + 24 < sizeof(list.text); i++) {
        used += (size_t)snprintf(list.text + used, sizeof(list.text) - used, "%s%s", i ? ", " : "", names[i]);
        used = used < sizeof(list.text) ? used : sizeof(list.text) - 1;
    }
    return error_set_at(err, ERR_CONFIG, AT(key), "unknown key \"" STR_FMT "\" in %s; it takes %s",
                        STR_ARG(key->scalar), what, list.text);
}

static int decode_key(const struct option *options, size_t count, const struct yaml_node *node, size_t index,
                      const char *what, struct arena *arena, void *out, struct error *err)
{
    const struct yaml_node *key = &node->keys[index];
    struct yaml_node *value = &node->items[index];
    for (size_t i = 0; i < count; i++) {
        if (str_is(key->scalar, options[i].name)) {
            return yaml_is_null(value) ? 0 : decode_value(&options[i], value, arena, out, err);
        }
        if (options[i].type == OPTION_SECRET && str_ends(key->scalar, STR("_file")) &&
            str_is(str_slice(key->scalar, 0, key->scalar.len - 5), options[i].name)) {
            if (yaml_get(node, options[i].name)) {
                return error_set_at(err, ERR_CONFIG, AT(key), "give \"%s\" or \"%s_file\", not both", options[i].name,
                                    options[i].name);
            }
            return read_secret(&options[i], value, arena, (struct str *)(void *)((char *)out + options[i].offset), err);
        }
    }
    return unknown_key(options, count, key, what, err);
}

int option_decode(const struct option *options, size_t count, const struct yaml_node *node, const char *what,
                  struct arena *arena, void *out, struct error *err)
{
    int rc = set_defaults(options, count, arena, out, err);
    if (rc || !node) {
        return rc;
    }
    if (node->type != YAML_MAPPING) {
        return error_set_at(err, ERR_CONFIG, AT(node), "%s is a mapping of keys and values", what);
    }
    for (size_t i = 0; i < node->count; i++) {
        rc = decode_key(options, count, node, i, what, arena, out, err);
        if (rc) {
            return rc;
        }
    }
    return 0;
}

/* Text behind "${" up to "}": NAME or NAME:-default. */
static int expand_reference(const struct yaml_node *node, struct str inside, struct buf *out, struct error *err)
{
    ptrdiff_t at = str_find(inside, STR(":-"));
    struct str name = at < 0 ? inside : str_slice(inside, 0, (size_t)at);
    char cname[128];
    if (name.len == 0 || name.len >= sizeof(cname)) {
        return error_set_at(err, ERR_CONFIG, AT(node), "${} needs the name of an environment variable");
    }
    memcpy(cname, name.p, name.len);
    cname[name.len] = '\0';
    const char *value = getenv(cname);
    if (!value && at < 0) {
        return error_set_at(err, ERR_CONFIG, AT(node),
                            "environment variable %s is not set; set it, or write ${%s:-default}", cname, cname);
    }
    buf_add(out, value ? str_of(value) : str_slice(inside, (size_t)at + 2, inside.len));
    return 0;
}

static int expand_scalar(struct yaml_node *node, struct arena *arena, struct error *err)
{
    if (node->expanded || str_find_char(node->scalar, '$') < 0) {
        return 0;
    }
    node->expanded = true;
    auto_buf out = {0};
    buf_init(&out, 1 << 16);
    struct str rest = node->scalar;
    while (rest.len) {
        if (str_starts(rest, STR("$$"))) {
            buf_add_char(&out, '$');
            rest = str_slice(rest, 2, rest.len);
        } else if (str_starts(rest, STR("${"))) {
            ptrdiff_t end = str_find_char(rest, '}');
            if (end < 0) {
                return error_set_at(err, ERR_CONFIG, AT(node), "\"${\" without \"}\"; write $$ for a plain $");
            }
            int rc = expand_reference(node, str_slice(rest, 2, (size_t)end), &out, err);
            if (rc) {
                return rc;
            }
            rest = str_slice(rest, (size_t)end + 1, rest.len);
        } else {
            buf_add_char(&out, rest.p[0]);
            rest = str_slice(rest, 1, rest.len);
        }
    }
    if (out.failed) {
        return error_set_at(err, ERR_LIMIT, AT(node), "value longer than 64 KiB after expansion");
    }
    node->scalar = arena_dup(arena, buf_str(&out));
    return 0;
}

int option_expand_env(struct yaml_node *node, struct arena *arena, struct error *err)
{
    if (node->type == YAML_SCALAR) {
        return expand_scalar(node, arena, err);
    }
    for (size_t i = 0; i < node->count; i++) {
        int rc = option_expand_env(&node->items[i], arena, err);
        if (rc) {
            return rc;
        }
    }
    return 0;
}
