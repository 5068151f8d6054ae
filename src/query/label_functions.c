/* label_replace and label_join. */
#include "src/base/codec.h"
#include "src/query/impl.h"
#include "src/query/labelset.h"

#include <ctype.h>

/* ---- changed labels may make series equal: that is an error at a step where both have a value ---- */

struct relabelled {
    struct labels labels;
    uint8_t *present; /* a bit per step */
};
struct relabelling {
    struct eval *ev;
    const struct grid *grid;
    struct str dst, separator, replacement, src;
    struct regex *regex;
    const struct expr *call;
    struct group_table table;
    struct relabelled *seen;
    size_t seen_cap;
    struct emit out;
};

static int note_labels(struct relabelling *r, const struct column *column)
{
    uint8_t *bits = arena_zalloc(r->ev->arena, r->grid->n / 8 + 1);
    for (size_t i = 0; i < r->grid->n; i++) {
        bits[i / 8] |= (uint8_t)(!is_absent(column->v[i]) << (i % 8));
    }
    uint64_t hash = labels_hash(column->labels);
    size_t at = 0;
    int64_t number;
    while ((number = group_table_next(&r->table, hash, &at)) >= 0) {
        const struct relabelled *other = &r->seen[number];
        for (size_t i = 0; labels_eq(other->labels, column->labels) && i < r->grid->n / 8 + 1; i++) {
            if (other->present[i] & bits[i]) {
                return eval_fail(r->ev, "vector cannot contain metrics with the same labelset");
            }
        }
    }
    size_t n = group_table_add(&r->table, hash);
    arena_grow(r->ev->arena, r->seen, n, r->seen_cap);
    r->seen[n] = (struct relabelled){column->labels, bits};
    return eval_check(r->ev, 0);
}

static int set_and_emit(struct relabelling *r, struct column *column, struct str value)
{
    struct labels_builder b;
    labels_builder_from(&b, r->ev->arena, column->labels);
    labels_set(&b, r->dst, value);
    column->labels = labels_finish(&b, false);
    if (str_eq(r->dst, METRIC_NAME)) {
        column->drop_name = false; /* a name given on purpose stays */
    }
    int rc = note_labels(r, column);
    return rc < 0 ? rc : emit_column(r->out, column);
}

static bool destination_legal(struct str name)
{
    return name.len && name.len <= LABEL_NAME_MAX && utf8_valid(name);
}

/* As it is, which is Prometheus' text; what is no text is quoted. */
static int fail_name(struct eval *ev, const char *which, const char *function, struct str name)
{
    auto_buf text;
    buf_init(&text, 4096);
    if (utf8_valid(name)) {
        buf_add(&text, name);
    } else {
        text_quote(str_slice(name, 0, 100), &text);
    }
    return eval_fail(ev, "invalid %s label name in %s(): " STR_FMT, which, function, STR_ARG(buf_str(&text)));
}

/* ---- label_replace ---- */

#define GROUPS_MAX 32

/* What a $… in the template names: digits or a word, in braces or not. Moves *i behind it; -1: no such group. */
static int template_group(const struct regex *regex, struct str template, size_t *i, bool *valid)
{
    bool braces = *i < template.len && template.p[*i] == '{';
    size_t from = *i + braces, to = from;
    while (to < template.len && (isalnum((unsigned char)template.p[to]) || template.p[to] == '_')) {
        to++;
    }
    *valid = to > from && (!braces || (to < template.len && template.p[to] == '}'));
    if (!*valid) {
        return -1;
    }
    *i = to + braces;
    struct str name = str_slice(template, from, to);
    int64_t number;
    if (str_to_int64(name, &number)) {
        return number < GROUPS_MAX ? (int)number : -1;
    }
    return regex_group_index(regex, name);
}

/* Go's Regexp.Expand: $1, $name, ${name}, $$. */
static struct str expand(struct relabelling *r, const struct str *groups, size_t n)
{
    auto_buf b;
    buf_init(&b, LABEL_VALUE_MAX * 16);
    for (size_t i = 0; i < r->replacement.len;) {
        char c = r->replacement.p[i++];
        if (c != '$') {
            buf_add_char(&b, c);
            continue;
        }
        if (i < r->replacement.len && r->replacement.p[i] == '$') {
            buf_add_char(&b, '$');
            i++;
            continue;
        }
        bool valid;
        int group = template_group(r->regex, r->replacement, &i, &valid);
        if (!valid) {
            buf_add_char(&b, '$');
        } else if (group >= 0 && (size_t)group < n) {
            buf_add(&b, groups[group]);
        }
    }
    return arena_dup(r->ev->arena, buf_str(&b));
}

static int replace_column(void *ctx, struct column *column)
{
    struct relabelling *r = ctx;
    struct str source = labels_get(column->labels, r->src);
    struct str groups[GROUPS_MAX] = {0};
    size_t n = regex_groups(r->regex, source.p ? source : STR(""), groups, GROUPS_MAX);
    if (!n) {
        int rc = note_labels(r, column);
        return rc < 0 ? rc : emit_column(r->out, column);
    }
    return set_and_emit(r, column, expand(r, groups, n));
}

int stream_label_replace(struct eval *ev, const struct expr *call, const struct grid *grid, struct emit out)
{
    struct relabelling r = {.ev = ev,
                            .grid = grid,
                            .dst = eval_string(call->call.args[1]),
                            .replacement = eval_string(call->call.args[2]),
                            .src = eval_string(call->call.args[3]),
                            .out = out};
    if (!destination_legal(r.dst)) {
        return fail_name(ev, "destination", "label_replace", r.dst);
    }
    struct error why = {0};
    struct str pattern = eval_string(call->call.args[4]);
    if (regex_compile(pattern, &r.regex, &why) < 0) {
        return eval_fail(ev, "invalid regular expression in label_replace(): " STR_FMT, STR_ARG(pattern));
    }
    group_table_init(&r.table, ev->arena);
    int rc = eval_vector(ev, call->call.args[0], grid, (struct emit){replace_column, &r});
    regex_free(r.regex);
    return rc;
}

/* ---- label_join ---- */

static int join_column(void *ctx, struct column *column)
{
    struct relabelling *r = ctx;
    auto_buf b;
    buf_init(&b, LABEL_VALUE_MAX * 16);
    for (size_t i = 3; i < r->call->call.arg_count; i++) {
        buf_add(&b, i > 3 ? r->separator : STR(""));
        buf_add(&b, labels_get(column->labels, eval_string(r->call->call.args[i])));
    }
    return set_and_emit(r, column, arena_dup(r->ev->arena, buf_str(&b)));
}

int stream_label_join(struct eval *ev, const struct expr *call, const struct grid *grid, struct emit out)
{
    struct relabelling r = {.ev = ev,
                            .grid = grid,
                            .call = call,
                            .dst = eval_string(call->call.args[1]),
                            .separator = eval_string(call->call.args[2]),
                            .out = out};
    for (size_t i = 1; i < call->call.arg_count; i++) {
        struct str name = eval_string(call->call.args[i]);
        if (i != 2 && !destination_legal(name)) {
            return fail_name(ev, i == 1 ? "destination" : "source", "label_join", name);
        }
    }
    group_table_init(&r.table, ev->arena);
    return eval_vector(ev, call->call.args[0], grid, (struct emit){join_column, &r});
}
