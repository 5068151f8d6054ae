/* Functions of templates that show numbers, times and links to people. */
#include "alerts/template_internal.h"
#include "src/base/clock.h"
#include "src/base/number.h"
#include "src/base/url.h"

#include <ctype.h>
#include <math.h>

#define UNUSED_N (void)n

/* --- numbers for people. Source: template/template.go of Prometheus, for behaviour ------------------------------- */

static int show(struct tmpl_run *run, struct tmpl_value *out, const char *before, double v, const char *after)
{
    char number[NUMBER_MAX];
    if (!isfinite(v)) {
        struct str s = str_make(number, number_format_g(v, number));
        *out = tmpl_string(arena_printf(run->env->arena, "%s" STR_FMT "%s", before, STR_ARG(s), after));
    } else {
        *out = tmpl_string(arena_printf(run->env->arena, "%s%.4g%s", before, v, after));
    }
    return 0;
}

static const char *small_prefix(double *v)
{
    static const char *const small[] = {"m", "u", "n", "p", "f", "a", "z", "y"};
    const char *prefix = "";
    for (size_t i = 0; i < 8 && fabs(*v) < 1; i++) {
        prefix = small[i];
        *v *= 1000;
    }
    return prefix;
}

TMPL_FUNCTION(fn_humanize)
{
    UNUSED_N;
    static const char *const large[] = {"k", "M", "G", "T", "P", "E", "Z", "Y"};
    double v = 0;
    int rc = tmpl_need_number(run, args[0], &v);
    if (rc) {
        return rc;
    }
    const char *prefix = "";
    if (v == 0 || !isfinite(v)) {
        return show(run, out, "", v, "");
    }
    if (fabs(v) < 1) {
        prefix = small_prefix(&v);
    }
    for (size_t i = 0; i < 8 && fabs(v) >= 1000 && !(*prefix && i == 0); i++) {
        prefix = large[i];
        v /= 1000;
    }
    return show(run, out, "", v, prefix);
}

TMPL_FUNCTION(fn_humanize1024)
{
    UNUSED_N;
    static const char *const large[] = {"ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi"};
    double v = 0;
    int rc = tmpl_need_number(run, args[0], &v);
    if (rc) {
        return rc;
    }
    const char *prefix = "";
    for (size_t i = 0; i < 8 && isfinite(v) && fabs(v) >= 1024; i++) {
        prefix = large[i];
        v /= 1024;
    }
    return show(run, out, "", v, prefix);
}

TMPL_FUNCTION(fn_humanize_duration)
{
    UNUSED_N;
    double v = 0;
    int rc = tmpl_need_number(run, args[0], &v);
    if (rc) {
        return rc;
    }
    if (!isfinite(v)) {
        return show(run, out, "", v, "");
    }
    if (v == 0) {
        return show(run, out, "", v, "s");
    }
    if (fabs(v) < 1) {
        const char *prefix = small_prefix(&v);
        return show(run, out, "", v,
                    *prefix ? arena_cstr(run->env->arena, arena_printf(run->env->arena, "%ss", prefix)) : "s");
    }
    const char *sign = v < 0 ? "-" : "";
    v = fabs(v);
    if (v >= 9e15) {
        return show(run, out, sign, v, "s");
    }
    long long all = (long long)v, s = all % 60, m = all / 60 % 60, h = all / 3600 % 24, d = all / 86400;
    struct arena *arena = run->env->arena;
    if (d) {
        *out = tmpl_string(arena_printf(arena, "%s%lldd %lldh %lldm %llds", sign, d, h, m, s));
    } else if (h) {
        *out = tmpl_string(arena_printf(arena, "%s%lldh %lldm %llds", sign, h, m, s));
    } else if (m) {
        *out = tmpl_string(arena_printf(arena, "%s%lldm %llds", sign, m, s));
    } else {
        return show(run, out, sign, v, "s");
    }
    return 0;
}

TMPL_FUNCTION(fn_humanize_percentage)
{
    UNUSED_N;
    double v = 0;
    int rc = tmpl_need_number(run, args[0], &v);
    return rc ? rc : show(run, out, "", v * 100, "%");
}

/* --- time and links -------------------------------------------------------------------------------------------- */

static int to_time(struct tmpl_run *run, struct tmpl_value v, int64_t *ms)
{
    double s;
    int rc = tmpl_need_number(run, v, &s);
    if (rc) {
        return rc;
    }
    if (!(fabs(s) < 9e12)) {
        return tmpl_fail(run, "not a time that can be shown");
    }
    *ms = (int64_t)floor(s * 1000 + 0.5);
    return 0;
}

TMPL_FUNCTION(fn_to_time)
{
    UNUSED_N;
    out->kind = TMPL_TIME;
    return to_time(run, args[0], &out->i);
}

TMPL_FUNCTION(fn_humanize_timestamp)
{
    UNUSED_N;
    double v = 0;
    int64_t ms = 0;
    auto_buf text;
    buf_init(&text, 128);
    if (tmpl_number(args[0], &v) && !isfinite(v)) {
        return show(run, out, "", v, "");
    }
    int rc = to_time(run, args[0], &ms);
    if (rc) {
        return rc;
    }
    tmpl_time_string(ms, &text);
    return tmpl_text_result(run, &text, out);
}

TMPL_FUNCTION(fn_parse_duration)
{
    UNUSED_N;
    struct str s = {0};
    int64_t ms;
    int rc = tmpl_need_string(run, args[0], &s);
    if (rc) {
        return rc;
    }
    bool negative = str_starts(s, STR("-"));
    if (!duration_parse(negative ? str_slice(s, 1, s.len) : s, &ms)) {
        return tmpl_fail(run, "\"" STR_FMT "\" is not a duration such as 5m or 1h30m", STR_ARG(str_slice(s, 0, 60)));
    }
    *out = tmpl_float((double)(negative ? -ms : ms) / 1000);
    return 0;
}

TMPL_FUNCTION(fn_now)
{
    UNUSED_N;
    (void)args;
    *out = tmpl_float((double)run->env->now_ms / 1000);
    return 0;
}

TMPL_FUNCTION(fn_date)
{
    UNUSED_N;
    struct str layout = {0};
    auto_buf text;
    buf_init(&text, 4096);
    int rc = tmpl_need_string(run, args[0], &layout);
    if (rc) {
        return rc;
    }
    if (args[1].kind != TMPL_TIME) {
        return tmpl_fail(run, "wrong type: got %s, expected a time", tmpl_type_name(args[1]));
    }
    tmpl_time_format(args[1].i, layout, &text);
    return tmpl_text_result(run, &text, out);
}

TMPL_FUNCTION(fn_external_url)
{
    UNUSED_N;
    (void)args;
    *out = tmpl_string(run->env->external_url);
    return 0;
}

TMPL_FUNCTION(fn_path_prefix)
{
    UNUSED_N;
    (void)args;
    struct str url = run->env->external_url;
    ptrdiff_t scheme = str_find(url, STR("://"));
    struct str rest = str_slice(url, scheme < 0 ? 0 : (size_t)scheme + 3, url.len);
    ptrdiff_t slash = str_find_char(rest, '/');
    *out = tmpl_string(slash < 0 ? STR("") : str_slice(rest, (size_t)slash, rest.len));
    return 0;
}

static int link_to(struct tmpl_run *run, const struct tmpl_value *args, int tab, struct tmpl_value *out)
{
    struct str expr = {0};
    int rc = tmpl_need_string(run, args[0], &expr);
    if (rc) {
        return rc;
    }
    struct str encoded = url_encode(expr, run->env->arena);
    *out = tmpl_string(arena_printf(run->env->arena, "/graph?g0.expr=" STR_FMT "&g0.tab=%d", STR_ARG(encoded), tab));
    return 0;
}

TMPL_FUNCTION(fn_graph_link)
{
    UNUSED_N;
    return link_to(run, args, 0, out);
}
TMPL_FUNCTION(fn_table_link)
{
    UNUSED_N;
    return link_to(run, args, 1, out);
}

/* "host:port" and "[v6]:port"; false: there is no port. */
static bool split_port(struct str s, struct str *host, struct str *port)
{
    if (s.len && s.p[0] == '[') {
        ptrdiff_t end = str_find(s, STR("]:"));
        if (end < 0) {
            return false;
        }
        *host = str_slice(s, 1, (size_t)end);
        *port = str_slice(s, (size_t)end + 1, s.len);
        return true;
    }
    ptrdiff_t colon = str_find_char(s, ':');
    if (colon < 0 || str_find_char(str_slice(s, (size_t)colon + 1, s.len), ':') >= 0) {
        return false;
    }
    *host = str_slice(s, 0, (size_t)colon);
    *port = str_slice(s, (size_t)colon, s.len);
    return true;
}

TMPL_FUNCTION(fn_strip_port)
{
    UNUSED_N;
    struct str s = {0}, host = {0}, port = {0};
    int rc = tmpl_need_string(run, args[0], &s);
    if (!rc) {
        *out = tmpl_string(split_port(s, &host, &port) ? host : s);
    }
    return rc;
}

TMPL_FUNCTION(fn_strip_domain)
{
    UNUSED_N;
    struct str s, host, port = {0};
    int rc = tmpl_need_string(run, args[0], &s);
    if (rc) {
        return rc;
    }
    if (!split_port(s, &host, &port)) {
        host = s;
    }
    bool address = host.len > 0;
    for (size_t i = 0; i < host.len; i++) {
        address = address && (isdigit((unsigned char)host.p[i]) || host.p[i] == '.' || host.p[i] == ':');
    }
    ptrdiff_t dot = str_find_char(host, '.');
    if (address || dot < 0) {
        *out = tmpl_string(s);
    } else {
        host = str_slice(host, 0, (size_t)dot);
        *out = tmpl_string(arena_printf(run->env->arena, STR_FMT STR_FMT, STR_ARG(host), STR_ARG(port)));
    }
    return 0;
}
