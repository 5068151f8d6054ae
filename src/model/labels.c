#include "src/model/labels.h"

#include "src/base/codec.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

void labels_builder_init(struct labels_builder *b, struct arena *arena)
{
    b->arena = arena;
    b->n = 0;
    b->overflow = false;
}

void labels_builder_from(struct labels_builder *b, struct arena *arena, struct labels base)
{
    labels_builder_init(b, arena);
    for (uint32_t i = 0; i < base.n; i++) {
        labels_set(b, base.v[i].name, base.v[i].value);
    }
}

/* The place of name, or where it belongs; the array is kept sorted. */
static uint32_t lower_bound(const struct label *v, uint32_t n, struct str name)
{
    uint32_t low = 0, high = n;
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        if (str_cmp(v[mid].name, name) < 0) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low;
}

void labels_set(struct labels_builder *b, struct str name, struct str value)
{
    if (value.len == 0) {
        labels_remove(b, name);
        return;
    }
    /* Names mostly come in order: look at the end first. */
    bool append = b->n == 0 || str_cmp(b->v[b->n - 1].name, name) < 0;
    uint32_t at = append ? b->n : lower_bound(b->v, b->n, name);
    if (at < b->n && str_eq(b->v[at].name, name)) {
        b->v[at].value = value;
        return;
    }
    if (b->n == LABELS_MAX) {
        b->overflow = true;
        return;
    }
    memmove(&b->v[at + 1], &b->v[at], (b->n - at) * sizeof(b->v[0]));
    b->v[at] = (struct label){name, value};
    b->n++;
}

void labels_remove(struct labels_builder *b, struct str name)
{
    uint32_t at = lower_bound(b->v, b->n, name);
    if (at < b->n && str_eq(b->v[at].name, name)) {
        b->n--;
        memmove(&b->v[at], &b->v[at + 1], (b->n - at) * sizeof(b->v[0]));
    }
}

struct labels labels_finish(struct labels_builder *b, bool copy)
{
    struct labels labels = {b->v, b->n};
    if (copy) {
        return labels_dup(labels, b->arena);
    }
    struct label *v = arena_array(b->arena, struct label, b->n);
    if (b->n) {
        memcpy(v, b->v, b->n * sizeof(*v));
    }
    return (struct labels){v, b->n};
}

struct str labels_get(struct labels labels, struct str name)
{
    uint32_t at = lower_bound(labels.v, labels.n, name);
    return at < labels.n && str_eq(labels.v[at].name, name) ? labels.v[at].value : (struct str){0};
}

bool labels_eq(struct labels a, struct labels b)
{
    if (a.n != b.n) {
        return false;
    }
    for (uint32_t i = 0; i < a.n; i++) {
        if (!str_eq(a.v[i].name, b.v[i].name) || !str_eq(a.v[i].value, b.v[i].value)) {
            return false;
        }
    }
    return true;
}

int labels_cmp(struct labels a, struct labels b)
{
    for (uint32_t i = 0; i < a.n && i < b.n; i++) {
        int c = str_cmp(a.v[i].name, b.v[i].name);
        if (c == 0) {
            c = str_cmp(a.v[i].value, b.v[i].value);
        }
        if (c) {
            return c;
        }
    }
    return (a.n > b.n) - (a.n < b.n);
}

static uint64_t mix(uint64_t hash, struct str s)
{
    return XXH3_64bits_withSeed(s.p ? s.p : "", s.len, hash);
}

/* Each text's hash is the seed of the next, so that pairs cannot be shifted against each other. */
uint64_t labels_hash(struct labels labels)
{
    uint64_t hash = labels.n;
    for (uint32_t i = 0; i < labels.n; i++) {
        hash = mix(mix(hash, labels.v[i].name), labels.v[i].value);
    }
    return hash;
}

static void add_sized(XXH64_state_t *state, struct str s)
{
    const unsigned char size[] = {255, (unsigned char)s.len, (unsigned char)(s.len >> 8), (unsigned char)(s.len >> 16)};
    bool small = s.len < 255;
    XXH64_update(state, small ? size + 1 : size, small ? 1 : sizeof(size));
    XXH64_update(state, s.p ? s.p : "", s.len);
}

uint64_t labels_sampling_hash(struct labels labels, struct str without)
{
    XXH64_state_t state;
    XXH64_reset(&state, 0);
    for (uint32_t i = 0; i < labels.n; i++) {
        if (!str_eq(labels.v[i].name, without)) {
            add_sized(&state, labels.v[i].name);
            add_sized(&state, labels.v[i].value);
        }
    }
    return XXH64_digest(&state);
}

uint64_t labels_fingerprint(struct labels labels)
{
    uint64_t hash = FNV1A64_INIT;
    for (uint32_t i = 0; i < labels.n; i++) {
        hash = fnv1a64(hash, labels.v[i].name);
        hash = fnv1a64(hash, STR("\xff"));
        hash = fnv1a64(hash, labels.v[i].value);
        hash = fnv1a64(hash, STR("\xff"));
    }
    return hash;
}

static char *append_text(char *at, struct str s, struct str *out)
{
    if (s.len) {
        memcpy(at, s.p, s.len);
    }
    *out = str_make(at, s.len);
    return at + s.len;
}

struct labels labels_dup(struct labels labels, struct arena *arena)
{
    size_t bytes = 0;
    for (uint32_t i = 0; i < labels.n; i++) {
        bytes += labels.v[i].name.len + labels.v[i].value.len;
    }
    struct label *v = arena_array(arena, struct label, labels.n);
    char *text = arena_alloc(arena, bytes);
    for (uint32_t i = 0; i < labels.n; i++) {
        text = append_text(text, labels.v[i].name, &v[i].name);
        text = append_text(text, labels.v[i].value, &v[i].value);
    }
    return (struct labels){v, labels.n};
}

static bool is_listed(struct str name, const struct str *names, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (str_eq(names[i], name)) {
            return true;
        }
    }
    return false;
}

static struct labels filter(struct labels labels, const struct str *names, size_t n, bool keep, struct arena *arena)
{
    struct label *v = arena_array(arena, struct label, labels.n);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < labels.n; i++) {
        if (is_listed(labels.v[i].name, names, n) == keep) {
            v[kept++] = labels.v[i];
        }
    }
    return (struct labels){v, kept};
}

struct labels labels_keep(struct labels labels, const struct str *names, size_t n, struct arena *arena)
{
    return filter(labels, names, n, true, arena);
}

struct labels labels_drop(struct labels labels, const struct str *names, size_t n, struct arena *arena)
{
    return filter(labels, names, n, false, arena);
}

/* Go's strconv.Quote, which Prometheus prints label values with. */
static void print_quoted(struct str s, struct buf *out)
{
    static const char letters[] = "abtnvfr"; /* \x07 to \x0d */
    buf_add_char(out, '"');
    while (s.len) {
        size_t n = utf8_char(s);
        unsigned char c = (unsigned char)s.p[0];
        if (c == '"' || c == '\\') {
            buf_addf(out, "\\%c", c);
        } else if (c >= 0x07 && c <= 0x0d) {
            buf_addf(out, "\\%c", letters[c - 0x07]);
        } else if (n == 0 || c < ' ' || c == 0x7f) {
            buf_addf(out, "\\x%02x", c);
            n = 1;
        } else {
            buf_add(out, str_slice(s, 0, n));
        }
        s = str_slice(s, n, s.len);
    }
    buf_add_char(out, '"');
}

void labels_print(struct labels labels, struct buf *out)
{
    struct str name = labels_get(labels, METRIC_NAME);
    bool bare = metric_name_legal(name), first = true;
    if (bare) {
        buf_add(out, name);
    }
    if (bare && labels.n == 1) {
        return;
    }
    buf_add_char(out, '{');
    for (uint32_t i = 0; i < labels.n; i++) {
        if (bare && str_eq(labels.v[i].name, METRIC_NAME)) {
            continue;
        }
        buf_add(out, first ? (struct str){0} : STR(", "));
        buf_add(out, labels.v[i].name);
        buf_add_char(out, '=');
        print_quoted(labels.v[i].value, out);
        first = false;
    }
    buf_add_char(out, '}');
}

static bool name_legal(struct str name, bool colon)
{
    if (name.len == 0 || name.len > LABEL_NAME_MAX) {
        return false;
    }
    for (size_t i = 0; i < name.len; i++) {
        char c = name.p[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (colon && c == ':');
        if (!letter && !(i > 0 && c >= '0' && c <= '9')) {
            return false;
        }
    }
    return true;
}

bool label_name_legal(struct str name)
{
    return name_legal(name, false);
}

bool metric_name_legal(struct str name)
{
    return name_legal(name, true);
}
