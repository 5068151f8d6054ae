#include "src/base/codec.h"
#include "src/base/number.h"
#include "src/model/openmetrics.h"

#include <inttypes.h>
#include <stdio.h>

/* What OpenMetrics escapes; everything else stands as it is. */
static void write_escaped(struct str s, struct buf *out)
{
    while (s.len) {
        size_t n = 0;
        while (n < s.len && s.p[n] != '"' && s.p[n] != '\\' && s.p[n] != '\n') {
            n++;
        }
        buf_add(out, str_slice(s, 0, n));
        if (n < s.len) {
            buf_add_char(out, '\\');
            buf_add_char(out, s.p[n] == '\n' ? 'n' : s.p[n]);
            n++;
        }
        s = str_slice(s, n, s.len);
    }
}

static void write_quoted(struct str s, struct buf *out)
{
    buf_add_char(out, '"');
    write_escaped(s, out);
    buf_add_char(out, '"');
}

static void write_name(struct str name, bool legal, struct buf *out)
{
    if (legal) {
        buf_add(out, name);
    } else {
        write_quoted(name, out);
    }
}

void text_write_family(struct str name, enum metric_type type, struct str help, struct buf *out)
{
    bool legal = metric_name_legal(name);
    buf_add(out, STR("# TYPE "));
    write_name(name, legal, out);
    buf_addf(out, " %s\n", metric_type_name(type));
    if (!utf8_valid(help)) {
        help.len = utf8_cut(help, help.len - 1); /* the store may have cut it within a character */
    }
    if (help.len && utf8_valid(help)) {
        buf_add(out, STR("# HELP "));
        write_name(name, legal, out);
        buf_add_char(out, ' ');
        write_escaped(help, out);
        buf_add_char(out, '\n');
    }
}

void text_write_series(struct labels labels, struct buf *out)
{
    struct str name = labels_get(labels, METRIC_NAME);
    bool legal = metric_name_legal(name), first = true;
    if (legal) {
        buf_add(out, name);
        if (labels.n == 1) {
            return;
        }
    }
    buf_add_char(out, '{');
    if (!legal) {
        write_quoted(name, out);
        first = false;
    }
    for (uint32_t i = 0; i < labels.n; i++) {
        if (str_eq(labels.v[i].name, METRIC_NAME)) {
            continue;
        }
        buf_add(out, first ? STR("") : STR(","));
        write_name(labels.v[i].name, label_name_legal(labels.v[i].name), out);
        buf_add_char(out, '=');
        write_quoted(labels.v[i].value, out);
        first = false;
    }
    buf_add_char(out, '}');
}

void text_write_sample(struct str series, int64_t t_ms, double value, struct buf *out)
{
    char line[NUMBER_MAX + 80];
    line[0] = ' ';
    size_t n = 1 + number_format_g(value, line + 1);
    uint64_t ms = t_ms < 0 ? -(uint64_t)t_ms : (uint64_t)t_ms;
    n += (size_t)snprintf(line + n, sizeof(line) - n, " %s%" PRIu64 ".%03u", t_ms < 0 ? "-" : "", ms / 1000,
                          (unsigned)(ms % 1000));
    if (isnan(value) && sample_bits(value) != sample_bits(TEXT_NAN)) {
        n += (size_t)snprintf(line + n, sizeof(line) - n, "%020" PRIu64, sample_bits(value));
    }
    line[n++] = '\n';
    buf_add(out, series);
    buf_add_bytes(out, line, n);
}
