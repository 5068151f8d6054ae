/* Variables in a target's text. Grafana replaces most itself; what is left are those that only the server knows, and
 * all of them in bodies written by hand. */
#include "src/base/clock.h"
#include "web/api/grafana_request.h"

#define TEXT_MAX (256u * 1024) /* of PromQL */

struct reference {
    struct str name, format;
    size_t len; /* of all of it, from the dollar sign or bracket */
};

static bool is_word(char c)
{
    return (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z') || c == '_';
}

static bool enclosed(struct str text, size_t open, const char *close, struct reference *out)
{
    struct str rest = str_slice(text, open, text.len);
    ptrdiff_t end = str_find(rest, str_of(close));
    if (end <= 0) {
        return false;
    }
    out->format = str_slice(rest, 0, (size_t)end);
    out->name = str_split(&out->format, ':');
    out->len = open + (size_t)end + strlen(close);
    return true;
}

/* text begins with what may be a reference. */
static bool read_reference(struct str text, struct reference *out)
{
    *out = (struct reference){0};
    if (str_starts(text, STR("${"))) {
        return enclosed(text, 2, "}", out);
    }
    if (str_starts(text, STR("[["))) {
        return enclosed(text, 2, "]]", out);
    }
    size_t n = 1;
    while (text.p[0] == '$' && n < text.len && is_word(text.p[n])) {
        n++;
    }
    out->name = str_slice(text, 1, n);
    out->len = n;
    return n > 1;
}

static bool add_built_in(const struct grafana_request *r, struct str name, struct buf *out)
{
    int64_t range = r->to_ms - r->from_ms, four = 4 * r->scrape_interval_ms;
    int64_t rate = r->interval_ms + r->scrape_interval_ms;
    const struct {
        const char *name;
        int64_t value;
        bool duration;
    } all[] = {{"__interval", r->interval_ms, true},
               {"__interval_ms", r->interval_ms, false},
               {"__rate_interval", rate > four ? rate : four, true},
               {"__range", range > 0 ? range : 1, true},
               {"__range_s", range / 1000, false},
               {"__range_ms", range, false},
               {"__from", r->from_ms, false},
               {"__to", r->to_ms, false}};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        if (str_is(name, all[i].name)) {
            if (all[i].duration) {
                duration_format(all[i].value, out);
            } else {
                buf_addf(out, "%lld", (long long)all[i].value);
            }
            return true;
        }
    }
    return false;
}

static void add_one(const json_t *value, bool escape, struct buf *out)
{
    struct str text = str_make(json_string_value(value), json_string_length(value));
    if (json_is_string(value) && escape) {
        grafana_escape(text, out);
    } else if (json_is_string(value)) {
        buf_add(out, text);
    } else if (json_is_integer(value)) {
        buf_addf(out, "%lld", (long long)json_integer_value(value));
    } else if (json_is_real(value)) {
        buf_addf(out, "%.17g", json_real_value(value));
    }
}

static void add_value(const json_t *value, struct str format, struct buf *out)
{
    bool raw = str_is(format, "raw"), csv = str_is(format, "csv"), pipe = str_is(format, "pipe");
    bool escape = !raw && !csv && !pipe;
    if (!json_is_array(value)) {
        add_one(value, escape, out);
        return;
    }
    bool group = escape && json_array_size(value) != 1;
    buf_add(out, group ? STR("(") : STR(""));
    for (size_t i = 0; i < json_array_size(value); i++) {
        buf_add(out, i == 0 ? STR("") : csv || raw ? STR(",") : STR("|"));
        add_one(json_array_get(value, i), escape, out);
    }
    buf_add(out, group ? STR(")") : STR(""));
}

static bool add_reference(const struct grafana_request *r, const struct reference *ref, struct arena *arena,
                          struct buf *out)
{
    const json_t *variable = json_object_get(r->variables, arena_cstr(arena, ref->name));
    const json_t *value = json_object_get(variable, "value");
    if (!json_is_string(value) && !json_is_number(value) && !json_is_array(value)) {
        return add_built_in(r, ref->name, out);
    }
    add_value(value, ref->format, out);
    return true;
}

/* "a\.b" is a regex's escape but none of a PromQL string: behind =~ and in arguments the backslash is doubled, behind =
 * and != it goes, because there the value is a plain text. */
static void mend_escapes(struct str text, struct buf *out)
{
    char quote = 0, before = 0;
    bool plain = false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.p[i], next = i + 1 < text.len ? text.p[i + 1] : '\0';
        if (!quote && (c == '"' || c == '\'' || c == '`')) {
            quote = c;
            plain = before == '=';
        } else if (quote && quote != '`' && c == '\\') {
            bool foreign = next && strchr("^$*+?.()|[]{}/-", next);
            buf_add(out, !foreign ? STR("\\") : plain ? STR("") : STR("\\\\"));
            c = next;
            i++;
            if (!c) {
                break;
            }
        } else if (c == quote) {
            quote = 0;
        }
        before = c == ' ' ? before : c;
        buf_add_char(out, c);
    }
}

int grafana_expand(const struct grafana_request *request, struct str text, struct arena *arena, struct str *out,
                   struct error *err)
{
    auto_buf replaced, mended;
    buf_init(&replaced, TEXT_MAX);
    buf_init(&mended, TEXT_MAX);
    for (size_t i = 0; i < text.len && !replaced.failed;) {
        struct reference ref;
        bool may_be = text.p[i] == '$' || (text.p[i] == '[' && i + 1 < text.len && text.p[i + 1] == '[');
        if (may_be && read_reference(str_slice(text, i, text.len), &ref) &&
            add_reference(request, &ref, arena, &replaced)) {
            i += ref.len;
        } else {
            buf_add_char(&replaced, text.p[i++]);
        }
    }
    mend_escapes(buf_str(&replaced), &mended);
    if (replaced.failed || mended.failed) {
        return error_set(err, ERR_LIMIT, "the query is longer than %u bytes with its variables replaced", TEXT_MAX);
    }
    *out = arena_dup(arena, buf_str(&mended));
    return 0;
}
