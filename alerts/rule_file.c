#include "alerts/rule_file.h"

#include "config/yaml.h"
#include "src/base/clock.h"
#include "src/base/codec.h"

#include <errno.h>

#define FILE_MAX (4u << 20)

struct loader {
    struct rule_file *file;
    struct arena *arena;
    struct str text;
    rule_report_fn report;
    void *ctx;
    size_t problems;
    const struct str *skip;
    size_t skip_count;
    uint64_t *ids; /* of this file, to tell equal rules apart */
    size_t id_count;
};

static void problem(struct loader *l, int line, int column, const char *fmt, ...) PRINTF_LIKE(4, 5);
static void problem(struct loader *l, int line, int column, const char *fmt, ...)
{
    char text[220];
    struct error err = {0};
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    struct str name = str_slice(l->file->name, 0, 100);
    if (line) {
        error_set_at(&err, ERR_CONFIG, line, column, STR_FMT ":%d:%d: %s", STR_ARG(name), line, column, text);
    } else {
        error_set(&err, ERR_CONFIG, STR_FMT ": %s", STR_ARG(name), text);
    }
    l->problems++;
    l->report(l->ctx, &err);
}

static void problem_at(struct loader *l, const struct yaml_node *node, const char *what)
{
    problem(l, node->line, node->column, "%s", what);
}

static struct str line_text(struct str text, int line)
{
    struct str rest = text, one = {0};
    for (int i = 0; i < line; i++) {
        one = str_split(&rest, '\n');
    }
    return one;
}

/* Where position (line, column) of a scalar's value is in the file. Exact for plain, simply quoted and literal ("|")
 * texts; in folded ones (">") the scalar itself is named, because their lines were joined. */
static void position_in_file(const struct loader *l, const struct yaml_node *node, int line, int column, int *at_line,
                             int *at_column)
{
    struct str first = line_text(l->text, node->line);
    size_t from = node->column > 0 ? (size_t)node->column - 1 : 0;
    char style = from < first.len ? first.p[from] : '\0';
    *at_line = node->line;
    *at_column = node->column;
    if (!node->quoted || style == '"' || style == '\'') {
        if (line == 1) {
            *at_column = node->column + column - 1 + (node->quoted ? 1 : 0);
        }
    } else if (style == '|') {
        int content = node->line + 1;
        struct str probe = line_text(l->text, content);
        while (!str_trim(probe).len && content < node->line + 100) {
            probe = line_text(l->text, ++content);
        }
        int indent = 0;
        while ((size_t)indent < probe.len && probe.p[indent] == ' ') {
            indent++;
        }
        *at_line = node->line + line;
        *at_column = indent + column;
    }
}

static void problem_inside(struct loader *l, const struct yaml_node *node, const char *what, const struct error *err)
{
    int line = node->line, column = node->column;
    if (err->line) {
        position_in_file(l, node, err->line, err->column, &line, &column);
    }
    problem(l, line, column, "%s%s", what, err->text);
}

/* Each key must be in names (NULL-terminated). */
static void check_keys(struct loader *l, const struct yaml_node *map, const char *const *names, const char *where)
{
    for (size_t i = 0; i < map->count; i++) {
        const struct yaml_node *key = &map->keys[i];
        bool known = false;
        for (size_t k = 0; names[k]; k++) {
            known = known || str_is(key->scalar, names[k]);
        }
        if (known) {
            continue;
        }
        const char *near = yaml_nearest(key->scalar, names);
        problem(l, key->line, key->column, "unknown key \"" STR_FMT "\" in %s%s%s%s",
                STR_ARG(str_slice(key->scalar, 0, 60)), where, near ? ", did you mean \"" : "", near ? near : "",
                near ? "\"?" : "");
    }
}

static bool is_map(struct loader *l, const struct yaml_node *node, const char *what)
{
    if (node->type != YAML_MAPPING) {
        problem(l, node->line, node->column, "%s must be a mapping (key: value)", what);
    }
    return node->type == YAML_MAPPING;
}

/* Absent gives the empty text. */
static struct str get_text(struct loader *l, const struct yaml_node *map, const char *key)
{
    const struct yaml_node *node = yaml_get(map, key);
    if (!node) {
        return (struct str){0};
    }
    if (node->type != YAML_SCALAR) {
        problem(l, node->line, node->column, "%s must be a text", key);
        return (struct str){0};
    }
    return arena_dup(l->arena, node->scalar);
}

static int64_t get_duration(struct loader *l, const struct yaml_node *map, const char *key)
{
    const struct yaml_node *node = yaml_get(map, key);
    int64_t ms = 0;
    if (node && (node->type != YAML_SCALAR || (!duration_parse(node->scalar, &ms) && !str_is(node->scalar, "0")))) {
        problem(l, node->line, node->column, "%s must be a duration such as 30s, 5m or 1h30m", key);
    }
    return ms;
}

/* Adds name: value pairs of a mapping to texts; a later name replaces an earlier one. */
static size_t read_texts(struct loader *l, const struct yaml_node *map, const char *what, bool templates,
                         struct rule_text *texts, size_t n)
{
    if (!map || !is_map(l, map, what)) {
        return n;
    }
    for (size_t i = 0; i < map->count; i++) {
        const struct yaml_node *key = &map->keys[i], *value = &map->items[i];
        struct error err = {0};
        if (!label_name_legal(key->scalar) || str_eq(key->scalar, METRIC_NAME)) {
            problem(l, key->line, key->column, "\"" STR_FMT "\" is no legal name in %s: letters, digits and _ only",
                    STR_ARG(str_slice(key->scalar, 0, 60)), what);
            continue;
        }
        if (value->type != YAML_SCALAR) {
            problem(l, value->line, value->column, "the value of a %s must be a text", what);
            continue;
        }
        size_t at = 0;
        while (at < n && !str_eq(texts[at].name, key->scalar)) {
            at++;
        }
        if (at == LABELS_MAX - 2) {
            problem(l, key->line, key->column, "more than %d %s", LABELS_MAX - 2, what);
            return n;
        }
        texts[at].name = arena_dup(l->arena, key->scalar);
        texts[at].source = arena_dup(l->arena, yaml_is_null(value) ? STR("") : value->scalar);
        if (templates && template_compile(texts[at].source, template_rule_vars, l->arena, &texts[at].tmpl, &err)) {
            problem_inside(l, value, "", &err);
        }
        n = at == n ? n + 1 : n;
    }
    return n;
}

static int by_name(const void *a, const void *b)
{
    return str_cmp(((const struct rule_text *)a)->name, ((const struct rule_text *)b)->name);
}

static const struct rule_text *keep_texts(struct loader *l, struct rule_text *texts, size_t n, struct labels *sources)
{
    struct rule_text *kept = arena_array(l->arena, struct rule_text, n + 1);
    struct labels_builder builder;
    labels_builder_init(&builder, l->arena);
    if (n) {
        qsort(texts, n, sizeof(*texts), by_name);
        memcpy(kept, texts, n * sizeof(*texts));
    }
    for (size_t i = 0; i < n; i++) {
        labels_set(&builder, texts[i].name, texts[i].source);
    }
    *sources = labels_finish(&builder, true);
    return kept;
}

/* The longest "[…]" outside quotes and braces: ranges and subqueries. */
static int64_t longest_range(struct str expr)
{
    int64_t longest = 0;
    char quote = '\0';
    for (size_t i = 0; i < expr.len; i++) {
        char c = expr.p[i];
        if (quote) {
            if (c == '\\' && quote != '`') {
                i++;
            } else if (c == quote) {
                quote = '\0';
            }
        } else if (c == '"' || c == '\'' || c == '`') {
            quote = c;
        } else if (c == '[') {
            size_t to = i + 1;
            while (to < expr.len && expr.p[to] != ']' && expr.p[to] != ':') {
                to++;
            }
            int64_t ms;
            if (duration_parse(str_trim(str_slice(expr, i + 1, to)), &ms) && ms > longest) {
                longest = ms;
            }
        }
    }
    return longest;
}

static void read_expr(struct loader *l, const struct yaml_node *map, struct rule *rule)
{
    const struct yaml_node *node = yaml_get(map, "expr");
    struct error err = {0};
    if (!node || (node->type == YAML_SCALAR && !str_trim(node->scalar).len)) {
        problem_at(l, node ? node : map, "expr is missing: a rule needs a PromQL expression");
        return;
    }
    if (node->type != YAML_SCALAR) {
        problem_at(l, node, "expr must be a text");
        return;
    }
    struct str text = arena_dup(l->arena, node->scalar); /* the tree borrows from it */
    if (query_parse(text, l->arena, &rule->expr, &err)) {
        problem_inside(l, node, "expr: ", &err);
        return;
    }
    enum value_type type = expr_type(rule->expr);
    if (type != VALUE_VECTOR && type != VALUE_SCALAR) {
        problem(l, node->line, node->column, "expr gives a %s, a rule needs an instant vector or a scalar",
                value_type_name(type));
    }
    auto_buf printed;
    buf_init(&printed, 1 << 20);
    expr_print(rule->expr, &printed);
    rule->expr_text = arena_dup(l->arena, printed.failed ? text : buf_str(&printed));
    rule->range_ms = longest_range(text);
}

static void assign_id(struct loader *l, const struct rule_group *group, struct rule *rule)
{
    uint64_t id = fnv1a64(FNV1A64_INIT, l->file->name);
    id = fnv1a64(fnv1a64(id, STR("\xff")), group->name);
    id = fnv1a64(fnv1a64(id, rule->type == RULE_ALERT ? STR("\xff"
                                                            "a")
                                                      : STR("\xff"
                                                            "r")),
                 rule->name);
    for (size_t i = 0; i < rule->label_count; i++) {
        id = fnv1a64(fnv1a64(id, STR("\xff")), rule->labels[i].name);
        id = fnv1a64(fnv1a64(id, STR("\xff")), rule->labels[i].source);
    }
    for (size_t i = 0; i < l->id_count; i++) {
        if (l->ids[i] == id) { /* equal rules: the second, third … of their kind */
            id = fnv1a64(id, STR("again"));
            i = (size_t)-1;
        }
    }
    rule->id = l->ids[l->id_count++] = id;
}

static void check_record(struct loader *l, const struct yaml_node *map, const struct rule *rule)
{
    static const char *const alert_only[] = {"for", "keep_firing_for", "annotations", NULL};
    for (size_t i = 0; alert_only[i]; i++) {
        const struct yaml_node *node = yaml_get(map, alert_only[i]);
        if (node) {
            problem(l, node->line, node->column, "%s is for alerts, this is a recording rule", alert_only[i]);
        }
    }
    if (!metric_name_legal(rule->name)) {
        problem_at(l, yaml_get(map, "record"), "record is no legal metric name: letters, digits, _ and : only");
    }
}

static bool skipped(const struct loader *l, struct str name)
{
    for (size_t i = 0; i < l->skip_count; i++) {
        if (str_eq(l->skip[i], name)) {
            return true;
        }
    }
    return false;
}

/* False: the rule is left out. */
static bool read_rule(struct loader *l, const struct yaml_node *map, const struct yaml_node *group_labels,
                      const struct rule_group *group, struct rule *rule)
{
    static const char *const names[] = {"alert",           "record", "expr",        "for",
                                        "keep_firing_for", "labels", "annotations", NULL};
    struct rule_text texts[LABELS_MAX] = {0};
    if (!is_map(l, map, "a rule")) {
        return false;
    }
    check_keys(l, map, names, "a rule");
    struct str alert = get_text(l, map, "alert"), record = get_text(l, map, "record");
    if (!alert.len == !record.len) {
        problem_at(l, map,
                   alert.len ? "a rule is either an alert or a record, not both"
                             : "a rule needs \"alert: NAME\" or \"record: NAME\"");
        return false;
    }
    if (skipped(l, alert.len ? alert : record)) {
        return false;
    }
    rule->type = alert.len ? RULE_ALERT : RULE_RECORD;
    rule->name = alert.len ? alert : record;
    read_expr(l, map, rule);
    rule->for_ms = get_duration(l, map, "for");
    rule->keep_firing_for_ms = get_duration(l, map, "keep_firing_for");
    bool templates = rule->type == RULE_ALERT;
    size_t n = read_texts(l, group_labels, "labels", templates, texts, 0);
    rule->label_count = read_texts(l, yaml_get(map, "labels"), "labels", templates, texts, n);
    rule->labels = keep_texts(l, texts, rule->label_count, &rule->label_sources);
    memset(texts, 0, sizeof(texts));
    rule->annotation_count = read_texts(l, yaml_get(map, "annotations"), "annotations", true, texts, 0);
    rule->annotations = keep_texts(l, texts, rule->annotation_count, &rule->annotation_sources);
    if (rule->type == RULE_RECORD) {
        check_record(l, map, rule);
    }
    assign_id(l, group, rule);
    return true;
}

static void read_limit(struct loader *l, const struct yaml_node *map, struct rule_group *group)
{
    const struct yaml_node *node = yaml_get(map, "limit");
    int64_t limit = 0;
    if (node && (node->type != YAML_SCALAR || !str_to_int64(node->scalar, &limit) || limit < 0)) {
        problem_at(l, node, "limit must be a number of results, 0 for none");
        return;
    }
    group->limit = (size_t)limit;
}

static void read_rules(struct loader *l, const struct yaml_node *map, struct rule_group *group)
{
    const struct yaml_node *rules = yaml_get(map, "rules"), *labels = yaml_get(map, "labels");
    if (!rules) {
        return;
    }
    if (rules->type != YAML_SEQUENCE) {
        problem_at(l, rules, "rules must be a list");
        return;
    }
    struct rule *list = arena_array(l->arena, struct rule, rules->count + 1);
    group->rules = list;
    for (size_t i = 0; i < rules->count; i++) {
        if (l->file->rule_count == RULES_MAX) {
            problem(l, rules->items[i].line, rules->items[i].column, "more than %d rules in a file: split it",
                    RULES_MAX);
            return;
        }
        list[group->count] = (struct rule){0};
        if (read_rule(l, &rules->items[i], labels, group, &list[group->count])) {
            group->count++;
            l->file->rule_count++;
        } else if (list[group->count].expr) {
            expr_release(list[group->count].expr);
        }
    }
}

static bool group_name_taken(const struct rule_group *groups, size_t n, struct str name)
{
    for (size_t i = 0; i < n; i++) {
        if (str_eq(groups[i].name, name)) {
            return true;
        }
    }
    return false;
}

static void read_group(struct loader *l, const struct yaml_node *map, struct rule_group *groups, size_t n)
{
    static const char *const names[] = {"name", "interval", "query_offset", "limit", "labels", "rules", NULL};
    struct rule_group *group = &groups[n];
    if (!is_map(l, map, "a group")) {
        return;
    }
    check_keys(l, map, names, "a group");
    group->name = get_text(l, map, "name");
    const struct yaml_node *node = yaml_get(map, "name");
    if (!group->name.len) {
        problem_at(l, node ? node : map, "a group needs a name");
    } else if (group_name_taken(groups, n, group->name)) {
        problem(l, node->line, node->column, "there is a group named \"" STR_FMT "\" above",
                STR_ARG(str_slice(group->name, 0, 60)));
    }
    group->interval_ms = get_duration(l, map, "interval");
    if (group->interval_ms && group->interval_ms < 100) {
        problem_at(l, yaml_get(map, "interval"), "interval must be at least 100ms");
    }
    group->query_offset_ms = get_duration(l, map, "query_offset");
    read_limit(l, map, group);
    read_rules(l, map, group);
}

static void read_file(struct loader *l, const struct yaml_node *root)
{
    static const char *const names[] = {"groups", NULL};
    if (!is_map(l, root, "a rule file")) {
        return;
    }
    check_keys(l, root, names, "a rule file");
    const struct yaml_node *groups = yaml_get(root, "groups");
    if (!groups) {
        return;
    }
    if (groups->type != YAML_SEQUENCE) {
        problem_at(l, groups, "groups must be a list");
        return;
    }
    struct rule_group *list = arena_array(l->arena, struct rule_group, groups->count + 1);
    for (size_t i = 0; i < groups->count; i++) {
        read_group(l, &groups->items[i], list, i);
        l->file->groups = list;
        l->file->count = i + 1;
    }
}

struct rule_file *rule_file_parse(struct str name, struct str text, const struct str *skip, size_t skip_count,
                                  rule_report_fn report, void *ctx)
{
    struct rule_file *file = mem_zalloc(sizeof(*file));
    file->refs = 1;
    arena_init(&file->arena);
    file->name = arena_dup(&file->arena, name);
    struct loader l = {.file = file,
                       .arena = &file->arena,
                       .text = text,
                       .report = report,
                       .ctx = ctx,
                       .skip = skip,
                       .skip_count = skip_count};
    auto_arena scratch;
    arena_init(&scratch);
    l.ids = arena_array(&scratch, uint64_t, RULES_MAX + 1);
    struct yaml_node *root;
    struct error err = {0};
    if (yaml_parse(text, &scratch, &root, &err)) {
        problem(&l, err.line, err.column, "%.200s", err.text);
    } else {
        read_file(&l, root);
    }
    if (l.problems) {
        rule_file_unref(file);
        return NULL;
    }
    return file;
}

static int read_all(const char *path, struct buf *out, struct error *err)
{
    FILE *f = fopen(path, "rbe");
    if (!f) {
        int code = errno;
        return error_set(err, -code, "%.180s: %s", path, error_text(-code));
    }
    size_t n = 1;
    while (n && !out->failed) {
        char *p = buf_reserve(out, 1 << 16);
        n = p ? fread(p, 1, 1 << 16, f) : 0;
        out->len += n;
    }
    bool broken = ferror(f) != 0;
    fclose(f);
    if (broken) {
        return error_set(err, -EIO, "%.180s: cannot be read", path);
    }
    return out->failed ? error_set(err, ERR_LIMIT, "%.180s: larger than 4 MiB", path) : 0;
}

struct rule_file *rule_file_load(struct str path, rule_report_fn report, void *ctx)
{
    auto_free char *cpath = mem_str_dup(path);
    auto_buf text;
    struct error err = {0};
    buf_init(&text, FILE_MAX + (1u << 16));
    if (read_all(cpath, &text, &err)) {
        report(ctx, &err);
        return NULL;
    }
    return rule_file_parse(path, buf_str(&text), NULL, 0, report, ctx);
}

struct rule_file *rule_file_ref(struct rule_file *file)
{
    file->refs++;
    return file;
}

void rule_file_unref(struct rule_file *file)
{
    if (!file || --file->refs) {
        return;
    }
    for (size_t g = 0; g < file->count; g++) {
        for (size_t r = 0; r < file->groups[g].count; r++) {
            if (file->groups[g].rules[r].expr) {
                expr_release(file->groups[g].rules[r].expr);
            }
        }
    }
    arena_release(&file->arena);
    mem_free(file);
}
