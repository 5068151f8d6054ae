#include "alerts/template_internal.h"
#include "src/base/codec.h"
#include "src/base/number.h"
#include "src/base/regex.h"
#include "src/base/url.h"

#include <ctype.h>

static const struct tmpl_list no_elements = {NULL, 0};

bool tmpl_number(struct tmpl_value v, double *out)
{
    switch (v.kind) {
    case TMPL_INT:
        *out = (double)v.i;
        return true;
    case TMPL_FLOAT:
        *out = v.f;
        return true;
    case TMPL_STRING:
        return number_parse(v.s, out);
    default:
        return false;
    }
}

int tmpl_need_number(struct tmpl_run *run, struct tmpl_value v, double *out)
{
    return tmpl_number(v, out) ? 0 : tmpl_fail(run, "can't convert %s to a number", tmpl_type_name(v));
}

int tmpl_need_string(struct tmpl_run *run, struct tmpl_value v, struct str *out)
{
    if (v.kind != TMPL_STRING) {
        return tmpl_fail(run, "wrong type: got %s, expected string", tmpl_type_name(v));
    }
    *out = v.s;
    return 0;
}

static int need_list(struct tmpl_run *run, struct tmpl_value v, const struct tmpl_list **out)
{
    if (v.kind != TMPL_LIST) {
        return tmpl_fail(run, "wrong type: got %s, expected a list", tmpl_type_name(v));
    }
    *out = v.list;
    return 0;
}

int tmpl_text_result(struct tmpl_run *run, struct buf *text, struct tmpl_value *out)
{
    if (text->failed) {
        return tmpl_fail(run, "the text is longer than 64 KiB");
    }
    *out = tmpl_string(arena_dup(run->env->arena, buf_str(text)));
    return 0;
}

#define FUNCTION(name) static TMPL_FUNCTION(name)
#define UNUSED_N       (void)n

/* --- logic and comparison ------------------------------------------------------------------------------------- */

FUNCTION(fn_not)
{
    UNUSED_N;
    (void)run;
    *out = (struct tmpl_value){.kind = TMPL_BOOL, .b = !tmpl_truth(args[0])};
    return 0;
}

/* -1, 0, 1; 2: not ordered (NaN); false when the types have no order. */
static bool compare(struct tmpl_value a, struct tmpl_value b, int *out)
{
    if (a.kind == TMPL_STRING && b.kind == TMPL_STRING) {
        int c = str_cmp(a.s, b.s);
        *out = (c > 0) - (c < 0);
        return true;
    }
    if (a.kind == TMPL_BOOL && b.kind == TMPL_BOOL) {
        *out = a.b - b.b;
        return true;
    }
    bool times = a.kind == TMPL_TIME && b.kind == TMPL_TIME;
    bool numbers = (a.kind == TMPL_INT || a.kind == TMPL_FLOAT) && (b.kind == TMPL_INT || b.kind == TMPL_FLOAT);
    if (times || (numbers && a.kind == TMPL_INT && b.kind == TMPL_INT)) {
        *out = (a.i > b.i) - (a.i < b.i);
        return true;
    }
    if (!numbers) {
        return false;
    }
    double x = a.kind == TMPL_INT ? (double)a.i : a.f, y = b.kind == TMPL_INT ? (double)b.i : b.f;
    *out = x < y ? -1 : x > y ? 1 : x == y ? 0 : 2;
    return true;
}

static int compare_args(struct tmpl_run *run, struct tmpl_value a, struct tmpl_value b, int *c)
{
    if (compare(a, b, c)) {
        return 0;
    }
    return tmpl_fail(run, "incompatible types for comparison: %s and %s", tmpl_type_name(a), tmpl_type_name(b));
}

FUNCTION(fn_eq)
{
    bool equal = false;
    for (size_t i = 1; i < n && !equal; i++) {
        int c = 1, rc = 0;
        if (args[0].kind == TMPL_NIL || args[i].kind == TMPL_NIL) {
            c = args[0].kind != args[i].kind;
        } else {
            rc = compare_args(run, args[0], args[i], &c);
        }
        if (rc) {
            return rc;
        }
        equal = c == 0;
    }
    *out = (struct tmpl_value){.kind = TMPL_BOOL, .b = equal};
    return 0;
}

FUNCTION(fn_ne)
{
    int rc = fn_eq(run, args, n, out);
    if (rc == 0) {
        out->b = !out->b;
    }
    return rc;
}

static int order(struct tmpl_run *run, const struct tmpl_value *args, bool less, bool equal, bool more,
                 struct tmpl_value *out)
{
    int c = 0, rc = compare_args(run, args[0], args[1], &c);
    if (rc) {
        return rc;
    }
    *out = (struct tmpl_value){.kind = TMPL_BOOL, .b = (c == -1 && less) || (c == 0 && equal) || (c == 1 && more)};
    return 0;
}

FUNCTION(fn_lt)
{
    UNUSED_N;
    return order(run, args, true, false, false, out);
}
FUNCTION(fn_le)
{
    UNUSED_N;
    return order(run, args, true, true, false, out);
}
FUNCTION(fn_gt)
{
    UNUSED_N;
    return order(run, args, false, false, true, out);
}
FUNCTION(fn_ge)
{
    UNUSED_N;
    return order(run, args, false, true, true, out);
}

/* --- texts ----------------------------------------------------------------------------------------------------- */

FUNCTION(fn_printf)
{
    struct str format = {0};
    auto_buf text;
    buf_init(&text, TEMPLATE_OUTPUT_MAX);
    int rc = tmpl_need_string(run, args[0], &format);
    if (rc) {
        return rc;
    }
    tmpl_printf(format, args + 1, n - 1, &text);
    return tmpl_text_result(run, &text, out);
}

static int print_all(struct tmpl_run *run, const struct tmpl_value *args, size_t n, bool line, struct tmpl_value *out)
{
    auto_buf text;
    buf_init(&text, TEMPLATE_OUTPUT_MAX);
    for (size_t i = 0; i < n; i++) {
        /* fmt.Sprint: a space between operands when neither is a text */
        if (i && (line || (args[i].kind != TMPL_STRING && args[i - 1].kind != TMPL_STRING))) {
            buf_add_char(&text, ' ');
        }
        tmpl_print(args[i], &text);
    }
    if (line) {
        buf_add_char(&text, '\n');
    }
    return tmpl_text_result(run, &text, out);
}

FUNCTION(fn_print)
{
    return print_all(run, args, n, false, out);
}
FUNCTION(fn_println)
{
    return print_all(run, args, n, true, out);
}

static int map_bytes(struct tmpl_run *run, struct tmpl_value v, int (*fn)(int), struct tmpl_value *out)
{
    struct str s = {0};
    int rc = tmpl_need_string(run, v, &s);
    if (rc) {
        return rc;
    }
    char *p = arena_alloc(run->env->arena, s.len + 1);
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.p[i];
        p[i] = c < 0x80 ? (char)fn(c) : (char)c;
    }
    *out = tmpl_string(str_make(p, s.len));
    return 0;
}

FUNCTION(fn_to_upper)
{
    UNUSED_N;
    return map_bytes(run, args[0], toupper, out);
}
FUNCTION(fn_to_lower)
{
    UNUSED_N;
    return map_bytes(run, args[0], tolower, out);
}

static int identity(int c)
{
    return c;
}

/* First letter of each word; the rest stays. */
FUNCTION(fn_title)
{
    UNUSED_N;
    int rc = map_bytes(run, args[0], identity, out);
    if (rc) {
        return rc;
    }
    char *p = arena_cstr(run->env->arena, out->s);
    bool in_word = false;
    for (size_t i = 0; i < out->s.len; i++) {
        unsigned char c = (unsigned char)p[i];
        bool word = isalnum(c) || c >= 0x80 || c == '\'' || c == '_';
        if (word && !in_word && c < 0x80) {
            p[i] = (char)toupper(c);
        }
        in_word = word;
    }
    out->s.p = p;
    return 0;
}

FUNCTION(fn_trim_space)
{
    UNUSED_N;
    struct str s = {0};
    int rc = tmpl_need_string(run, args[0], &s);
    *out = tmpl_string(rc ? STR("") : str_trim(s));
    return rc;
}

FUNCTION(fn_join)
{
    UNUSED_N;
    struct str sep = {0};
    const struct tmpl_list *list = &no_elements;
    auto_buf text;
    buf_init(&text, TEMPLATE_OUTPUT_MAX);
    int rc = tmpl_need_string(run, args[0], &sep);
    rc = rc ? rc : need_list(run, args[1], &list);
    if (rc) {
        return rc;
    }
    for (size_t i = 0; i < list->n; i++) {
        if (i) {
            buf_add(&text, sep);
        }
        tmpl_print(list->v[i], &text);
    }
    return tmpl_text_result(run, &text, out);
}

static void escape(struct str s, bool html, struct buf *out)
{
    for (size_t i = 0; i < s.len; i++) {
        switch (s.p[i]) {
        case '&':
            buf_add(out, STR("&amp;"));
            break;
        case '<':
            buf_add(out, STR("&lt;"));
            break;
        case '>':
            buf_add(out, STR("&gt;"));
            break;
        case '"':
            buf_add(out, html ? STR("&#34;") : STR("\""));
            break;
        case '\'':
            buf_add(out, html ? STR("&#39;") : STR("'"));
            break;
        default:
            buf_add_char(out, s.p[i]);
            break;
        }
    }
}

FUNCTION(fn_html)
{
    auto_buf text, escaped;
    buf_init(&text, TEMPLATE_OUTPUT_MAX);
    buf_init(&escaped, TEMPLATE_OUTPUT_MAX);
    for (size_t i = 0; i < n; i++) {
        tmpl_print(args[i], &text);
    }
    escape(buf_str(&text), true, &escaped);
    return tmpl_text_result(run, &escaped, out);
}

FUNCTION(fn_url_query)
{
    auto_buf text;
    buf_init(&text, TEMPLATE_OUTPUT_MAX);
    for (size_t i = 0; i < n; i++) {
        tmpl_print(args[i], &text);
    }
    struct str encoded = url_encode(buf_str(&text), run->env->arena); /* spaces as %20: as good as Go's '+' */
    *out = tmpl_string(encoded);
    return 0;
}

FUNCTION(fn_safe_html)
{
    UNUSED_N;
    struct str s = {0};
    int rc = tmpl_need_string(run, args[0], &s);
    *out = tmpl_string(rc ? STR("") : s);
    return rc;
}

FUNCTION(fn_base64)
{
    UNUSED_N;
    struct str s = {0};
    auto_buf text;
    buf_init(&text, 2 * TEMPLATE_OUTPUT_MAX);
    int rc = tmpl_need_string(run, args[0], &s);
    if (rc) {
        return rc;
    }
    base64_encode(s, &text);
    return tmpl_text_result(run, &text, out);
}

FUNCTION(fn_to_json)
{
    UNUSED_N;
    auto_buf text;
    buf_init(&text, TEMPLATE_OUTPUT_MAX);
    tmpl_json(args[0], &text);
    return tmpl_text_result(run, &text, out);
}

/* --- regular expressions --------------------------------------------------------------------------------------- */

/* Our engine anchors at both ends; Go's match and replace do not. The group in front (lazy: leftmost match) and the one
 * behind carry the parts around the match. */
static int compile_loose(struct tmpl_run *run, struct str pattern, struct regex **out)
{
    struct str loose =
        arena_printf(run->env->arena, "(?P<cloche_pre>(?s:.*?))(?P<cloche_hit>" STR_FMT ")(?P<cloche_post>(?s:.*))",
                     STR_ARG(pattern));
    struct error err = {0};
    int rc = regex_compile(loose, out, &err);
    return rc ? tmpl_fail(run, "%.150s", err.text) : 0;
}

FUNCTION(fn_match)
{
    UNUSED_N;
    struct str pattern = {0}, text = {0};
    struct regex *regex = NULL;
    int rc = tmpl_need_string(run, args[0], &pattern);
    rc = rc ? rc : tmpl_need_string(run, args[1], &text);
    rc = rc ? rc : compile_loose(run, pattern, &regex);
    if (rc) {
        return rc;
    }
    *out = (struct tmpl_value){.kind = TMPL_BOOL, .b = regex_matches(regex, text)};
    regex_free(regex);
    return 0;
}

#define GROUPS_MAX 24

/* "$1", "${1}", "${name}": Go's Regexp.Expand. Group 0 is the match, which sits behind the group in front. */
static void expand(const struct regex *regex, struct str replacement, const struct str *groups, size_t n,
                   struct buf *out)
{
    size_t hit = (size_t)regex_group_index(regex, STR("cloche_hit"));
    for (size_t i = 0; i < replacement.len; i++) {
        if (replacement.p[i] != '$') {
            buf_add_char(out, replacement.p[i]);
            continue;
        }
        bool braces = i + 1 < replacement.len && replacement.p[i + 1] == '{';
        size_t from = i + 1 + braces, to = from;
        while (to < replacement.len && (isalnum((unsigned char)replacement.p[to]) || replacement.p[to] == '_')) {
            to++;
        }
        struct str name = str_slice(replacement, from, to);
        if (!braces && i + 1 < replacement.len && replacement.p[i + 1] == '$') {
            buf_add_char(out, '$');
            i++;
            continue;
        }
        if (!name.len || (braces && (to >= replacement.len || replacement.p[to] != '}'))) {
            buf_add_char(out, '$');
            continue;
        }
        int64_t index;
        if (!str_to_int64(name, &index)) {
            index = regex_group_index(regex, name) - (int64_t)hit;
        }
        if (index >= 0 && (size_t)index + hit < n - 1) { /* the last group is the rest */
            buf_add(out, groups[(size_t)index + hit]);
        }
        i = to - 1 + braces;
    }
}

FUNCTION(fn_re_replace_all)
{
    UNUSED_N;
    struct str pattern = {0}, replacement = {0}, text = {0};
    struct regex *regex = NULL;
    auto_buf result;
    buf_init(&result, TEMPLATE_OUTPUT_MAX);
    int rc = tmpl_need_string(run, args[0], &pattern);
    rc = rc ? rc : tmpl_need_string(run, args[1], &replacement);
    rc = rc ? rc : tmpl_need_string(run, args[2], &text);
    rc = rc ? rc : compile_loose(run, pattern, &regex);
    if (rc) {
        return rc;
    }
    bool anchored = str_starts(pattern, STR("^")), after_match = false;
    while (!result.failed) {
        struct str groups[GROUPS_MAX];
        size_t count = regex_groups(regex, text, groups, GROUPS_MAX);
        if (count < 4 || count > GROUPS_MAX) {
            break;
        }
        size_t hit_at = (size_t)regex_group_index(regex, STR("cloche_hit"));
        struct str pre = groups[hit_at - 1], hit = groups[hit_at], post = groups[count - 1];
        buf_add(&result, pre);
        if (hit.len || pre.len || !after_match) {
            expand(regex, replacement, groups, count, &result);
        }
        text = post;
        after_match = true;
        if (!hit.len) { /* an empty match: one character on, or the end */
            if (!text.len) {
                break;
            }
            size_t one = utf8_cut(text, 4);
            one = one > 1 && ((unsigned char)text.p[0] & 0x80) == 0 ? 1 : one ? one : 1;
            buf_add(&result, str_slice(text, 0, one));
            text = str_slice(text, one, text.len);
            after_match = false;
        }
        if (anchored || (!text.len && after_match)) {
            break;
        }
    }
    buf_add(&result, text);
    regex_free(regex);
    return tmpl_text_result(run, &result, out);
}

/* --- lists and maps -------------------------------------------------------------------------------------------- */

FUNCTION(fn_len)
{
    UNUSED_N;
    size_t length;
    switch (args[0].kind) {
    case TMPL_STRING:
        length = args[0].s.len;
        break;
    case TMPL_LIST:
        length = args[0].list->n;
        break;
    case TMPL_MAP:
        length = args[0].map->n;
        break;
    default:
        return tmpl_fail(run, "len of type %s", tmpl_type_name(args[0]));
    }
    *out = (struct tmpl_value){.kind = TMPL_INT, .i = (int64_t)length};
    return 0;
}

FUNCTION(fn_index)
{
    struct tmpl_value v = args[0];
    for (size_t i = 1; i < n; i++) {
        double at;
        if (v.kind == TMPL_MAP && args[i].kind == TMPL_STRING) {
            int rc = 0;
            struct tmpl_map plain = *v.map;
            plain.methods = false; /* index looks keys up only */
            v.map = &plain;
            rc = tmpl_field_get(run, v, args[i].s, &v);
            if (rc) {
                return rc;
            }
        } else if (v.kind == TMPL_LIST && args[i].kind == TMPL_INT && tmpl_number(args[i], &at)) {
            if (at < 0 || at >= (double)v.list->n) {
                return tmpl_fail(run, "index out of range: %lld", (long long)args[i].i);
            }
            v = v.list->v[args[i].i];
        } else {
            return tmpl_fail(run, "can't index %s with %s", tmpl_type_name(v), tmpl_type_name(args[i]));
        }
    }
    *out = v;
    return 0;
}

FUNCTION(fn_args)
{
    struct tmpl_field fields[TMPL_ARGS_MAX + 1];
    for (size_t i = 0; i < n; i++) {
        fields[i] = (struct tmpl_field){arena_printf(run->env->arena, "arg%zu", i), args[i]};
    }
    *out = tmpl_object(fields, n, run->env->arena);
    return 0;
}

FUNCTION(fn_list)
{
    *out = tmpl_list_of(args, n, run->env->arena);
    return 0;
}

FUNCTION(fn_dict)
{
    struct tmpl_field fields[TMPL_ARGS_MAX / 2 + 1];
    if (n % 2) {
        return tmpl_fail(run, "dict needs pairs of key and value");
    }
    for (size_t i = 0; i < n; i += 2) {
        int rc = tmpl_need_string(run, args[i], &fields[i / 2].key);
        if (rc) {
            return rc;
        }
        fields[i / 2].value = args[i + 1];
    }
    *out = tmpl_object(fields, n / 2, run->env->arena);
    out->kind = TMPL_MAP;
    return 0;
}

/* --- query results --------------------------------------------------------------------------------------------- */

FUNCTION(fn_query)
{
    UNUSED_N;
    struct str expr = {0};
    struct tmpl_sample *samples;
    size_t count;
    struct arena *arena = run->env->arena;
    int rc = tmpl_need_string(run, args[0], &expr);
    if (rc) {
        return rc;
    }
    if (!run->env->query) {
        return tmpl_fail(run, "queries are not possible here");
    }
    struct error err = {0};
    rc = run->env->query(run->env->query_ctx, expr, arena, &samples, &count, &err);
    if (rc) {
        return tmpl_fail(run, "%.180s", err.text);
    }
    struct tmpl_value *list = arena_array(arena, struct tmpl_value, count + 1);
    for (size_t i = 0; i < count; i++) {
        struct tmpl_field f[2] = {{STR("Labels"), tmpl_labels(samples[i].labels, false, arena)},
                                  {STR("Value"), tmpl_float(samples[i].value)}};
        list[i] = tmpl_object(f, 2, arena);
    }
    *out = tmpl_list_of(list, count, arena);
    return 0;
}

FUNCTION(fn_first)
{
    UNUSED_N;
    const struct tmpl_list *list = &no_elements;
    int rc = need_list(run, args[0], &list);
    if (rc) {
        return rc;
    }
    if (!list->n) {
        return tmpl_fail(run, "first() called on vector with no elements");
    }
    *out = list->v[0];
    return 0;
}

FUNCTION(fn_label)
{
    UNUSED_N;
    struct str name = {0};
    struct tmpl_value labels;
    int rc = tmpl_need_string(run, args[0], &name);
    rc = rc ? rc : tmpl_field_get(run, args[1], STR("Labels"), &labels);
    return rc ? rc : tmpl_field_get(run, labels, name, out);
}

FUNCTION(fn_value)
{
    UNUSED_N;
    return tmpl_field_get(run, args[0], STR("Value"), out);
}

FUNCTION(fn_strvalue)
{
    UNUSED_N;
    struct tmpl_value labels;
    int rc = tmpl_field_get(run, args[0], STR("Labels"), &labels);
    return rc ? rc : tmpl_field_get(run, labels, STR("__value__"), out);
}

FUNCTION(fn_sort_by_label)
{
    UNUSED_N;
    struct str name = {0};
    const struct tmpl_list *list = &no_elements;
    int rc = tmpl_need_string(run, args[0], &name);
    rc = rc ? rc : need_list(run, args[1], &list);
    if (rc) {
        return rc;
    }
    struct tmpl_value *sorted = arena_array(run->env->arena, struct tmpl_value, list->n + 1);
    struct str *keys = arena_array(run->env->arena, struct str, list->n + 1);
    for (size_t i = 0; i < list->n; i++) { /* insertion: stable, and query results are short */
        struct tmpl_value pair[2] = {tmpl_string(name), list->v[i]}, key;
        rc = fn_label(run, pair, 2, &key);
        if (rc) {
            return rc;
        }
        size_t at = i;
        for (run->steps += (uint32_t)i / 8; at > 0 && str_cmp(keys[at - 1], key.s) > 0; at--) {
            keys[at] = keys[at - 1];
            sorted[at] = sorted[at - 1];
        }
        keys[at] = key.s;
        sorted[at] = list->v[i];
        if (run->steps > TMPL_STEPS_MAX) {
            return tmpl_fail(run, "too many elements to sort");
        }
    }
    *out = tmpl_list_of(sorted, list->n, run->env->arena);
    return 0;
}

/* One line a function: the single source of what templates may call. */
static const struct tmpl_function functions[] = {
    {"and", 1, -1, NULL},
    {"or", 1, -1, NULL},
    {"not", 1, 1, fn_not},
    {"eq", 2, -1, fn_eq},
    {"ne", 2, 2, fn_ne},
    {"lt", 2, 2, fn_lt},
    {"le", 2, 2, fn_le},
    {"gt", 2, 2, fn_gt},
    {"ge", 2, 2, fn_ge},
    {"print", 0, -1, fn_print},
    {"println", 0, -1, fn_println},
    {"printf", 1, -1, fn_printf},
    {"html", 0, -1, fn_html},
    {"len", 1, 1, fn_len},
    {"index", 1, -1, fn_index},
    {"urlquery", 0, -1, fn_url_query},
    {"urlQueryEscape", 1, 1, fn_url_query},
    {"query", 1, 1, fn_query},
    {"first", 1, 1, fn_first},
    {"label", 2, 2, fn_label},
    {"value", 1, 1, fn_value},
    {"strvalue", 1, 1, fn_strvalue},
    {"sortByLabel", 2, 2, fn_sort_by_label},
    {"args", 0, -1, fn_args},
    {"list", 0, -1, fn_list},
    {"stringSlice", 0, -1, fn_list},
    {"dict", 0, -1, fn_dict},
    {"humanize", 1, 1, fn_humanize},
    {"humanize1024", 1, 1, fn_humanize1024},
    {"humanizeDuration", 1, 1, fn_humanize_duration},
    {"humanizePercentage", 1, 1, fn_humanize_percentage},
    {"humanizeTimestamp", 1, 1, fn_humanize_timestamp},
    {"toTime", 1, 1, fn_to_time},
    {"now", 0, 0, fn_now},
    {"date", 2, 2, fn_date},
    {"parseDuration", 1, 1, fn_parse_duration},
    {"match", 2, 2, fn_match},
    {"reReplaceAll", 3, 3, fn_re_replace_all},
    {"title", 1, 1, fn_title},
    {"toUpper", 1, 1, fn_to_upper},
    {"toLower", 1, 1, fn_to_lower},
    {"trimSpace", 1, 1, fn_trim_space},
    {"join", 2, 2, fn_join},
    {"safeHtml", 1, 1, fn_safe_html},
    {"base64encode", 1, 1, fn_base64},
    {"toJson", 1, 1, fn_to_json},
    {"stripPort", 1, 1, fn_strip_port},
    {"stripDomain", 1, 1, fn_strip_domain},
    {"graphLink", 1, 1, fn_graph_link},
    {"tableLink", 1, 1, fn_table_link},
    {"externalURL", 0, 0, fn_external_url},
    {"pathPrefix", 0, 0, fn_path_prefix},
};

const struct tmpl_function *tmpl_function_find(struct str name)
{
    for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
        if (str_is(name, functions[i].name)) {
            return &functions[i];
        }
    }
    return NULL;
}
