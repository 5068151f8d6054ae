/* Shared by the files of the template interpreter only: tree, run state, functions. */
#pragma once
#include "alerts/template.h"

struct tmpl_pipe;

/* One argument: a base followed by .Field.Field */
struct tmpl_operand {
    enum tmpl_base { BASE_DOT, BASE_CONST, BASE_VAR, BASE_FUNC, BASE_PIPE } base;
    struct tmpl_value value; /* BASE_CONST */
    struct str name;         /* BASE_VAR (without '$'), BASE_FUNC */
    const struct tmpl_function *function;
    struct tmpl_pipe *pipe;
    struct str *fields;
    size_t field_count;
    struct tmpl_operand *next;
};
struct tmpl_command {
    struct tmpl_operand *args;
    size_t count;
    struct tmpl_command *next;
};
struct tmpl_pipe {
    struct str vars[2]; /* {{ $a := … }}, {{ range $i, $e := … }} */
    size_t var_count;
    bool assign; /* "=": sets a variable that exists */
    struct tmpl_command *commands;
};

enum tmpl_node_type {
    NODE_TEXT,
    NODE_ACTION,
    NODE_IF,
    NODE_RANGE,
    NODE_WITH,
    NODE_TEMPLATE,
    NODE_BREAK,
    NODE_CONTINUE
};
struct tmpl_node {
    enum tmpl_node_type type;
    struct str text; /* NODE_TEXT; NODE_TEMPLATE: name */
    struct tmpl_pipe *pipe;
    struct tmpl_node *body, *otherwise;
    struct tmpl_node *next;
};
struct tmpl_define {
    struct str name;
    struct tmpl_node *body;
    struct tmpl_define *next;
};
struct template
{
    struct tmpl_node *body;
    struct tmpl_define *defines;
    const char *const *vars;
    bool constant;
};

#define TMPL_STEPS_MAX 200000
#define TMPL_DEPTH_MAX 32
#define TMPL_VARS_MAX  64
#define TMPL_ARGS_MAX  16

struct tmpl_run {
    const struct tmpl_env *env;
    const struct template *tmpl;
    struct buf *out;
    struct error *err;
    uint32_t steps;
    int depth;
    struct {
        struct str name;
        struct tmpl_value value;
    } vars[TMPL_VARS_MAX];
    size_t var_count, var_base; /* names below var_base belong to a calling template */
    enum { FLOW_NONE, FLOW_BREAK, FLOW_CONTINUE } flow;
};

/* 0 or a negative code with run->err set. */
typedef int (*tmpl_fn)(struct tmpl_run *run, const struct tmpl_value *args, size_t n, struct tmpl_value *out);
struct tmpl_function {
    const char *name;
    int min, max; /* max -1: any number */
    tmpl_fn fn;   /* NULL: "and", "or", evaluated lazily */
};
const struct tmpl_function *tmpl_function_find(struct str name);
#define TMPL_FUNCTION(name)                                                                                            \
    int name(struct tmpl_run *run, const struct tmpl_value *args, size_t n, struct tmpl_value *out)
int tmpl_need_number(struct tmpl_run *run, struct tmpl_value v, double *out);
int tmpl_need_string(struct tmpl_run *run, struct tmpl_value v, struct str *out);
int tmpl_text_result(struct tmpl_run *run, struct buf *text, struct tmpl_value *out);
/* template_humanize.c */
TMPL_FUNCTION(fn_humanize);
TMPL_FUNCTION(fn_humanize1024);
TMPL_FUNCTION(fn_humanize_duration);
TMPL_FUNCTION(fn_humanize_percentage);
TMPL_FUNCTION(fn_to_time);
TMPL_FUNCTION(fn_humanize_timestamp);
TMPL_FUNCTION(fn_parse_duration);
TMPL_FUNCTION(fn_now);
TMPL_FUNCTION(fn_date);
TMPL_FUNCTION(fn_external_url);
TMPL_FUNCTION(fn_path_prefix);
TMPL_FUNCTION(fn_graph_link);
TMPL_FUNCTION(fn_table_link);
TMPL_FUNCTION(fn_strip_port);
TMPL_FUNCTION(fn_strip_domain);

int tmpl_fail(struct tmpl_run *run, const char *fmt, ...) PRINTF_LIKE(2, 3);
bool tmpl_truth(struct tmpl_value v);
void tmpl_print(struct tmpl_value v, struct buf *out); /* fmt.Sprint of one value */
const char *tmpl_type_name(struct tmpl_value v);       /* Go's word: "string", "float64", … */
int tmpl_field_get(struct tmpl_run *run, struct tmpl_value v, struct str name, struct tmpl_value *out);
void tmpl_printf(struct str format, const struct tmpl_value *args, size_t n, struct buf *out);
void tmpl_json(struct tmpl_value v, struct buf *out);
/* Go's time.Format for UTC; "2026-11-22 07:15:17.048 +0000 UTC" is time_string(). */
void tmpl_time_format(int64_t wall_ms, struct str layout, struct buf *out);
void tmpl_time_string(int64_t wall_ms, struct buf *out);
/* A number, or a text that is one. */
bool tmpl_number(struct tmpl_value v, double *out);
