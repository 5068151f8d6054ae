#include "alerts/template_internal.h"
#include "src/base/number.h"

int tmpl_fail(struct tmpl_run *run, const char *fmt, ...)
{
    char text[200];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    return error_set(run->err, ERR_EXEC, "%s", text);
}

bool tmpl_truth(struct tmpl_value v)
{
    switch (v.kind) {
    case TMPL_NIL:
        return false;
    case TMPL_BOOL:
        return v.b;
    case TMPL_INT:
        return v.i != 0;
    case TMPL_FLOAT:
        return v.f != 0; /* NaN is true, as in Go */
    case TMPL_STRING:
        return v.s.len != 0;
    case TMPL_LIST:
        return v.list->n != 0;
    case TMPL_MAP:
        return v.map->n != 0;
    default:
        return true;
    }
}

const char *tmpl_type_name(struct tmpl_value v)
{
    static const char *const names[] = {
        "nil", "bool", "int", "float64", "string", "time.Time", "[]", "map[string]string", "struct"};
    return names[v.kind];
}

static void print_map(const struct tmpl_map *map, bool object, struct buf *out)
{
    buf_add(out, object ? STR("{") : STR("map["));
    for (size_t i = 0; i < map->n; i++) {
        if (i) {
            buf_add_char(out, ' ');
        }
        if (!object) {
            buf_add(out, map->v[i].key);
            buf_add_char(out, ':');
        }
        tmpl_print(map->v[i].value, out);
    }
    buf_add_char(out, object ? '}' : ']');
}

void tmpl_print(struct tmpl_value v, struct buf *out)
{
    char number[NUMBER_MAX];
    switch (v.kind) {
    case TMPL_NIL:
        buf_add(out, STR("<no value>"));
        break;
    case TMPL_BOOL:
        buf_add(out, v.b ? STR("true") : STR("false"));
        break;
    case TMPL_INT:
        buf_addf(out, "%lld", (long long)v.i);
        break;
    case TMPL_FLOAT:
        buf_add(out, str_make(number, number_format_g(v.f, number)));
        break;
    case TMPL_STRING:
        buf_add(out, v.s);
        break;
    case TMPL_TIME:
        tmpl_time_string(v.i, out);
        break;
    case TMPL_LIST:
        buf_add_char(out, '[');
        for (size_t i = 0; i < v.list->n; i++) {
            if (i) {
                buf_add_char(out, ' ');
            }
            tmpl_print(v.list->v[i], out);
        }
        buf_add_char(out, ']');
        break;
    case TMPL_MAP:
        print_map(v.map, false, out);
        break;
    case TMPL_OBJECT:
        print_map(v.map, true, out);
        break;
    }
}

struct tmpl_value tmpl_string(struct str s)
{
    return (struct tmpl_value){.kind = TMPL_STRING, .s = s};
}

struct tmpl_value tmpl_float(double v)
{
    return (struct tmpl_value){.kind = TMPL_FLOAT, .f = v};
}

struct tmpl_value tmpl_list_of(const struct tmpl_value *v, size_t n, struct arena *arena)
{
    struct tmpl_list *list = arena_new(arena, struct tmpl_list);
    struct tmpl_value *copy = arena_array(arena, struct tmpl_value, n ? n : 1);
    if (n) {
        memcpy(copy, v, n * sizeof(*v));
    }
    *list = (struct tmpl_list){copy, n};
    return (struct tmpl_value){.kind = TMPL_LIST, .list = list};
}

static struct tmpl_value map_of(const struct tmpl_field *fields, size_t n, bool methods, enum tmpl_kind kind,
                                struct arena *arena)
{
    struct tmpl_map *map = arena_new(arena, struct tmpl_map);
    struct tmpl_field *copy = arena_array(arena, struct tmpl_field, n ? n : 1);
    if (n) {
        memcpy(copy, fields, n * sizeof(*fields));
    }
    *map = (struct tmpl_map){copy, n, methods};
    return (struct tmpl_value){.kind = kind, .map = map};
}

struct tmpl_value tmpl_object(const struct tmpl_field *fields, size_t n, struct arena *arena)
{
    return map_of(fields, n, false, TMPL_OBJECT, arena);
}

struct tmpl_value tmpl_labels(struct labels labels, bool methods, struct arena *arena)
{
    struct tmpl_field fields[LABELS_MAX];
    size_t n = labels.n < LABELS_MAX ? labels.n : LABELS_MAX;
    for (size_t i = 0; i < n; i++) {
        fields[i] = (struct tmpl_field){labels.v[i].name, tmpl_string(labels.v[i].value)};
    }
    return map_of(fields, n, methods, TMPL_MAP, arena);
}

static const struct tmpl_value *map_find(const struct tmpl_map *map, struct str name)
{
    for (size_t i = 0; i < map->n; i++) {
        if (str_eq(map->v[i].key, name)) {
            return &map->v[i].value;
        }
    }
    return NULL;
}

static struct tmpl_value sorted_pairs(const struct tmpl_map *map, struct arena *arena)
{
    struct tmpl_value *pairs = arena_array(arena, struct tmpl_value, map->n + 1);
    size_t n = 0;
    for (int pass = 0; pass < 2; pass++) { /* Alertmanager puts alertname first */
        for (size_t i = 0; i < map->n; i++) {
            if (str_is(map->v[i].key, "alertname") == (pass == 0)) {
                struct tmpl_field f[2] = {{STR("Name"), tmpl_string(map->v[i].key)}, {STR("Value"), map->v[i].value}};
                pairs[n++] = tmpl_object(f, 2, arena);
            }
        }
    }
    return tmpl_list_of(pairs, n, arena);
}

static bool map_method(const struct tmpl_map *map, struct str name, struct arena *arena, struct tmpl_value *out)
{
    if (str_is(name, "SortedPairs")) {
        *out = sorted_pairs(map, arena);
        return true;
    }
    bool names = str_is(name, "Names");
    if (!names && !str_is(name, "Values")) {
        return false;
    }
    struct tmpl_value *list = arena_array(arena, struct tmpl_value, map->n + 1);
    for (size_t i = 0; i < map->n; i++) {
        list[i] = names ? tmpl_string(map->v[i].key) : map->v[i].value;
    }
    *out = tmpl_list_of(list, map->n, arena);
    return true;
}

/* .Alerts.Firing and .Alerts.Resolved: those of a list whose Status says so. */
static bool list_method(struct tmpl_run *run, const struct tmpl_list *list, struct str name, struct tmpl_value *out)
{
    bool firing = str_is(name, "Firing");
    if (!firing && !str_is(name, "Resolved")) {
        return false;
    }
    struct tmpl_value *kept = arena_array(run->env->arena, struct tmpl_value, list->n + 1);
    size_t n = 0;
    for (size_t i = 0; i < list->n; i++) {
        const struct tmpl_value *status =
            list->v[i].kind == TMPL_OBJECT ? map_find(list->v[i].map, STR("Status")) : NULL;
        if (status && status->kind == TMPL_STRING && str_is(status->s, firing ? "firing" : "resolved")) {
            kept[n++] = list->v[i];
        }
    }
    *out = tmpl_list_of(kept, n, run->env->arena);
    return true;
}

int tmpl_field_get(struct tmpl_run *run, struct tmpl_value v, struct str name, struct tmpl_value *out)
{
    struct tmpl_value result = {0};
    const struct tmpl_value *found = NULL;
    switch (v.kind) {
    case TMPL_MAP:
        if (v.map->methods && map_method(v.map, name, run->env->arena, &result)) {
            break;
        }
        found = map_find(v.map, name);
        result = found ? *found : tmpl_string(STR(""));
        break;
    case TMPL_OBJECT:
        found = map_find(v.map, name);
        if (!found) {
            return tmpl_fail(run, "there is no field " STR_FMT, STR_ARG(str_slice(name, 0, 60)));
        }
        result = *found;
        break;
    case TMPL_LIST:
        if (list_method(run, v.list, name, &result)) {
            break;
        }
        /* fall through */
    default:
        return tmpl_fail(run, "can't evaluate field " STR_FMT " in type %s", STR_ARG(str_slice(name, 0, 60)),
                         tmpl_type_name(v));
    }
    *out = result;
    return 0;
}

static int step(struct tmpl_run *run)
{
    return ++run->steps > TMPL_STEPS_MAX ? tmpl_fail(run, "more than 200,000 steps") : 0;
}

static int eval_pipe(struct tmpl_run *run, const struct tmpl_pipe *pipe, struct tmpl_value dot, bool declare,
                     struct tmpl_value *out);

static size_t find_var(const struct tmpl_run *run, struct str name)
{
    for (size_t i = run->var_count; i-- > run->var_base;) {
        if (str_eq(run->vars[i].name, name)) {
            return i;
        }
    }
    return SIZE_MAX;
}

static int push_var(struct tmpl_run *run, struct str name, struct tmpl_value value)
{
    if (run->var_count == TMPL_VARS_MAX) {
        return tmpl_fail(run, "more than %d variables at once", TMPL_VARS_MAX);
    }
    run->vars[run->var_count].name = name;
    run->vars[run->var_count++].value = value;
    return 0;
}

/* .StartsAt.Format "15:04": the one method with an argument that texts use. */
static int time_method(struct tmpl_run *run, struct tmpl_value v, struct str name, const struct tmpl_value *args,
                       size_t n, struct tmpl_value *out)
{
    if (str_is(name, "Unix") && n == 0) {
        *out = (struct tmpl_value){.kind = TMPL_INT, .i = v.i / 1000};
    } else if ((str_is(name, "UTC") || str_is(name, "Local")) && n == 0) {
        *out = v;
    } else if (str_is(name, "Format") && n == 1 && args[0].kind == TMPL_STRING) {
        auto_buf text;
        buf_init(&text, 4096);
        tmpl_time_format(v.i, args[0].s, &text);
        *out = tmpl_string(arena_dup(run->env->arena, buf_str(&text)));
    } else {
        return tmpl_fail(run, "can't evaluate ." STR_FMT " of a time", STR_ARG(str_slice(name, 0, 60)));
    }
    return 0;
}

static int call_method(struct tmpl_run *run, struct tmpl_value v, struct str name, const struct tmpl_value *args,
                       size_t n, struct tmpl_value *out)
{
    if (v.kind == TMPL_TIME) {
        return time_method(run, v, name, args, n, out);
    }
    if (v.kind == TMPL_MAP && v.map->methods && str_is(name, "Remove") && n == 1 && args[0].kind == TMPL_LIST) {
        struct tmpl_field *kept = arena_array(run->env->arena, struct tmpl_field, v.map->n + 1);
        size_t count = 0;
        for (size_t i = 0; i < v.map->n; i++) {
            bool gone = false;
            for (size_t k = 0; k < args[0].list->n; k++) {
                struct tmpl_value key = args[0].list->v[k];
                gone = gone || (key.kind == TMPL_STRING && str_eq(key.s, v.map->v[i].key));
            }
            if (!gone) {
                kept[count++] = v.map->v[i];
            }
        }
        *out = map_of(kept, count, true, TMPL_MAP, run->env->arena);
        return 0;
    }
    if (n) {
        return tmpl_fail(run, STR_FMT " takes no arguments", STR_ARG(str_slice(name, 0, 60)));
    }
    return tmpl_field_get(run, v, name, out);
}

static int eval_operand(struct tmpl_run *run, const struct tmpl_operand *op, struct tmpl_value dot,
                        const struct tmpl_value *args, size_t n, struct tmpl_value *out)
{
    struct tmpl_value v = {0};
    int rc = step(run);
    switch (op->base) {
    case BASE_DOT:
        v = dot;
        break;
    case BASE_CONST:
        v = op->value;
        break;
    case BASE_VAR: {
        size_t i = find_var(run, op->name);
        if (i == SIZE_MAX) {
            return tmpl_fail(run, "undefined variable $" STR_FMT, STR_ARG(op->name));
        }
        v = run->vars[i].value;
        break;
    }
    case BASE_PIPE:
        rc = rc ? rc : eval_pipe(run, op->pipe, dot, false, &v);
        break;
    case BASE_FUNC:
        rc = rc ? rc : op->function->fn(run, NULL, 0, &v);
        break;
    }
    for (size_t i = 0; !rc && i < op->field_count; i++) {
        bool last = i + 1 == op->field_count;
        rc = call_method(run, v, op->fields[i], last ? args : NULL, last ? n : 0, &v);
    }
    *out = v;
    return rc;
}

/* and, or: arguments after the one that decides are not evaluated. */
static int eval_lazy(struct tmpl_run *run, const struct tmpl_command *cmd, struct tmpl_value dot,
                     const struct tmpl_value *piped, struct tmpl_value *out)
{
    bool stop_at = str_is(cmd->args->name, "or");
    struct tmpl_value v = {0};
    for (const struct tmpl_operand *op = cmd->args->next; op; op = op->next) {
        int rc = eval_operand(run, op, dot, NULL, 0, &v);
        if (rc) {
            return rc;
        }
        if (tmpl_truth(v) == stop_at) {
            *out = v;
            return 0;
        }
    }
    *out = piped ? *piped : v;
    return 0;
}

static int eval_command(struct tmpl_run *run, const struct tmpl_command *cmd, struct tmpl_value dot,
                        const struct tmpl_value *piped, struct tmpl_value *out)
{
    const struct tmpl_operand *first = cmd->args;
    if (first->base == BASE_FUNC && !first->function->fn) {
        return eval_lazy(run, cmd, dot, piped, out);
    }
    struct tmpl_value args[TMPL_ARGS_MAX + 1];
    size_t n = 0;
    for (const struct tmpl_operand *op = first->next; op; op = op->next) {
        int rc = eval_operand(run, op, dot, NULL, 0, &args[n++]);
        if (rc) {
            return rc;
        }
    }
    if (piped) {
        args[n++] = *piped;
    }
    if (first->base != BASE_FUNC) {
        return eval_operand(run, first, dot, args, n, out);
    }
    int rc = step(run);
    rc = rc ? rc : first->function->fn(run, args, n, out);
    if (rc && run->err && run->err->code == rc) {
        error_prefix(run->err, "error calling %s", first->function->name);
    }
    return rc;
}

static int eval_pipe(struct tmpl_run *run, const struct tmpl_pipe *pipe, struct tmpl_value dot, bool declare,
                     struct tmpl_value *out)
{
    struct tmpl_value v = {0};
    const struct tmpl_value *piped = NULL;
    if (++run->depth > 2 * TMPL_DEPTH_MAX) {
        return tmpl_fail(run, "nested too deep");
    }
    for (const struct tmpl_command *cmd = pipe->commands; cmd; cmd = cmd->next) {
        struct tmpl_value before = v;
        int rc = eval_command(run, cmd, dot, piped ? &before : NULL, &v);
        if (rc) {
            return rc;
        }
        piped = &v;
    }
    run->depth--;
    for (size_t i = 0; declare && i < pipe->var_count; i++) {
        if (!pipe->assign) {
            int rc = push_var(run, pipe->vars[i], v);
            if (rc) {
                return rc;
            }
            continue;
        }
        size_t at = find_var(run, pipe->vars[i]);
        if (at == SIZE_MAX) {
            return tmpl_fail(run, "undefined variable $" STR_FMT, STR_ARG(pipe->vars[i]));
        }
        run->vars[at].value = v;
    }
    *out = v;
    return 0;
}

static int walk(struct tmpl_run *run, const struct tmpl_node *node, struct tmpl_value dot);

static int range_once(struct tmpl_run *run, const struct tmpl_node *node, struct tmpl_value key, struct tmpl_value item)
{
    const struct tmpl_pipe *pipe = node->pipe;
    size_t vars = run->var_count;
    int rc = 0;
    if (pipe->var_count == 2) {
        rc = push_var(run, pipe->vars[0], key);
    }
    if (!rc && pipe->var_count) {
        rc = push_var(run, pipe->vars[pipe->var_count - 1], item);
    }
    rc = rc ? rc : step(run);
    rc = rc ? rc : walk(run, node->body, item);
    run->var_count = vars;
    return rc;
}

static int walk_range(struct tmpl_run *run, const struct tmpl_node *node, struct tmpl_value dot)
{
    struct tmpl_value over;
    int rc = eval_pipe(run, node->pipe, dot, false, &over);
    if (rc) {
        return rc;
    }
    bool keyed = over.kind == TMPL_MAP;
    if (!keyed && over.kind != TMPL_LIST && over.kind != TMPL_NIL) {
        return tmpl_fail(run, "range can't iterate over %s", tmpl_type_name(over));
    }
    size_t n = over.kind == TMPL_NIL ? 0 : keyed ? over.map->n : over.list->n;
    for (size_t i = 0; i < n; i++) {
        struct tmpl_value key =
            keyed ? tmpl_string(over.map->v[i].key) : (struct tmpl_value){.kind = TMPL_INT, .i = (int64_t)i};
        rc = range_once(run, node, key, keyed ? over.map->v[i].value : over.list->v[i]);
        if (rc) {
            return rc;
        }
        bool broke = run->flow == FLOW_BREAK;
        run->flow = FLOW_NONE;
        if (broke) {
            break;
        }
    }
    return n ? 0 : walk(run, node->otherwise, dot);
}

static int walk_template(struct tmpl_run *run, const struct tmpl_node *node, struct tmpl_value dot)
{
    const struct tmpl_define *define = run->tmpl->defines;
    while (define && !str_eq(define->name, node->text)) {
        define = define->next;
    }
    if (!define) {
        return tmpl_fail(run, "template \"" STR_FMT "\" is not defined", STR_ARG(str_slice(node->text, 0, 60)));
    }
    struct tmpl_value arg = {0};
    int rc = node->pipe ? eval_pipe(run, node->pipe, dot, false, &arg) : 0;
    if (rc) {
        return rc;
    }
    size_t vars = run->var_count, base = run->var_base;
    run->var_base = vars;
    rc = push_var(run, STR(""), arg);
    rc = rc ? rc : walk(run, define->body, arg);
    run->var_count = vars;
    run->var_base = base;
    return rc;
}

static int walk_one(struct tmpl_run *run, const struct tmpl_node *node, struct tmpl_value dot)
{
    struct tmpl_value v;
    size_t vars = run->var_count;
    int rc = 0;
    switch (node->type) {
    case NODE_TEXT:
        buf_add(run->out, node->text);
        break;
    case NODE_ACTION:
        rc = eval_pipe(run, node->pipe, dot, true, &v);
        if (!rc && !node->pipe->var_count) {
            tmpl_print(v, run->out);
        }
        return rc; /* variables stay for the rest of the list */
    case NODE_IF:
    case NODE_WITH:
        rc = eval_pipe(run, node->pipe, dot, true, &v);
        if (!rc) {
            bool yes = tmpl_truth(v);
            rc = walk(run, yes ? node->body : node->otherwise, yes && node->type == NODE_WITH ? v : dot);
        }
        break;
    case NODE_RANGE:
        rc = walk_range(run, node, dot);
        break;
    case NODE_TEMPLATE:
        rc = walk_template(run, node, dot);
        break;
    case NODE_BREAK:
        run->flow = FLOW_BREAK;
        break;
    case NODE_CONTINUE:
        run->flow = FLOW_CONTINUE;
        break;
    }
    run->var_count = vars;
    return rc;
}

static int walk(struct tmpl_run *run, const struct tmpl_node *node, struct tmpl_value dot)
{
    if (++run->depth > 2 * TMPL_DEPTH_MAX) {
        return tmpl_fail(run, "nested too deep");
    }
    size_t vars = run->var_count;
    int rc = 0;
    for (; node && !rc && run->flow == FLOW_NONE; node = node->next) {
        rc = step(run);
        rc = rc ? rc : walk_one(run, node, dot);
        if (!rc && (run->out->failed || run->out->len > TEMPLATE_OUTPUT_MAX)) {
            rc = tmpl_fail(run, "the text is longer than 64 KiB");
        }
    }
    run->var_count = vars;
    run->depth--;
    return rc;
}

int template_run(const struct template *tmpl, const struct tmpl_env *env, struct buf *out, struct error *err)
{
    struct error own = {0};
    struct tmpl_run run = {.env = env, .tmpl = tmpl, .out = out, .err = err ? err : &own};
    run.vars[0].name = STR("");
    run.vars[0].value = env->dot;
    run.var_count = 1;
    for (size_t i = 0; tmpl->vars && tmpl->vars[i]; i++) {
        run.vars[run.var_count].name = str_of(tmpl->vars[i]);
        run.vars[run.var_count++].value = env->vars[i];
    }
    return walk(&run, tmpl->body, env->dot);
}
