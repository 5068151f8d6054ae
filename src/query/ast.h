/*
 * The tree of a PromQL expression: what parse.c builds, check.c types, print.c writes and eval*.c runs.
 *
 * Ownership: nodes and texts live in the arena of query_parse(); only regexes of matchers are heap memory, freed by
 * expr_release(). A tree is never changed after query_parse(), so that several threads may evaluate it.
 */
#pragma once
#include "src/query/query.h"

/* Deeper trees are refused: every pass over a tree is recursive and web threads have small stacks. */
#define EXPR_DEPTH_MAX     400
#define DURATION_DEPTH_MAX 100 /* of one duration's arithmetic */
#define QUERY_TEXT_MAX     (256 * 1024)

enum expr_kind {
    EXPR_NUMBER,
    EXPR_STRING,
    EXPR_SELECTOR, /* name{matchers} */
    EXPR_RANGE,    /* selector[range] */
    EXPR_SUBQUERY, /* expr[range:step] */
    EXPR_CALL,
    EXPR_AGGREGATE,
    EXPR_BINARY,
    EXPR_UNARY, /* minus or plus */
    EXPR_PAREN,
};

enum binary_op {
    OP_ADD,
    OP_SUB,
    OP_MUL,
    OP_DIV,
    OP_MOD,
    OP_POW,
    OP_ATAN2,
    OP_EQ,
    OP_NE,
    OP_GT,
    OP_LT,
    OP_GE,
    OP_LE,
    OP_AND,
    OP_OR,
    OP_UNLESS,
    OP_COUNT
};
static inline bool op_is_comparison(enum binary_op op)
{
    return op >= OP_EQ && op <= OP_LE;
}
static inline bool op_is_set(enum binary_op op)
{
    return op >= OP_AND && op <= OP_UNLESS;
}
const char *op_text(enum binary_op op);

enum aggregate_op {
#define FUNCTION(...)
#define AGGREGATION(id, ...) id,
#include "src/query/functions.def"
#undef AGGREGATION
#undef FUNCTION
    AGGR_COUNT_OF
};

enum at_kind { AT_NONE, AT_TIME, AT_START, AT_END };

enum duration_op {
    DURATION_NUMBER,
    DURATION_STEP,
    DURATION_RANGE,
    DURATION_MIN_OF,
    DURATION_MAX_OF,
    DURATION_MINUS, /* of rhs */
    DURATION_PAREN, /* around rhs */
    DURATION_ADD,
    DURATION_SUB,
    DURATION_MUL,
    DURATION_DIV,
    DURATION_MOD,
    DURATION_POW,
};
static inline bool duration_op_is_infix(enum duration_op op)
{
    return op >= DURATION_ADD;
}

/* Arithmetic in place of a duration, "step() * 2 + 1m", in seconds (durations.c). */
struct duration_expr {
    enum duration_op op;
    int line, column; /* of the operator, if it stands between two operands; else of the beginning */
    int depth;
    bool varies;   /* with the query: step() or range() is in it */
    bool has_unit; /* DURATION_NUMBER: written as 5m */
    double seconds;
    const struct duration_expr *lhs, *rhs;
};

/* offset and @ of a selector or subquery. */
struct time_shift {
    int64_t offset_ms;
    const struct duration_expr *offset; /* what offset_ms was written as, if not as a number; it may vary */
    enum at_kind at;
    int64_t at_ms; /* AT_TIME */
    bool has_offset;
};

/* Which samples a selector or range looks at (extended.h). */
enum extent { EXTENT_WINDOW, EXTENT_ANCHORED, EXTENT_SMOOTHED };

struct name_list {
    const struct str *v; /* sorted, unique: so that label sets can be walked in step */
    size_t n;
    const struct str *written; /* as they stand in the text: for printing */
    size_t written_n;
};

/* A value for a side's series that the other side would match, but which are not there. */
struct fill_value {
    bool given;
    double value;
};

enum match_card { CARD_ONE_TO_ONE, CARD_MANY_TO_ONE, CARD_ONE_TO_MANY, CARD_MANY_TO_MANY };
struct vector_matching {
    bool given; /* on or ignoring was written */
    bool on;
    enum match_card card;
    struct name_list names;
    struct name_list include; /* group_left(…) */
    struct fill_value fill_left, fill_right;
};

struct function;

struct expr {
    enum expr_kind kind;
    enum value_type type;
    uint32_t start, end; /* byte offsets into the query's text, end exclusive */
    int line, column;    /* of start */
    int depth;
    bool varies;             /* step() or range() is in it: only what expr_resolve() makes of it can be evaluated */
    struct time_shift shift; /* selector, range (a copy of its selector's), subquery */
    enum extent extent;      /* selector, range (its selector's is EXTENT_WINDOW) */
    union {
        struct {
            double value;
            bool duration; /* written as 5m: printed so again */
        } number;
        struct str string;
        struct {
            struct matcher *matchers;
            size_t matcher_count;
            struct str name; /* as written before '{', or quoted within it; p is NULL if neither */
            bool name_before;
            bool selective; /* at least one matcher does not match the empty text */
        } selector;
        struct {
            struct expr *expr; /* EXPR_RANGE: an EXPR_SELECTOR */
            int64_t range_ms;
            int64_t step_ms;                          /* subquery; 0: default */
            const struct duration_expr *range, *step; /* as time_shift.offset */
        } range;
        struct {
            const struct function *function;
            struct expr **args;
            size_t arg_count;
        } call;
        struct {
            enum aggregate_op op;
            bool grouped, without; /* "by ()" is grouped too */
            struct name_list names;
            struct expr *param; /* topk, bottomk, quantile, count_values, limitk, limit_ratio */
            struct expr *expr;
        } aggregate;
        struct {
            enum binary_op op;
            bool return_bool;
            struct vector_matching matching;
            struct expr *lhs, *rhs;
            int op_line, op_column;
        } binary;
        struct {
            bool negate;
            struct expr *expr;
        } unary;
        struct expr *paren;
    };
};

/* The expression inside any parentheses. */
static inline const struct expr *expr_strip(const struct expr *expr)
{
    while (expr->kind == EXPR_PAREN) {
        expr = expr->paren;
    }
    return expr;
}

/* The i-th part of it that is an expression; NULL: there are no more. */
const struct expr *expr_child(const struct expr *expr, size_t i);

/* "instant vector", "range vector", "scalar", "string": how texts for people name a type. */
const char *value_type_text(enum value_type type);

/* Parts of expr_print(), for pretty.c: "sum by (a) ", "* on (a) group_left ()", "[1h:5m] @ 5.000 offset 1m". */
void expr_print_aggregation(const struct expr *e, struct buf *out);
void expr_print_operator(const struct expr *e, struct buf *out);
void expr_print_left(const struct expr *e, struct buf *out); /* the left operand of a binary expression */
void expr_print_range(const struct expr *e, struct buf *out);

/* What step() and range() are in a query, in seconds; both are 0 in an instant query. */
struct duration_scope {
    double step, range;
};
/* The value in milliseconds, cut to whole ones. ERR_PARSE with the place: what divides by zero, is out of range or, if
 * it must be `positive`, is not. */
int duration_value(const struct duration_expr *d, struct duration_scope scope, bool positive, int64_t *ms,
                   struct error *err) MUST_USE;
/* "step()", "min_of", "*": as Prometheus names it. */
const char *duration_op_text(enum duration_op op);
/* An expression that varies with the query as it is in one of this range and step (in the arena, without
 * duration_exprs; never to be released: it borrows), any other as it is. ERR_PARSE with the place in the text, too. */
int expr_resolve(const struct expr *expr, struct duration_scope scope, struct arena *arena, const struct expr **out,
                 struct error *err) MUST_USE;
struct duration_scope duration_scope_of(int64_t start_ms, int64_t end_ms, int64_t step_ms);

/* s in double quotes with Go's escapes (print.c). */
void text_quote(struct str s, struct buf *out);
/* Without an exponent whatever the size: FormatFloat(v, 'f', -1). */
void number_plain(double v, struct buf *out);

/* Which samples a range query's step at time t depends on at most: those up to t + forward_ms, and those up to fixed_ms
 * (INT64_MIN: none is fixed). whole_range: also on where the query's range begins or ends (reach.c). */
struct expr_reach {
    bool whole_range;
    int64_t forward_ms, fixed_ms;
};
/* Of what expr_resolve() gave. */
struct expr_reach expr_reach(const struct expr *expr);

/* Sets types bottom up and refuses what cannot be evaluated (check.c). */
int expr_check(struct expr *expr, struct error *err) MUST_USE;
