#include "src/model/remote_write.h"

#include "src/base/codec.h"

#include <endian.h>

#define NAMED_MAX 150 /* bytes of a series' name in an error text */

/* Protocol Buffers' wire format: https://protobuf.dev/programming-guides/encoding/ */
enum wire { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2, WIRE_FIXED32 = 5 };

struct field {
    uint32_t number;
    unsigned wire;
    uint64_t value;   /* of a varint or a fixed one */
    struct str bytes; /* of WIRE_BYTES */
};

/* The first fault is kept, and then nothing more is read. */
struct reader {
    const char *p, *end, *fault;
};

static struct reader reader_of(struct str s)
{
    const char *p = s.p ? s.p : "";
    return (struct reader){.p = p, .end = p + s.len};
}

static const char too_much[] = "more series or samples than are taken at once";

static bool fail(struct reader *r, const char *fault)
{
    r->fault = r->fault ? r->fault : fault;
    r->p = r->end;
    return false;
}

static bool read_long_varint(struct reader *r, uint64_t *out)
{
    uint64_t v = 0;
    for (unsigned shift = 0; r->p < r->end; shift += 7) {
        unsigned char byte = (unsigned char)*r->p++;
        if (shift == 63 && byte > 1) {
            return fail(r, "a number has more than 64 bits");
        }
        v |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            *out = v;
            return true;
        }
    }
    return fail(r, "it ends within a number");
}

static inline bool read_varint(struct reader *r, uint64_t *out)
{
    if (r->p < r->end && (unsigned char)*r->p < 0x80) {
        *out = (unsigned char)*r->p++;
        return true;
    }
    return read_long_varint(r, out);
}

static inline bool read_fixed(struct reader *r, size_t n, uint64_t *out)
{
    if ((size_t)(r->end - r->p) < n) {
        return fail(r, "it ends within a number");
    }
    uint64_t v = 0;
    memcpy(&v, r->p, n);
    *out = le64toh(v);
    r->p += n;
    return true;
}

static inline bool read_bytes(struct reader *r, struct str *out)
{
    uint64_t n;
    if (!read_varint(r, &n)) {
        return false;
    }
    if (n > (uint64_t)(r->end - r->p)) {
        return fail(r, "a length reaches beyond the end");
    }
    *out = str_make(r->p, (size_t)n);
    r->p += n;
    return true;
}

/* False at the end, or after a fault. */
static inline bool read_field(struct reader *r, struct field *f)
{
    uint64_t tag;
    if (r->p == r->end || !read_varint(r, &tag)) {
        return false;
    }
    if (tag > UINT32_MAX || tag < 8) {
        return fail(r, "a field has an impossible number");
    }
    f->number = (uint32_t)tag >> 3;
    f->wire = tag & 7;
    switch (f->wire) {
    case WIRE_VARINT:
        return read_varint(r, &f->value);
    case WIRE_FIXED64:
        return read_fixed(r, 8, &f->value);
    case WIRE_BYTES:
        return read_bytes(r, &f->bytes);
    case WIRE_FIXED32:
        return read_fixed(r, 4, &f->value);
    default:
        return fail(r, "a field has an unknown wire type");
    }
}

static inline bool expect(struct reader *r, const struct field *f, enum wire wire)
{
    return f->wire == (unsigned)wire || fail(r, "a known field has the wrong wire type");
}

/* A string field of the message r reads; the last of several counts, as protobuf has it. */
static void take_bytes(struct reader *r, const struct field *f, struct str *out)
{
    if (expect(r, f, WIRE_BYTES)) {
        *out = f->bytes;
    }
}

/* -- labels, when they are asked for -- */

struct pairs {
    struct label v[LABELS_MAX];
    uint32_t n;
};

static const char *read_label(struct str message, struct label *out)
{
    struct reader r = reader_of(message);
    *out = (struct label){0};
    for (struct field f; read_field(&r, &f);) {
        if (f.number == 1) {
            take_bytes(&r, &f, &out->name);
        } else if (f.number == 2) {
            take_bytes(&r, &f, &out->value);
        }
    }
    return r.fault;
}

/* Keeps them sorted as they come: senders sort, so that the place is nearly always the end. */
static bool insert(struct pairs *pairs, struct label label)
{
    if (pairs->n == LABELS_MAX) {
        return false;
    }
    uint32_t at = pairs->n++;
    for (; at > 0 && str_cmp(pairs->v[at - 1].name, label.name) > 0; at--) {
        pairs->v[at] = pairs->v[at - 1];
    }
    pairs->v[at] = label;
    return true;
}

/* NULL, or what is wrong; what could be read is in pairs in any case. */
static const char *read_pairs(struct str key, struct pairs *pairs)
{
    struct reader r = reader_of(key);
    pairs->n = 0;
    for (struct field f = {0}; read_field(&r, &f);) {
        struct label label;
        const char *fault = read_label(f.bytes, &label);
        if (fault) {
            return fault;
        }
        if (!insert(pairs, label)) {
            return "it has more than 64 labels";
        }
    }
    return NULL;
}

static bool printable(struct str name)
{
    for (size_t i = 0; i < name.len; i++) {
        if ((unsigned char)name.p[i] < ' ' || name.p[i] == 0x7f) {
            return false;
        }
    }
    return name.len > 0 && utf8_valid(name);
}

/* "series up{job="a"}: " and what is wrong with it. */
static int refuse(struct error *err, int code, const struct pairs *pairs, const char *why, struct str what)
{
    struct pairs fit = {.n = 0};
    for (uint32_t i = 0; i < pairs->n; i++) {
        struct str name = pairs->v[i].name, value = str_slice(pairs->v[i].value, 0, NAMED_MAX);
        name = printable(name) ? str_slice(name, 0, utf8_cut(name, NAMED_MAX)) : STR("?");
        (void)insert(&fit, (struct label){name, value});
    }
    auto_buf text;
    buf_init(&text, 1 << 18); /* of 64 labels; an escaped byte takes four */
    labels_print((struct labels){fit.v, fit.n}, &text);
    size_t shown = utf8_cut(buf_str(&text), NAMED_MAX);
    what = printable(what) ? str_slice(what, 0, utf8_cut(what, 40)) : STR("");
    return error_set(err, code, "series %.*s%s: %s%s" STR_FMT "%s", (int)shown, text.p, shown < text.len ? "…" : "",
                     why, what.len ? ": '" : "", STR_ARG(what), what.len ? "'" : "");
}

/* Prometheus 3 lets names be any UTF-8, and so does our query language (quoted); control characters are too much. */
static bool name_fits(struct str name)
{
    return name.len <= LABEL_NAME_MAX && printable(name);
}

static int check_pair(const struct label *label, const struct label *before, const char **why)
{
    bool metric = str_eq(label->name, METRIC_NAME);
    if (before && str_eq(before->name, label->name)) {
        *why = "a label is given twice";
    } else if (!name_fits(label->name)) {
        *why = "a label's name is empty, longer than 256 bytes, not UTF-8 or holds control characters";
    } else if (metric && label->value.len && !name_fits(label->value)) {
        *why = "its name is longer than 256 bytes, not UTF-8 or holds control characters";
    } else if (label->value.len > LABEL_VALUE_MAX) {
        *why = "a label's value is longer than 4096 bytes";
        return ERR_LIMIT;
    } else if (!utf8_valid(label->value)) {
        *why = "a label's value is not UTF-8";
    }
    return *why ? ERR_PARSE : 0;
}

int remote_write_labels(void *ctx, size_t i, struct arena *arena, struct labels *out, struct error *err)
{
    const struct remote_write *rw = ctx;
    struct pairs pairs;
    const char *why = read_pairs(rw->series.p[i].key, &pairs);
    if (why) {
        return refuse(err, ERR_PARSE, &pairs, why, (struct str){0});
    }
    struct label *v = arena_array(arena, struct label, pairs.n);
    uint32_t n = 0;
    for (uint32_t k = 0; k < pairs.n; k++) {
        int rc = check_pair(&pairs.v[k], k ? &pairs.v[k - 1] : NULL, &why);
        if (rc) {
            return refuse(err, rc, &pairs, why, pairs.v[k].name);
        }
        if (pairs.v[k].value.len) {
            v[n++] = pairs.v[k];
        }
    }
    struct labels labels = {v, n};
    if (labels_get(labels, METRIC_NAME).len == 0) {
        return refuse(err, ERR_PARSE, &pairs, "it has no metric name (label __name__)", (struct str){0});
    }
    *out = labels;
    return 0;
}

/* -- the message -- */

static void read_sample(struct reader *parent, struct str message, struct remote_write *rw)
{
    struct reader r = reader_of(message);
    struct write_sample sample = {0};
    for (struct field f; read_field(&r, &f);) {
        if (f.number == 1 && expect(&r, &f, WIRE_FIXED64)) {
            sample.value = sample_from_bits(f.value);
        } else if (f.number == 2 && expect(&r, &f, WIRE_VARINT)) {
            sample.t_ms = (int64_t)f.value;
        }
    }
    if (r.fault) {
        fail(parent, r.fault);
    } else if (rw->samples.len == REMOTE_WRITE_SAMPLES_MAX) {
        fail(parent, too_much);
    } else {
        vec_push(&rw->samples, sample);
    }
}

/* The label fields of a TimeSeries whose labels do not lie together. */
static struct str join_labels(struct remote_write *rw, struct str message)
{
    struct reader r = reader_of(message);
    char *copy = arena_alloc(&rw->joined, message.len), *to = copy;
    const char *from = r.p;
    for (struct field f; read_field(&r, &f); from = r.p) {
        if (f.number == 1) {
            memcpy(to, from, (size_t)(r.p - from));
            to += r.p - from;
        }
    }
    return str_make(copy, (size_t)(to - copy));
}

struct label_run { /* where the label fields of a TimeSeries lie */
    const char *from, *to;
    bool split;
};

static inline void extend(struct label_run *run, const char *from, const char *to)
{
    bool empty = run->from == run->to;
    run->split |= !empty && from != run->to;
    run->from = empty ? from : run->from;
    run->to = to;
}

/* Passes the labels that a series begins with, each shorter than 128 bytes: nearly all of every request. */
static inline const char *skip_labels(const struct reader *r)
{
    const char *p = r->p;
    while (r->end - p >= 2 && p[0] == (1 << 3 | WIRE_BYTES) && (unsigned char)p[1] < 0x80 && r->end - p - 2 >= p[1]) {
        p += 2 + p[1];
    }
    return p;
}

static void refuse_histograms(struct remote_write *rw, struct str key, size_t samples)
{
    struct pairs pairs;
    rw->refused_samples += samples;
    if (rw->refused_series++ == 0) {
        (void)read_pairs(key, &pairs);
        refuse(&rw->refused, ERR_UNSUPPORTED, &pairs,
               "native histograms are not supported, send it as a classic one (le buckets)", (struct str){0});
    }
}

static void read_series(struct reader *parent, struct str message, struct remote_write *rw)
{
    struct reader r = reader_of(message);
    struct label_run run = {.from = r.p, .to = skip_labels(&r)};
    size_t first = rw->samples.len, histograms = 0;
    const char *from = r.p = run.to;
    for (struct field f; read_field(&r, &f); from = r.p) {
        if (f.number == 1 && expect(&r, &f, WIRE_BYTES)) {
            extend(&run, from, r.p);
        } else if (f.number == 2 && expect(&r, &f, WIRE_BYTES)) {
            read_sample(&r, f.bytes, rw);
        } else if (f.number == 4 && expect(&r, &f, WIRE_BYTES)) {
            histograms++;
        }
    }
    if (r.fault) {
        fail(parent, r.fault);
        return;
    }
    size_t count = rw->samples.len - first;
    if (count + histograms == 0) {
        return; /* labels or exemplars alone: nothing to keep */
    }
    struct str key = run.split ? join_labels(rw, message) : str_make(run.from, (size_t)(run.to - run.from));
    if (histograms) {
        rw->samples.len = first;
        refuse_histograms(rw, key, count + histograms);
    } else if (rw->series.len == REMOTE_WRITE_SERIES_MAX) {
        fail(parent, too_much);
    } else {
        vec_push(&rw->series, (struct write_series){key, (uint32_t)first, (uint32_t)count});
    }
}

static enum metric_type type_of(uint64_t type)
{
    static const enum metric_type types[] = {METRIC_UNKNOWN,   METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM,
                                             METRIC_HISTOGRAM, METRIC_SUMMARY, METRIC_INFO,  METRIC_UNKNOWN};
    return type < sizeof(types) / sizeof(types[0]) ? types[type] : METRIC_UNKNOWN;
}

/* Metadata that is no good is left out: no sample is lost with it. */
static void read_metadata(struct reader *parent, struct str message, struct remote_write *rw)
{
    struct reader r = reader_of(message);
    struct metric_family family = {0};
    for (struct field f; read_field(&r, &f);) {
        if (f.number == 1 && expect(&r, &f, WIRE_VARINT)) {
            family.type = type_of(f.value);
        } else if (f.number == 2) {
            take_bytes(&r, &f, &family.name);
        } else if (f.number == 4) {
            take_bytes(&r, &f, &family.help);
        }
    }
    if (r.fault) {
        fail(parent, r.fault);
    } else if (rw->families.len < REMOTE_WRITE_FAMILIES_MAX && name_fits(family.name) && utf8_valid(family.help)) {
        family.help = str_slice(family.help, 0, utf8_cut(family.help, REMOTE_WRITE_HELP_MAX));
        vec_push(&rw->families, family);
    }
}

static void clear(struct remote_write *rw)
{
    vec_clear(&rw->series);
    vec_clear(&rw->samples);
    vec_clear(&rw->families);
    rw->refused_series = rw->refused_samples = 0;
    rw->refused = (struct error){0};
    arena_clear(&rw->joined);
}

static int report(const struct reader *r, struct error *err)
{
    if (r->fault == too_much) {
        return error_set(err, ERR_LIMIT, "the request has more than %d series or %d samples: send less at once",
                         REMOTE_WRITE_SERIES_MAX, REMOTE_WRITE_SAMPLES_MAX);
    }
    return error_set(err, ERR_PARSE,
                     "the body is not a remote write 1.0 request (protobuf prometheus.WriteRequest): %s", r->fault);
}

int remote_write_decode(struct remote_write *rw, struct str message, struct error *err)
{
    clear(rw);
    if (message.len > REMOTE_WRITE_BYTES_MAX) {
        return error_set(err, ERR_LIMIT, "the request has more than %u bytes: send less at once",
                         REMOTE_WRITE_BYTES_MAX);
    }
    struct reader r = reader_of(message);
    for (struct field f; read_field(&r, &f);) {
        if (f.number == 1 && expect(&r, &f, WIRE_BYTES)) {
            read_series(&r, f.bytes, rw);
        } else if (f.number == 3 && expect(&r, &f, WIRE_BYTES)) {
            read_metadata(&r, f.bytes, rw);
        }
    }
    return r.fault ? report(&r, err) : 0;
}

void remote_write_release(struct remote_write *rw)
{
    vec_release(&rw->series);
    vec_release(&rw->samples);
    vec_release(&rw->families);
    arena_release(&rw->joined);
}
