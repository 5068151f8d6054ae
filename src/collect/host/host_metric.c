#include "src/collect/host/host_metric.h"

#include "src/base/number.h"
#include "src/collect/text.h"

static const struct host_family {
    struct str name;
    enum metric_type type;
    struct str help;
} families[] = {
#define HOST(id, metric, type, help) {TEXT(#metric), METRIC_##type, TEXT(help)},
#include "src/collect/host/metrics.def"
#undef HOST
};

void host_add(struct batch *batch, enum host_metric metric, const struct label *labels, size_t n, double value)
{
    const struct host_family *family = &families[metric];
    batch_family(batch, family->name, family->type, family->help);
    batch_add(batch, family->name, labels, n, value);
}

void host_add1(struct batch *batch, enum host_metric metric, struct str label, struct str value, double v)
{
    const struct label labels[] = {{label, value}};
    host_add(batch, metric, labels, 1, v);
}

static struct str clean_name(struct arena *arena, struct str s)
{
    char *p = arena_alloc(arena, s.len + 1);
    size_t n = 0;
    for (size_t i = 0; i < s.len; i++) {
        char c = s.p[i];
        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')) {
            p[n++] = c;
        } else if (c != ')' && c != ':') {
            p[n++] = '_';
        }
    }
    return str_make(p, n);
}

void host_add_named(struct batch *batch, struct str prefix, struct str middle, struct str suffix, enum metric_type type,
                    struct str help, double value)
{
    if (middle.len == 0 || middle.len > LABEL_NAME_MAX / 2) {
        return;
    }
    struct str name = arena_printf(batch->arena, STR_FMT STR_FMT STR_FMT, STR_ARG(prefix),
                                   STR_ARG(clean_name(batch->arena, middle)), STR_ARG(suffix));
    batch_family(batch, name, type, help);
    batch_add(batch, name, NULL, 0, value);
}

static bool blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct str host_word(struct str *rest)
{
    size_t from = 0;
    while (from < rest->len && blank(rest->p[from])) {
        from++;
    }
    size_t to = from;
    while (to < rest->len && !blank(rest->p[to])) {
        to++;
    }
    struct str word = str_slice(*rest, from, to);
    *rest = str_slice(*rest, to, rest->len);
    return word;
}

bool host_line(struct str *rest, struct str *line)
{
    if (rest->len == 0) {
        return false;
    }
    *line = str_split(rest, '\n');
    return true;
}

bool host_number(struct str word, double *out)
{
    return word.len && (word.p[0] == '-' || (word.p[0] >= '0' && word.p[0] <= '9')) && number_parse(word, out);
}
