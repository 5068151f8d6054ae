#include "storage/residual.h"

#define ESCAPE         0x80u /* in a width: the largest value says that 64 bits follow */
#define TRIMMED        4     /* so many of the least may be strangers without widening the rest, less one */
#define OUTSIDE        8     /* the narrowest coded window leaves one in so many outside */
#define WIDER          2     /* bits by which a coded window may be wider */
#define HEAD_BITS      24    /* of a column without exceptions */
#define EXCEPTION_BITS 40    /* head of the exceptions */

/* Residuals of one width hold several in a nibble when narrow, and its top bits when wide. */
static unsigned per_nibble(unsigned width)
{
    return width == 1 ? 4 : width == 2 ? 2 : 1;
}

static unsigned below_nibble(unsigned width)
{
    return width > 4 ? width - 4 : 0;
}

static uint64_t magnitude(uint64_t v)
{
    return (int64_t)v < 0 ? 0 - v : v;
}

/* What divides the distances of all to the first; 1 when they are all the same. */
static uint64_t common_unit(const uint64_t *v, size_t n)
{
    uint64_t unit = 0;
    for (size_t i = 1; i < n && unit != 1; i++) {
        uint64_t a = magnitude(v[i] - v[0]), b = unit;
        while (a && b) {
            uint64_t rest = a % b;
            a = b;
            b = rest;
        }
        unit = a ? a : unit;
    }
    return unit ? unit : 1;
}

/* How far the values lie from one that a window may begin at or be centred on. */
struct spread {
    size_t count[65]; /* by bits of the distance; in a centred one by bits of its zigzag */
    size_t below;     /* a few at most */
    int64_t from;
    bool centred;
};

/* Where in the counters below v belongs. */
static inline size_t place(int64_t v, int64_t from, bool centred)
{
    uint64_t distance = (uint64_t)v - (uint64_t)from;
    if (centred) {
        return bytes_bit_length(bytes_zigzag((int64_t)distance));
    }
    return v < from ? 65 : bytes_bit_length(distance);
}

__attribute__((always_inline)) static inline void count_places(struct spread *s, const int64_t *v, size_t n,
                                                               bool centred)
{
    uint32_t counts[2][66] = {{0}}; /* by turns: the same counter twice in a row waits for itself */
    int64_t from = s->from;
    size_t i = 0;
    for (; i + 2 <= n; i += 2) {
        counts[0][place(v[i], from, centred)]++;
        counts[1][place(v[i + 1], from, centred)]++;
    }
    if (i < n) {
        counts[0][place(v[i], from, centred)]++;
    }
    for (size_t length = 0; length <= 64; length++) {
        s->count[length] = counts[0][length] + counts[1][length];
    }
    s->below = counts[0][65] + counts[1][65];
}

static void measure(struct spread *s, const int64_t *v, size_t n, int64_t from, bool centred)
{
    s->from = from;
    s->centred = centred;
    if (centred) {
        count_places(s, v, n, true);
    } else {
        count_places(s, v, n, false);
    }
}

static int64_t window_low(const struct spread *s, unsigned width)
{
    return s->centred && width ? (int64_t)((uint64_t)s->from - ((uint64_t)1 << (width - 1))) : s->from;
}

/* What lies outside windows of each width, up to the longest that there is any use for, and what that costs. */
struct outsides {
    unsigned longest;
    size_t count[65], bits[65];
};

/* Each exception costs its distance from the one before, a bit or two more than it would alone, and its value at a
 * width that fits most; few enough escape from that. The width never grows as more and smaller ones come in. */
static void price(const struct spread *s, size_t n, struct outsides *out)
{
    size_t count = s->below, escapes = s->below;
    unsigned value = 64;
    while (value > 0 && s->count[value] == 0) {
        value--;
    }
    out->longest = value;
    for (unsigned width = value + 1; width-- > 0;) {
        while (value > width + 1 && (escapes + s->count[value]) * 64 < count + escapes * 64) {
            escapes += s->count[value--];
        }
        size_t each = count ? bytes_bit_length(n / count) + 2 + value : 0;
        out->count[width] = count;
        out->bits[width] = count ? EXCEPTION_BITS + count * each + escapes * 64 : 0;
        count += s->count[width];
    }
}

static void cheapest_width(const struct spread *s, size_t n, struct residual_plan *plan)
{
    struct outsides outside;
    price(s, n, &outside);
    for (unsigned width = outside.longest + 1; width-- > 0;) {
        size_t bits = HEAD_BITS + n * width + outside.bits[width];
        if (bits < plan->bits) {
            plan->bits = bits;
            plan->width = width;
            plan->low = window_low(s, width);
            plan->from = s->from;
            plan->centred = s->centred;
            plan->exceptions = outside.count[width];
        }
    }
}

static void insert_least(int64_t least[TRIMMED], int64_t v)
{
    unsigned at = TRIMMED - 1;
    for (; at > 0 && least[at - 1] > v; at--) {
        least[at] = least[at - 1];
    }
    least[at] = v;
}

/* The least, and the least but for a few that lie far below the rest. */
static void find_low(const int64_t *v, size_t n, int64_t *least, int64_t *trimmed)
{
    int64_t low[TRIMMED];
    for (unsigned i = 0; i < TRIMMED; i++) {
        low[i] = INT64_MAX;
    }
    for (size_t i = 0; i < n; i++) {
        if (v[i] < low[TRIMMED - 1]) {
            insert_least(low, v[i]);
        }
    }
    *least = *trimmed = low[0];
    if (n >= 4 * TRIMMED) {
        unsigned at = 0;
        uint64_t range = (uint64_t)low[TRIMMED - 1] - (uint64_t)low[0];
        while ((uint64_t)low[TRIMMED - 1] - (uint64_t)low[at] > range / 8) {
            at++;
        }
        *trimmed = low[at];
    }
}

/* Of five spread over the run: what is common, if anything is. */
static int64_t middle(const int64_t *v, size_t n)
{
    int64_t five[5];
    for (unsigned i = 0; i < 5; i++) {
        int64_t x = v[(n - 1) * i / 4];
        unsigned at = i;
        for (; at > 0 && five[at - 1] > x; at--) {
            five[at] = five[at - 1];
        }
        five[at] = x;
    }
    return five[2];
}

static void try_windows(const int64_t *v, size_t n, int64_t from, bool centred, struct residual_plan *plan)
{
    struct spread spread;
    measure(&spread, v, n, from, centred);
    cheapest_width(&spread, n, plan);
}

/* A window may begin at the least; where that leaves strangers, at the least but a few, or lie around the middle. */
static void choose_window(const int64_t *v, size_t n, struct residual_plan *plan)
{
    int64_t least, trimmed;
    find_low(v, n, &least, &trimmed);
    try_windows(v, n, least, false, plan);
    if (trimmed != least) {
        try_windows(v, n, trimmed, false, plan);
    }
    int64_t centre = middle(v, n);
    if (centre != least && centre != trimmed && (plan->exceptions || trimmed != least)) {
        try_windows(v, n, centre, true, plan);
    }
}

void residual_prepare(uint64_t *v, size_t n, struct residual_plan *plan)
{
    uint64_t origin = v[0], unit = common_unit(v, n), shift = (uint64_t)__builtin_ctzll(unit), odd = unit >> shift;
    for (size_t i = 0; i < n; i++) {
        v[i] = (uint64_t)((int64_t)(v[i] - origin) >> shift);
    }
    for (size_t i = 0; odd != 1 && i < n; i++) {
        v[i] = (uint64_t)((int64_t)v[i] / (int64_t)odd);
    }
    *plan = (struct residual_plan){
        .origin = origin, .unit = unit, .bits = SIZE_MAX, .flags = unit == 1 ? 0 : RESIDUAL_UNIT};
    choose_window((const int64_t *)v, n, plan);
}

/* The largest residual. */
static uint64_t window_most(unsigned width)
{
    return width ? UINT64_MAX >> (64 - width) : 0;
}

/* The nibbles of all residuals; an exception counts as residual 0. bytes: n + 4. */
static size_t make_nibbles(const uint64_t *v, size_t n, int64_t low, unsigned width, uint8_t *bytes)
{
    unsigned shift = below_nibble(width);
    uint64_t most = window_most(width);
    for (size_t i = 0; i < n; i++) {
        uint64_t distance = v[i] - (uint64_t)low;
        uint64_t nibble = distance <= most ? distance >> shift : 0;
        bytes[i] = (uint8_t)nibble;
    }
    unsigned group = per_nibble(width);
    if (group == 1) {
        return n;
    }
    memset(bytes + n, 0, 4);
    size_t count = (n + group - 1) / group;
    for (size_t i = 0; i < count; i++) {
        const uint8_t *in = bytes + i * group;
        int nibble = group == 2 ? in[0] | in[1] << 2 : in[0] | in[1] << 1 | in[2] << 2 | in[3] << 3;
        bytes[i] = (uint8_t)nibble;
    }
    return count;
}

static void try_code(const uint64_t *v, size_t n, const struct spread *s, const struct outsides *outside,
                     unsigned width, uint8_t *bytes, struct residual_plan *plan)
{
    size_t counts[2][16] = {{0}}, bits = HEAD_BITS + n * below_nibble(width) + outside->bits[width];
    if (bits >= plan->bits) {
        return;
    }
    size_t nibbles = make_nibbles(v, n, window_low(s, width), width, bytes);
    for (size_t i = 0; i < nibbles; i++) {
        counts[i % 2][bytes[i]]++; /* by turns: the same counter twice in a row waits for itself */
    }
    for (unsigned i = 0; i < 16; i++) {
        counts[0][i] += counts[1][i];
    }
    struct nibble_code code = {0};
    if (nibbles_choose(counts[0], &code) && bits + code.bits + 8 < plan->bits) {
        plan->bits = bits + code.bits + 8;
        plan->width = width;
        plan->low = window_low(s, width);
        plan->exceptions = outside->count[width];
        plan->code = code;
        plan->flags |= RESIDUAL_CODED;
    }
}

void residual_refine(const uint64_t *v, size_t n, uint8_t *bytes, struct residual_plan *plan)
{
    struct spread spread;
    measure(&spread, (const int64_t *)v, n, plan->from, plan->centred);
    struct outsides outside;
    price(&spread, n, &outside);
    unsigned longest = outside.longest, narrowest = 1;
    while (narrowest < longest && outside.count[narrowest] > n / OUTSIDE) {
        narrowest++;
    }
    for (unsigned width = narrowest; width <= longest && width <= narrowest + WIDER; width++) {
        try_code(v, n, &spread, &outside, width, bytes, plan);
    }
    plan->flags |= plan->exceptions ? RESIDUAL_EXCEPTIONS : 0;
}

/* Bits least significant first. */
struct bit_writer {
    struct buf *out;
    uint64_t acc;
    unsigned filled;
};

static void put_bits(struct bit_writer *w, uint64_t v, unsigned width)
{
    w->acc |= v << w->filled;
    if (w->filled + width < 64) {
        w->filled += width;
        return;
    }
    bytes_add_le(w->out, w->acc, 8);
    unsigned used = 64 - w->filled;
    w->acc = used < 64 ? v >> used : 0;
    w->filled = w->filled + width - 64;
}

/* In a width with an escape, what the width cannot hold or what looks like the escape stands in 64 bits behind it. */
static uint64_t escape_of(unsigned width)
{
    return ((uint64_t)1 << (width & ~ESCAPE)) - 1;
}

static void put_escaped(struct bit_writer *w, uint64_t v, unsigned width)
{
    if (!(width & ESCAPE)) {
        put_bits(w, v, width);
    } else if (v < escape_of(width)) {
        put_bits(w, v, width & ~ESCAPE);
    } else {
        put_bits(w, escape_of(width), width & ~ESCAPE);
        put_bits(w, v, 64);
    }
}

/* The width for v less `from`. */
static unsigned choose_escaped(const uint64_t *v, size_t n, uint64_t from, size_t *bits)
{
    size_t count[65] = {0}, escapes = 0;
    unsigned best = 0;
    for (size_t i = 0; i < n; i++) {
        uint64_t distance = v[i] - from;
        unsigned length = bytes_bit_length(distance);
        best = length > best ? length : best;
        count[distance == UINT64_MAX ? 64 : bytes_bit_length(distance + 1)]++;
    }
    *bits = n * best;
    for (unsigned width = 63; width > 0; width--) {
        escapes += count[width + 1];
        if (n * width + escapes * 64 < *bits) {
            *bits = n * width + escapes * 64;
            best = width | ESCAPE;
        }
    }
    return best;
}

static int64_t choose_exception_base(const uint64_t *values, size_t n, unsigned *width, size_t *bits)
{
    int64_t least, trimmed;
    find_low((const int64_t *)values, n, &least, &trimmed);
    *width = choose_escaped(values, n, (uint64_t)least, bits);
    if (trimmed != least) {
        size_t trimmed_bits;
        unsigned trimmed_width = choose_escaped(values, n, (uint64_t)trimmed, &trimmed_bits);
        if (trimmed_bits < *bits) {
            *bits = trimmed_bits;
            *width = trimmed_width;
            return trimmed;
        }
    }
    return least;
}

/* Takes the exceptions out of v. room: 2 for each. */
static void add_exceptions(struct buf *out, uint64_t *v, size_t n, const struct residual_plan *plan, uint64_t *room)
{
    size_t count = 0, bits, more;
    uint64_t *gaps = room, *values = room + plan->exceptions;
    uint64_t last = UINT64_MAX, most = window_most(plan->width);
    for (size_t i = 0; i < n; i++) {
        uint64_t distance = v[i] - (uint64_t)plan->low;
        if (distance > most) {
            gaps[count] = i - last - 1;
            values[count++] = distance;
            last = i;
            v[i] = (uint64_t)plan->low;
        }
    }
    unsigned gap_width = choose_escaped(gaps, count, 0, &bits), value_width;
    int64_t from = choose_exception_base(values, count, &value_width, &more);
    bytes_add_varint(out, count);
    buf_add_char(out, (char)gap_width);
    buf_add_char(out, (char)value_width);
    bytes_add_varint(out, bytes_zigzag(from));
    bytes_add_varint(out, (bits + more + 7) / 8);
    struct bit_writer w = {.out = out};
    for (size_t i = 0; i < count; i++) {
        put_escaped(&w, gaps[i], gap_width);
        put_escaped(&w, values[i] - (uint64_t)from, value_width);
    }
    bytes_add_le(out, w.acc, (w.filled + 7) / 8);
}

void residual_add(struct buf *out, uint64_t *v, size_t n, const struct residual_plan *plan, uint64_t *room,
                  uint8_t *bytes)
{
    buf_add_char(out, (char)plan->width);
    if (plan->flags & RESIDUAL_UNIT) {
        bytes_add_varint(out, plan->unit);
    }
    bytes_add_varint(out, bytes_zigzag((int64_t)(plan->origin + plan->unit * (uint64_t)plan->low)));
    if (plan->flags & RESIDUAL_EXCEPTIONS) {
        add_exceptions(out, v, n, plan, room);
    }
    bool coded = plan->flags & RESIDUAL_CODED;
    size_t nibbles = 0;
    if (coded) {
        nibbles_add_code(out, &plan->code);
        nibbles = make_nibbles(v, n, plan->low, plan->width, bytes);
    }
    unsigned low_width = coded ? below_nibble(plan->width) : plan->width;
    if (low_width) {
        for (size_t i = 0; i < n; i++) {
            v[i] -= (uint64_t)plan->low;
        }
        pack_add_bits(out, v, n, low_width);
    }
    if (coded) {
        nibbles_add(out, &plan->code, bytes, nibbles, bytes + nibbles);
    }
}

static uint64_t get_escaped(struct residual_reader *r, struct residual_field field)
{
    uint64_t v = pack_read_at(r->exception_bits, r->exception_size, r->bit, field.width);
    r->bit += field.width;
    if (field.escapes && v == field.mask) {
        v = pack_read_at(r->exception_bits, r->exception_size, r->bit, 64);
        r->bit += 64;
    }
    return v;
}

/* Most exceptions are without an escape and lie in eight bytes. */
static void get_exception(struct residual_reader *r, uint64_t *gap, uint64_t *value)
{
    uint64_t at = r->bit / 8;
    unsigned width = r->gap.width + r->value.width;
    if (width <= 56 && r->exception_size >= 8 && at <= r->exception_size - 8) {
        uint64_t bits = bytes_load64(r->exception_bits + at) >> r->bit % 8;
        *gap = bits & r->gap.mask;
        *value = bits >> r->gap.width & r->value.mask;
        if (*gap != r->gap.escape && *value != r->value.escape) {
            r->bit += width;
            return;
        }
    }
    *gap = get_escaped(r, r->gap);
    *value = get_escaped(r, r->value);
}

/* Where the next exception is; out of reach when none is left, or when the distance is nonsense. */
static void next_exception(struct residual_reader *r)
{
    uint64_t from = r->next + 1, gap;
    r->next = UINT64_MAX - 1;
    if (r->exceptions) {
        get_exception(r, &gap, &r->next_value);
        r->next_value += r->exception_base;
        r->next = gap < UINT32_MAX ? from + gap : UINT64_MAX - 1;
    }
}

static struct residual_field read_field(struct bytes_reader *in)
{
    unsigned head = (unsigned)bytes_read_le(in, 1);
    struct residual_field field = {.width = head & ~ESCAPE};
    if (field.width > (head & ESCAPE ? 63 : 64)) {
        bytes_fail(in);
        return (struct residual_field){0};
    }
    field.mask = field.width == 64 ? UINT64_MAX : ((uint64_t)1 << field.width) - 1;
    field.escape = head & ESCAPE ? field.mask : UINT64_MAX;
    field.escapes = head & ESCAPE;
    return field;
}

static void open_exceptions(struct residual_reader *r, struct bytes_reader *in, size_t n)
{
    r->exceptions = bytes_read_varint(in);
    r->gap = read_field(in);
    r->value = read_field(in);
    r->exception_base = (uint64_t)bytes_read_zigzag(in);
    struct str bits = bytes_read_run(in, bytes_read_varint(in));
    r->exception_bits = (const uint8_t *)bits.p;
    r->exception_size = bits.len;
    if (r->exceptions > n) {
        bytes_fail(in);
    }
}

bool residual_open(struct residual_reader *r, struct bytes_reader *in, unsigned flags, size_t n)
{
    r->width = (unsigned)bytes_read_le(in, 1);
    r->unit = flags & RESIDUAL_UNIT ? bytes_read_varint(in) : 1;
    r->base = (uint64_t)bytes_read_zigzag(in);
    r->coded = flags & RESIDUAL_CODED;
    r->exceptions = r->at = r->bit = r->exception_size = 0;
    r->next = UINT64_MAX;
    if (flags & RESIDUAL_EXCEPTIONS) {
        open_exceptions(r, in, n);
    }
    if (r->coded) {
        nibbles_read_code(&r->nibbles, in);
    }
    if (in->failed || r->width > 64 || (r->coded && r->width == 0)) {
        return false;
    }
    r->per_nibble = per_nibble(r->width);
    r->low_width = r->coded ? below_nibble(r->width) : r->width;
    struct str low = bytes_read_run(in, pack_size(n, r->low_width));
    r->p = (const uint8_t *)low.p;
    r->end = r->p + low.len;
    if (in->failed || (!r->coded && bytes_left(in))) {
        return false;
    }
    if (r->coded) {
        nibbles_start(&r->nibbles, bytes_read_run(in, bytes_left(in)));
    }
    next_exception(r);
    return true;
}

/* The top bits of a block, on its low ones. */
static void add_nibbles(struct residual_reader *r, uint64_t *v, size_t count)
{
    uint8_t nibbles[PACK_BLOCK];
    nibbles_read(&r->nibbles, nibbles, (count + r->per_nibble - 1) / r->per_nibble);
    if (r->per_nibble == 4) {
        for (size_t i = 0; i < count; i += 4) {
            unsigned four = nibbles[i / 4];
            v[i] = four & 1;
            v[i + 1] = four >> 1 & 1;
            v[i + 2] = four >> 2 & 1;
            v[i + 3] = four >> 3;
        }
    } else if (r->per_nibble == 2) {
        for (size_t i = 0; i < count; i += 2) {
            unsigned two = nibbles[i / 2];
            v[i] = two & 3;
            v[i + 1] = two >> 2;
        }
    } else if (r->low_width == 0) {
        for (size_t i = 0; i < count; i++) {
            v[i] = nibbles[i];
        }
    } else {
        for (size_t i = 0; i < count; i++) {
            v[i] |= (uint64_t)nibbles[i] << r->low_width;
        }
    }
}

/* As they are packed: not times the unit yet. */
static void read_packed(struct residual_reader *r, uint64_t *v, size_t count)
{
    if (r->low_width || !r->coded) {
        pack_read_block(r->p, r->end, r->low_width, v, count);
        r->p += count == PACK_BLOCK ? PACK_BLOCK / 8 * r->low_width : 0;
    }
    if (r->coded) {
        add_nibbles(r, v, count);
    }
    while (r->next < r->at + count) {
        v[r->next - r->at] = r->next_value;
        r->exceptions--;
        next_exception(r);
    }
    r->at += count;
}

void residual_read(struct residual_reader *r, uint64_t *v, size_t count)
{
    read_packed(r, v, count);
    if (r->unit != 1) {
        for (size_t i = 0; i < count; i++) {
            v[i] *= r->unit;
        }
    }
}

void residual_skip(struct residual_reader *r, uint64_t *sum)
{
    if (!sum && !r->coded && r->next >= r->at + PACK_BLOCK) {
        r->p += PACK_BLOCK / 8 * r->low_width;
        r->at += PACK_BLOCK;
        return;
    }
    uint64_t v[PACK_BLOCK], total = 0;
    read_packed(r, v, PACK_BLOCK);
    for (size_t i = 0; i < PACK_BLOCK; i++) {
        total += v[i];
    }
    if (sum) {
        *sum += total * r->unit;
    }
}

bool residual_end(const struct residual_reader *r)
{
    return r->exceptions == 0 && (r->bit + 7) / 8 == r->exception_size && (!r->coded || nibbles_end(&r->nibbles));
}
