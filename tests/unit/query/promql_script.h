/*
 * Reader of PromQL test scripts (syntax of Prometheus' promqltest): load, clear, eval, expect.
 *
 *   load 5m                                  series lines follow: name{labels} values
 *     http_requests{job="a"} 0+10x3 _ stale  0 10 20 30, nothing, stale marker
 *   eval instant at 50m EXPR                 expected rows follow: {labels} value, or one number for a scalar
 *   eval range from 0 to 10m step 1m EXPR    expected rows: {labels} value value _ value
 *     expect fail | ordered | warn | info | no_warn | no_info [msg: TEXT]
 *     expect string "TEXT"
 *     expect range vector from A to B step S
 *   clear
 */
#pragma once
#include "src/base/clock.h"
#include "src/base/number.h"
#include "src/model/sample.h"
#include "src/query/lex.h"

#include <ctype.h>

struct script_value {
    bool present, native;
    double v;
};
struct script_row {
    struct labels labels;
    vec(struct script_value) values;
    bool native;
};
struct script_note {
    enum { NOTE_FAIL, NOTE_WARN, NOTE_INFO, NOTE_NO_WARN, NOTE_NO_INFO } kind;
    struct str text; /* p == NULL: any */
};
struct script_eval {
    int line;
    struct str expr;
    bool range, fail, ordered, range_vector, has_scalar, has_string;
    int64_t start_ms, end_ms, step_ms;
    double scalar;
    struct str string;
    vec(struct script_row) rows;
    vec(struct script_note) notes;
};

struct script {
    struct arena arena;
    struct str rest;
    int line;
    struct error err;
};

static inline bool script_word(struct str *s, struct str *out)
{
    *s = str_trim(*s);
    size_t n = 0;
    while (n < s->len && s->p[n] != ' ' && s->p[n] != '\t') {
        n++;
    }
    *out = str_slice(*s, 0, n);
    *s = str_trim(str_slice(*s, n, s->len));
    return n > 0;
}

static inline bool script_duration(struct str s, int64_t *ms)
{
    if (str_is(s, "0")) {
        *ms = 0;
        return true;
    }
    return duration_parse(s, ms);
}

/* The next line, comments blanked; false at the end. */
static inline bool script_line(struct script *s, struct str *out)
{
    if (!s->rest.len) {
        return false;
    }
    *out = str_trim(str_split(&s->rest, '\n'));
    s->line++;
    if (out->len && out->p[0] == '#') {
        out->len = 0;
    }
    return true;
}

/* name{a="b", "quoted"="c"} at the start of *rest. */
static inline bool script_labels(struct script *s, struct str *rest, struct labels *out)
{
    struct labels_builder b;
    labels_builder_init(&b, &s->arena);
    size_t n = 0;
    while (n < rest->len && (isalnum((unsigned char)rest->p[n]) || rest->p[n] == '_' || rest->p[n] == ':')) {
        n++;
    }
    if (n) {
        labels_set(&b, METRIC_NAME, str_slice(*rest, 0, n));
    }
    *rest = str_trim(str_slice(*rest, n, rest->len));
    if (!rest->len || rest->p[0] != '{' || str_starts(*rest, STR("{{"))) {
        *out = labels_finish(&b, true);
        return n > 0;
    }
    struct lexer lexer;
    struct token tok;
    lexer_init(&lexer, *rest);
    bool ok = lexer_next(&lexer, &tok, &s->err) == 0 && lexer_next(&lexer, &tok, &s->err) == 0;
    while (ok && tok.kind != TOKEN_RBRACE) {
        struct str name = tok.text, value;
        bool quoted = tok.kind == TOKEN_STRING;
        ok = (!quoted || token_unquote(&tok, &s->arena, &name, &s->err) == 0) && lexer_next(&lexer, &tok, &s->err) == 0;
        if (ok && tok.kind == TOKEN_ASSIGN) {
            ok = lexer_next(&lexer, &tok, &s->err) == 0 && tok.kind == TOKEN_STRING &&
                 token_unquote(&tok, &s->arena, &value, &s->err) == 0 && lexer_next(&lexer, &tok, &s->err) == 0;
            labels_set(&b, name, ok ? value : STR(""));
        } else if (ok && quoted) {
            labels_set(&b, METRIC_NAME, name);
        }
        if (ok && tok.kind == TOKEN_COMMA) {
            ok = lexer_next(&lexer, &tok, &s->err) == 0;
        }
    }
    *rest = str_trim(str_slice(*rest, lexer.pos, rest->len));
    *out = labels_finish(&b, true);
    return ok;
}

static inline bool script_number(struct str s, double *out)
{
    struct str body = s;
    bool negative = body.len && body.p[0] == '-';
    if (body.len && (body.p[0] == '-' || body.p[0] == '+')) {
        body = str_slice(body, 1, body.len);
    }
    if (!body.len || !(isalnum((unsigned char)body.p[0]) || body.p[0] == '.')) {
        return false;
    }
    if (!number_parse(body, out)) {
        return false;
    }
    *out = negative ? -*out : *out;
    return true;
}

/* "12", "1+2x3", "1-2x3", "5x3" */
static inline bool script_item(struct str item, struct script_row *row)
{
    size_t times = 0, sign = 0;
    ptrdiff_t x = str_find_char(item, 'x');
    int64_t count;
    if (x > 0 && /* no hexadecimal numbers here: 0x3 is 0 four times */ str_to_int64(
                     str_slice(item, (size_t)x + 1, item.len), &count)) {
        times = (size_t)count;
        item = str_slice(item, 0, (size_t)x);
    }
    for (size_t i = 1; i < item.len; i++) {
        if ((item.p[i] == '+' || item.p[i] == '-') && (item.p[i - 1] | 0x20) != 'e') {
            sign = i;
        }
    }
    double v, step = 0;
    if (!script_number(sign ? str_slice(item, 0, sign) : item, &v) ||
        (sign && !script_number(str_slice(item, sign, item.len), &step))) {
        return false;
    }
    for (size_t i = 0; i <= times; i++, v += step) {
        vec_push(&row->values, (struct script_value){.present = true, .v = v});
    }
    return true;
}

/* {{...}}, {{...}}+{{...}}x3: a native histogram; its values are not read, only counted. */
static inline struct str script_native(struct str rest, struct script_row *row)
{
    row->native = true;
    vec_push(&row->values, (struct script_value){.native = true});
    for (;;) {
        ptrdiff_t end = str_find(rest, STR("}}"));
        if (end < 0) {
            return STR("");
        }
        rest = str_slice(rest, (size_t)end + 2, rest.len);
        if (!(str_starts(rest, STR("+{{")) || str_starts(rest, STR("-{{")))) {
            break;
        }
    }
    struct str word = rest;
    size_t n = 0;
    while (n < word.len && word.p[n] != ' ' && word.p[n] != '\t') {
        n++;
    }
    int64_t times;
    if (n > 1 && str_to_int64(str_slice(word, 1, n), &times)) {
        for (int64_t i = 0; i < times; i++) {
            vec_push(&row->values, (struct script_value){.native = true});
        }
    }
    return str_trim(str_slice(rest, n, rest.len));
}

static inline bool script_values(struct str rest, struct script_row *row)
{
    rest = str_trim(rest);
    while (rest.len) {
        if (str_starts(rest, STR("{{"))) {
            rest = script_native(rest, row);
            continue;
        }
        struct str item;
        script_word(&rest, &item);
        bool gap = item.p[0] == '_', stale = str_starts(item, STR("stale"));
        if (!gap && !stale) {
            if (!script_item(item, row)) {
                return false;
            }
            continue;
        }
        int64_t times = 0;
        ptrdiff_t x = str_find_char(item, 'x');
        if (x > 0) {
            str_to_int64(str_slice(item, (size_t)x + 1, item.len), &times);
        }
        size_t n = gap ? (times ? (size_t)times : 1) : (size_t)times + 1;
        for (size_t i = 0; i < n; i++) {
            vec_push(&row->values, (struct script_value){.present = stale, .v = sample_from_bits(SAMPLE_STALE_BITS)});
        }
    }
    return true;
}

/* "from A to B step S" */
static inline bool script_range(struct str *rest, struct script_eval *e)
{
    static const char *const names[] = {"from", "to", "step"};
    int64_t *targets[] = {&e->start_ms, &e->end_ms, &e->step_ms};
    for (size_t i = 0; i < 3; i++) {
        struct str word;
        if (!script_word(rest, &word) || !str_is(word, names[i]) || !script_word(rest, &word) ||
            !script_duration(word, targets[i])) {
            return false;
        }
    }
    return true;
}

static inline bool script_expect(struct script *s, struct str rest, struct script_eval *e)
{
    struct str kind, text = {0};
    script_word(&rest, &kind);
    if (str_is(kind, "ordered")) {
        e->ordered = true;
        return true;
    }
    if (str_is(kind, "range")) {
        script_word(&rest, &kind);
        e->range_vector = true;
        return script_range(&rest, e);
    }
    if (str_is(kind, "string")) {
        struct lexer lexer;
        struct token tok;
        e->has_string = true;
        lexer_init(&lexer, rest);
        return lexer_next(&lexer, &tok, &s->err) == 0 && tok.kind == TOKEN_STRING &&
               token_unquote(&tok, &s->arena, &e->string, &s->err) == 0;
    }
    if (str_starts(rest, STR("msg:"))) {
        text = str_trim(str_slice(rest, 4, rest.len));
    }
    static const char *const kinds[] = {"fail", "warn", "info", "no_warn", "no_info"};
    for (size_t i = 0; i < 5; i++) {
        if (str_is(kind, kinds[i])) {
            vec_push(&e->notes, (struct script_note){(int)i, text});
            e->fail = e->fail || i == 0;
            return true;
        }
    }
    return false;
}

/* An eval's first line; its rows and expectations follow until an empty line. */
static inline bool script_read_eval(struct script *s, struct str line, struct script_eval *e)
{
    struct str word;
    *e = (struct script_eval){.line = s->line};
    script_word(&line, &word);
    e->fail = str_is(word, "eval_fail");
    e->ordered = str_is(word, "eval_ordered");
    if (str_is(word, "eval_warn") || str_is(word, "eval_info")) {
        vec_push(&e->notes, (struct script_note){str_is(word, "eval_warn") ? NOTE_WARN : NOTE_INFO, {0}});
    }
    script_word(&line, &word);
    e->range = str_is(word, "range");
    if (e->range ? !script_range(&line, e)
                 : !(script_word(&line, &word) && script_word(&line, &word) && script_duration(word, &e->start_ms))) {
        return false;
    }
    e->end_ms = e->range ? e->end_ms : e->start_ms;
    e->expr = line;
    while (script_line(s, &line) && line.len) {
        struct str rest = line;
        if (str_starts(line, STR("expect "))) {
            if (!script_expect(s, str_slice(line, 7, line.len), e)) {
                return false;
            }
            continue;
        }
        if (script_number(line, &e->scalar)) {
            e->has_scalar = true;
            continue;
        }
        struct script_row row = {0};
        if (!script_labels(s, &rest, &row.labels) || !script_values(rest, &row)) {
            return false;
        }
        vec_push(&e->rows, row);
    }
    return true;
}

static inline void script_eval_release(struct script_eval *e)
{
    for (size_t row_i = 0; row_i < e->rows.len; row_i++) {
        struct script_row *row = &e->rows.p[row_i];
        vec_release(&row->values);
    }
    vec_release(&e->rows);
    vec_release(&e->notes);
}
