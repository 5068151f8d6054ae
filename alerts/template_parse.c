#include "alerts/template_internal.h"
#include "src/base/number.h"

#include <ctype.h>

#define TEXT_MAX (64u << 10)

const char *const template_rule_vars[] = {"labels", "externalLabels", "externalURL", "value", NULL};

struct parser {
    struct str text;
    size_t pos;
    struct arena *arena;
    struct error *err;
    struct template *tmpl;
    struct str vars[TMPL_VARS_MAX];
    size_t var_count;
    int depth, range_depth;
    bool trim_next; /* "-}}" was read: the text that follows loses its leading space */
};

enum keyword {
    KW_NONE,
    KW_IF,
    KW_ELSE,
    KW_END,
    KW_RANGE,
    KW_WITH,
    KW_DEFINE,
    KW_TEMPLATE,
    KW_BLOCK,
    KW_BREAK,
    KW_CONTINUE
};
static const char *const keywords[] = {"",       "if",       "else",  "end",   "range",   "with",
                                       "define", "template", "block", "break", "continue"};

static int fail_at(struct parser *p, size_t pos, const char *what, struct str word)
{
    int line = 1, column = 1;
    for (size_t i = 0; i < pos && i < p->text.len; i++) {
        if (p->text.p[i] == '\n') {
            line++;
            column = 1;
        } else if (((unsigned char)p->text.p[i] & 0xc0) != 0x80) {
            column++;
        }
    }
    if (word.len) {
        return error_set_at(p->err, ERR_PARSE, line, column, "template: %s \"" STR_FMT "\"", what,
                            STR_ARG(str_slice(word, 0, 60)));
    }
    return error_set_at(p->err, ERR_PARSE, line, column, "template: %s", what);
}

static int fail(struct parser *p, const char *what)
{
    return fail_at(p, p->pos, what, (struct str){0});
}

static char peek(const struct parser *p, size_t ahead)
{
    return p->pos + ahead < p->text.len ? p->text.p[p->pos + ahead] : '\0';
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool is_word(char c)
{
    return c == '_' || isalnum((unsigned char)c) || ((unsigned char)c & 0x80);
}

static void skip_space(struct parser *p)
{
    while (is_space(peek(p, 0))) {
        p->pos++;
    }
}

/* "}}", or "-}}" after a space. */
static bool at_close(struct parser *p)
{
    skip_space(p);
    if (peek(p, 0) == '}' && peek(p, 1) == '}') {
        return true;
    }
    return peek(p, 0) == '-' && peek(p, 1) == '}' && peek(p, 2) == '}' && p->pos && is_space(p->text.p[p->pos - 1]);
}

static int close_action(struct parser *p)
{
    if (!at_close(p)) {
        return p->pos >= p->text.len ? fail(p, "unclosed action: \"}}\" is missing")
                                     : fail_at(p, p->pos, "unexpected", str_slice(p->text, p->pos, p->pos + 1));
    }
    p->trim_next = peek(p, 0) == '-';
    p->pos += p->trim_next ? 3 : 2;
    return 0;
}

static struct str read_word(struct parser *p)
{
    size_t from = p->pos;
    while (is_word(peek(p, 0))) {
        p->pos++;
    }
    return str_slice(p->text, from, p->pos);
}

static bool variable_known(const struct parser *p, struct str name)
{
    for (size_t i = p->var_count; i-- > 0;) {
        if (str_eq(p->vars[i], name)) {
            return true;
        }
    }
    return name.len == 0; /* "$" is the dot of the start */
}

static int declare(struct parser *p, struct str name)
{
    if (p->var_count >= TMPL_VARS_MAX - 1) {
        return fail(p, "more than 62 variables");
    }
    p->vars[p->var_count++] = name;
    return 0;
}

static void add_utf8(struct buf *out, uint32_t c)
{
    if (c < 0x80) {
        buf_add_char(out, (char)c);
    } else if (c < 0x800) {
        buf_add_char(out, (char)(0xc0 | c >> 6));
        buf_add_char(out, (char)(0x80 | (c & 0x3f)));
    } else if (c < 0x10000) {
        buf_add_char(out, (char)(0xe0 | c >> 12));
        buf_add_char(out, (char)(0x80 | (c >> 6 & 0x3f)));
        buf_add_char(out, (char)(0x80 | (c & 0x3f)));
    } else {
        buf_add_char(out, (char)(0xf0 | (c >> 18 & 7)));
        buf_add_char(out, (char)(0x80 | (c >> 12 & 0x3f)));
        buf_add_char(out, (char)(0x80 | (c >> 6 & 0x3f)));
        buf_add_char(out, (char)(0x80 | (c & 0x3f)));
    }
}

/* One escape of a quoted text; pos is behind the backslash. */
static int read_escape(struct parser *p, struct buf *out)
{
    static const char plain[] = "abfnrtv\\'\"", bytes[] = "\a\b\f\n\r\t\v\\'\"";
    char c = peek(p, 0);
    const char *at = c ? strchr(plain, c) : NULL;
    if (at) {
        buf_add_char(out, bytes[at - plain]);
        p->pos++;
        return 0;
    }
    int digits = c == 'x'                 ? 2
                 : c == 'u'               ? 4
                 : c == 'U'               ? 8
                 : (c >= '0' && c <= '7') ? 3
                                          : 0,
        base = digits == 3 ? 8 : 16;
    if (!digits) {
        return fail(p, "unknown escape in a quoted text");
    }
    p->pos += digits == 3 ? 0 : 1;
    uint32_t value = 0;
    for (int i = 0; i < digits; i++, p->pos++) {
        char d = peek(p, 0);
        int digit = isdigit((unsigned char)d) ? d - '0' : isxdigit((unsigned char)d) ? (d | 32) - 'a' + 10 : 99;
        if (digit >= base) {
            return fail(p, "bad escape in a quoted text");
        }
        value = value * (uint32_t)base + (uint32_t)digit;
    }
    if (c == 'u' || c == 'U') {
        if (value > 0x10ffff || (value >= 0xd800 && value < 0xe000)) {
            return fail(p, "escape is not a character");
        }
        add_utf8(out, value);
    } else {
        if (value > 255) {
            return fail(p, "octal escape above 377");
        }
        buf_add_char(out, (char)value);
    }
    return 0;
}

static int read_quoted(struct parser *p, char quote, struct str *out)
{
    size_t start = p->pos++;
    auto_buf text;
    buf_init(&text, TEXT_MAX);
    for (;;) {
        char c = peek(p, 0);
        if (p->pos >= p->text.len || (c == '\n' && quote != '`')) {
            return fail_at(p, start, "unterminated quoted text", (struct str){0});
        }
        p->pos++;
        if (c == quote) {
            break;
        }
        if (c == '\\' && quote != '`') {
            int rc = read_escape(p, &text);
            if (rc) {
                return rc;
            }
        } else {
            buf_add_char(&text, c);
        }
    }
    *out = arena_dup(p->arena, buf_str(&text));
    return 0;
}

static int parse_number(struct parser *p, struct tmpl_operand *op)
{
    size_t from = p->pos;
    while (is_word(peek(p, 0)) || peek(p, 0) == '.' ||
           ((peek(p, 0) == '-' || peek(p, 0) == '+') && (p->pos == from || (p->text.p[p->pos - 1] | 32) == 'e'))) {
        p->pos++;
    }
    struct str word = str_slice(p->text, from, p->pos);
    op->base = BASE_CONST;
    if (str_to_int64(word, &op->value.i)) {
        op->value.kind = TMPL_INT;
    } else if (number_parse(word, &op->value.f)) {
        op->value.kind = TMPL_FLOAT;
    } else {
        return fail_at(p, from, "bad number", word);
    }
    return 0;
}

static int parse_pipe(struct parser *p, bool in_range, bool nested, struct tmpl_pipe **out);

static int parse_paren(struct parser *p, struct tmpl_operand *op)
{
    p->pos++;
    if (++p->depth > TMPL_DEPTH_MAX) {
        return fail(p, "nested too deep");
    }
    op->base = BASE_PIPE;
    int rc = parse_pipe(p, false, true, &op->pipe);
    p->depth--;
    if (rc) {
        return rc;
    }
    skip_space(p);
    if (peek(p, 0) != ')') {
        return fail(p, "\")\" is missing");
    }
    p->pos++;
    return 0;
}

static int parse_word(struct parser *p, struct tmpl_operand *op)
{
    size_t from = p->pos;
    struct str word = read_word(p);
    op->base = BASE_CONST;
    if (str_is(word, "true") || str_is(word, "false")) {
        op->value = (struct tmpl_value){.kind = TMPL_BOOL, .b = word.p[0] == 't'};
        return 0;
    }
    if (str_is(word, "nil")) {
        return 0;
    }
    op->base = BASE_FUNC;
    op->name = word;
    op->function = tmpl_function_find(word);
    return op->function ? 0 : fail_at(p, from, "unknown function", word);
}

/* Fields follow their base without a space: "$labels.job", "(first .).Value". */
static int parse_fields(struct parser *p, struct tmpl_operand *op)
{
    struct str fields[16];
    while (peek(p, 0) == '.' && (is_word(peek(p, 1)) || op->base != BASE_DOT)) {
        p->pos++;
        struct str name = read_word(p);
        if (!name.len || isdigit((unsigned char)name.p[0])) {
            return fail(p, "a field's name is missing after \".\"");
        }
        if (op->field_count == 16) {
            return fail(p, "more than 16 fields in a row");
        }
        fields[op->field_count++] = name;
    }
    if (op->field_count) {
        op->fields = arena_array(p->arena, struct str, op->field_count);
        memcpy(op->fields, fields, op->field_count * sizeof(fields[0]));
    }
    return 0;
}

static int parse_operand(struct parser *p, struct tmpl_operand **out)
{
    struct tmpl_operand *op = arena_new(p->arena, struct tmpl_operand);
    char c = peek(p, 0);
    size_t from = p->pos;
    int rc = 0;
    if (c == '.' && !isdigit((unsigned char)peek(p, 1))) {
        op->base = BASE_DOT;
        if (!is_word(peek(p, 1))) {
            p->pos++;
            *out = op;
            return 0;
        }
    } else if (c == '$') {
        p->pos++;
        op->base = BASE_VAR;
        op->name = read_word(p);
        if (!variable_known(p, op->name)) {
            return fail_at(p, from, "undefined variable", str_slice(p->text, from, p->pos));
        }
    } else if (c == '"' || c == '`') {
        op->base = BASE_CONST;
        op->value.kind = TMPL_STRING;
        rc = read_quoted(p, c, &op->value.s);
    } else if (c == '\'') {
        struct str s;
        op->base = BASE_CONST;
        rc = read_quoted(p, c, &s);
        if (!rc && s.len != 1) {
            return fail_at(p, from, "bad character constant", (struct str){0});
        }
        op->value = rc ? op->value : (struct tmpl_value){.kind = TMPL_INT, .i = (unsigned char)s.p[0]};
    } else if (c == '(') {
        rc = parse_paren(p, op);
    } else if (isdigit((unsigned char)c) || c == '.' || c == '-' || c == '+') {
        rc = parse_number(p, op);
    } else if (is_word(c)) {
        rc = parse_word(p, op);
    } else {
        return p->pos >= p->text.len ? fail(p, "unclosed action: \"}}\" is missing")
                                     : fail_at(p, p->pos, "unexpected", str_slice(p->text, p->pos, p->pos + 1));
    }
    if (!rc && op->base != BASE_CONST && op->base != BASE_FUNC) {
        rc = parse_fields(p, op);
    }
    *out = op;
    return rc;
}

static int check_command(struct parser *p, const struct tmpl_command *cmd, bool piped)
{
    const struct tmpl_operand *first = cmd->args;
    int given = (int)cmd->count - 1 + piped;
    for (const struct tmpl_operand *op = first; op; op = op->next) {
        /* The first word is called with the others; a function among those is called without arguments. */
        const struct tmpl_function *f = op->base == BASE_FUNC ? op->function : NULL;
        int n = op == first ? given : 0;
        if (f && (n < f->min || (f->max >= 0 && n > f->max))) {
            return fail_at(p, p->pos, "wrong number of arguments for", op->name);
        }
    }
    if (first->base != BASE_FUNC && given && !first->field_count) {
        return fail(p, piped ? "the last part of a pipeline must be a function"
                             : "arguments given to what is no function");
    }
    return 0;
}

static int parse_command(struct parser *p, bool piped, struct tmpl_command **out)
{
    struct tmpl_command *cmd = arena_new(p->arena, struct tmpl_command);
    struct tmpl_operand **tail = &cmd->args;
    for (;;) {
        if (at_close(p) || peek(p, 0) == '|' || peek(p, 0) == ')') {
            break;
        }
        if (p->pos >= p->text.len) {
            return fail(p, "unclosed action: \"}}\" is missing");
        }
        if (cmd->count == TMPL_ARGS_MAX) {
            return fail(p, "more than 15 arguments");
        }
        size_t before = p->pos;
        if (cmd->count && !is_space(p->text.p[p->pos - 1]) && p->text.p[p->pos - 1] != '(') {
            return fail_at(p, before, "a space is missing before", str_slice(p->text, before, before + 1));
        }
        int rc = parse_operand(p, tail);
        if (rc) {
            return rc;
        }
        tail = &(*tail)->next;
        cmd->count++;
    }
    if (!cmd->count) {
        return fail(p, "a value is missing");
    }
    *out = cmd;
    return check_command(p, cmd, piped);
}

/* "$x :=", "$x =", "$i, $e :=": otherwise the position is put back and nothing is declared. */
static int parse_declaration(struct parser *p, bool in_range, struct tmpl_pipe *pipe)
{
    size_t start = p->pos;
    struct str names[2];
    size_t n = 0;
    while (n < 2 && peek(p, 0) == '$') {
        p->pos++;
        names[n++] = read_word(p);
        skip_space(p);
        if (n == 1 && in_range && peek(p, 0) == ',') {
            p->pos++;
            skip_space(p);
            continue;
        }
        break;
    }
    bool declares = peek(p, 0) == ':' && peek(p, 1) == '=', assigns = peek(p, 0) == '=';
    if (!n || (!declares && !assigns)) {
        p->pos = start;
        return 0;
    }
    p->pos += declares ? 2 : 1;
    pipe->assign = assigns;
    pipe->var_count = n;
    memcpy(pipe->vars, names, sizeof(names[0]) * n);
    for (size_t i = 0; assigns && i < n; i++) {
        if (!variable_known(p, names[i])) {
            return fail_at(p, start, "undefined variable", names[i]);
        }
    }
    return 0;
}

static int parse_pipe(struct parser *p, bool in_range, bool nested, struct tmpl_pipe **out)
{
    struct tmpl_pipe *pipe = arena_new(p->arena, struct tmpl_pipe);
    skip_space(p);
    int rc = nested ? 0 : parse_declaration(p, in_range, pipe);
    struct tmpl_command **tail = &pipe->commands;
    while (!rc) {
        rc = parse_command(p, tail != &pipe->commands, tail);
        if (rc || peek(p, 0) != '|') {
            break;
        }
        p->pos++;
        skip_space(p);
        tail = &(*tail)->next;
    }
    if (!rc && !nested && peek(p, 0) == ')') {
        rc = fail(p, "unexpected \")\"");
    }
    for (size_t i = 0; !rc && !pipe->assign && i < pipe->var_count; i++) {
        rc = declare(p, pipe->vars[i]);
    }
    *out = pipe;
    return rc;
}

static enum keyword read_keyword(struct parser *p)
{
    skip_space(p);
    size_t from = p->pos;
    struct str word = read_word(p);
    for (size_t i = 1; i < sizeof(keywords) / sizeof(keywords[0]); i++) {
        if (str_is(word, keywords[i])) {
            return (enum keyword)i;
        }
    }
    p->pos = from;
    return KW_NONE;
}

static int parse_nodes(struct parser *p, bool nested, struct tmpl_node **out, enum keyword *ended);

/* Body, else parts and end of if, with, range; pos is behind the pipeline's "}}". */
static int parse_branches(struct parser *p, struct tmpl_node *node)
{
    enum keyword ended;
    size_t vars = p->var_count;
    p->range_depth += node->type == NODE_RANGE;
    int rc = parse_nodes(p, true, &node->body, &ended);
    p->range_depth -= node->type == NODE_RANGE;
    p->var_count = vars;
    if (rc || ended == KW_END) {
        return rc;
    }
    enum keyword again = read_keyword(p); /* {{ else if x }}, {{ else with x }} */
    if (again == KW_IF || again == KW_WITH) {
        struct tmpl_node *chained = arena_new(p->arena, struct tmpl_node);
        chained->type = again == KW_IF ? NODE_IF : NODE_WITH;
        node->otherwise = chained;
        rc = parse_pipe(p, false, false, &chained->pipe);
        rc = rc ? rc : close_action(p);
        return rc ? rc : parse_branches(p, chained);
    }
    if (again != KW_NONE) {
        return fail_at(p, p->pos, "unexpected word after else", str_of(keywords[again]));
    }
    rc = close_action(p);
    rc = rc ? rc : parse_nodes(p, true, &node->otherwise, &ended);
    if (!rc && ended != KW_END) {
        return fail(p, "a second else");
    }
    p->var_count = vars;
    return rc;
}

static int parse_control(struct parser *p, enum keyword kw, struct tmpl_node *node)
{
    if (++p->depth > TMPL_DEPTH_MAX) {
        return fail(p, "nested too deep");
    }
    size_t vars = p->var_count;
    node->type = kw == KW_IF ? NODE_IF : kw == KW_WITH ? NODE_WITH : NODE_RANGE;
    int rc = parse_pipe(p, kw == KW_RANGE, false, &node->pipe);
    rc = rc ? rc : close_action(p);
    rc = rc ? rc : parse_branches(p, node);
    p->var_count = vars;
    p->depth--;
    return rc;
}

static int parse_name(struct parser *p, struct str *name)
{
    skip_space(p);
    char c = peek(p, 0);
    return c == '"' || c == '`' ? read_quoted(p, c, name) : fail(p, "a template's name in quotes is missing");
}

static int parse_template_call(struct parser *p, struct tmpl_node *node)
{
    node->type = NODE_TEMPLATE;
    int rc = parse_name(p, &node->text);
    if (!rc && !at_close(p)) {
        rc = parse_pipe(p, false, false, &node->pipe);
    }
    return rc ? rc : close_action(p);
}

static int parse_define(struct parser *p, bool block, struct tmpl_node *node)
{
    struct tmpl_define *define = arena_new(p->arena, struct tmpl_define);
    enum keyword ended = KW_NONE;
    size_t vars = p->var_count;
    if (++p->depth > TMPL_DEPTH_MAX) {
        return fail(p, "nested too deep");
    }
    int rc = parse_name(p, &define->name);
    if (!rc && block) {
        node->type = NODE_TEMPLATE;
        node->text = define->name;
        rc = parse_pipe(p, false, false, &node->pipe);
    }
    rc = rc ? rc : close_action(p);
    p->var_count = 0; /* a template sees only its own variables */
    rc = rc ? rc : parse_nodes(p, true, &define->body, &ended);
    p->var_count = vars;
    p->depth--;
    if (!rc && ended != KW_END) {
        rc = fail(p, "else outside if");
    }
    define->next = p->tmpl->defines;
    p->tmpl->defines = define;
    return rc;
}

/* {{/ * … * /}}: true if there was one; pos behind it. */
static int skip_comment(struct parser *p, bool *was)
{
    size_t at = p->pos;
    *was = peek(p, 0) == '/' && peek(p, 1) == '*';
    if (!*was) {
        return 0;
    }
    ptrdiff_t end = str_find(str_slice(p->text, at, p->text.len), STR("*/"));
    if (end < 0) {
        return fail(p, "unclosed comment");
    }
    p->pos = at + (size_t)end + 2;
    return close_action(p);
}

static void add_text(struct parser *p, size_t from, size_t to, bool trim_end, struct tmpl_node ***tail)
{
    while (p->trim_next && from < to && is_space(p->text.p[from])) {
        from++;
    }
    while (trim_end && from < to && is_space(p->text.p[to - 1])) {
        to--;
    }
    p->trim_next = false;
    if (from < to) {
        struct tmpl_node *node = arena_new(p->arena, struct tmpl_node);
        node->type = NODE_TEXT;
        node->text = arena_dup(p->arena, str_slice(p->text, from, to));
        **tail = node;
        *tail = &node->next;
    }
}

static int parse_action(struct parser *p, enum keyword kw, struct tmpl_node ***tail)
{
    struct tmpl_node *node = arena_new(p->arena, struct tmpl_node);
    int rc;
    node->type = NODE_ACTION;
    switch (kw) {
    case KW_IF:
    case KW_WITH:
    case KW_RANGE:
        rc = parse_control(p, kw, node);
        break;
    case KW_TEMPLATE:
        rc = parse_template_call(p, node);
        break;
    case KW_DEFINE:
        return parse_define(p, false, node);
    case KW_BLOCK:
        rc = parse_define(p, true, node);
        break;
    case KW_BREAK:
    case KW_CONTINUE:
        node->type = kw == KW_BREAK ? NODE_BREAK : NODE_CONTINUE;
        rc = p->range_depth ? close_action(p) : fail(p, "break or continue outside range");
        break;
    default:
        rc = parse_pipe(p, false, false, &node->pipe);
        rc = rc ? rc : close_action(p);
        break;
    }
    **tail = node;
    *tail = &node->next;
    return rc;
}

static int parse_nodes(struct parser *p, bool nested, struct tmpl_node **out, enum keyword *ended)
{
    struct tmpl_node **tail = out;
    for (;;) {
        ptrdiff_t open = str_find(str_slice(p->text, p->pos, p->text.len), STR("{{"));
        size_t from = p->pos, at = open < 0 ? p->text.len : p->pos + (size_t)open;
        p->pos = at + 2;
        bool trim = open >= 0 && peek(p, 0) == '-' && is_space(peek(p, 1));
        add_text(p, from, at, trim, &tail);
        if (open < 0) {
            p->pos = p->text.len;
            return nested ? fail(p, "{{ end }} is missing") : 0;
        }
        p->pos += trim;
        p->tmpl->constant = false;
        if (trim) {
            skip_space(p);
        }
        bool comment;
        int rc = skip_comment(p, &comment);
        if (rc) {
            return rc;
        }
        if (comment) {
            continue;
        }
        skip_space(p);
        size_t action = p->pos;
        enum keyword kw = read_keyword(p);
        if (kw == KW_END || kw == KW_ELSE) {
            *ended = kw;
            if (!nested) {
                return fail_at(p, action, "unexpected", str_of(keywords[kw]));
            }
            return kw == KW_END ? close_action(p) : 0;
        }
        rc = parse_action(p, kw, &tail);
        if (rc) {
            return rc;
        }
    }
}

int template_compile(struct str text, const char *const *vars, struct arena *arena, struct template **out,
                     struct error *err)
{
    struct template *tmpl = arena_new(arena, struct template);
    tmpl->vars = vars;
    tmpl->constant = true;
    struct parser p = {.text = text, .arena = arena, .err = err, .tmpl = tmpl};
    if (text.len > TEXT_MAX) {
        return error_set(err, ERR_LIMIT, "template: text is longer than 64 KiB");
    }
    for (size_t i = 0; vars && vars[i]; i++) {
        p.vars[p.var_count++] = str_of(vars[i]);
    }
    enum keyword ended;
    int rc = parse_nodes(&p, false, &tmpl->body, &ended);
    if (rc) {
        return rc;
    }
    *out = tmpl;
    return 0;
}

bool template_is_constant(const struct template *tmpl)
{
    return tmpl->constant;
}
