#include "storage/block.h"

#include "src/base/mem.h"
#include "storage/bytes.h"
#include "storage/env.h"

#include <xxhash.h>

#define MAGIC        0x324b4c42u /* "BLK2" in memory */
#define HEAD_SIZE    24          /* checksum 8, magic 4, columns 4, time columns 4, bytes of all time columns 4 */
#define TIME_ENTRY   12          /* count, end, checksum; 4 each */
#define COLUMN_ENTRY 12          /* column 2, time column 2, end 4, checksum 4 */
#define MAX_BLOCK    ((size_t)1 << 30)

void block_key_write(const struct block_key *key, uint8_t out[BLOCK_KEY_SIZE])
{
    out[0] = key->tier;
    env_put_be(out + 1, (uint64_t)key->window_ms ^ (uint64_t)1 << 63, 8);
    env_put_be(out + 9, key->group, 4);
    env_put_be(out + 13, key->number, 8);
    memcpy(out + 21, key->slots, sizeof(key->slots));
}

bool block_key_read(struct str in, struct block_key *out)
{
    if (in.len != BLOCK_KEY_SIZE) {
        return false;
    }
    const uint8_t *p = (const uint8_t *)in.p;
    out->tier = p[0];
    out->window_ms = (int64_t)(env_get_be(p + 1, 8) ^ (uint64_t)1 << 63);
    out->group = (uint32_t)env_get_be(p + 9, 4);
    out->number = env_get_be(p + 13, 8);
    memcpy(out->slots, p + 21, sizeof(out->slots));
    return true;
}

static uint32_t column_checksum(const void *p, size_t n)
{
    return (uint32_t)XXH3_64bits(p, n);
}

void block_builder_init(struct block_builder *b)
{
    *b = (struct block_builder){0};
    buf_init(&b->times, MAX_BLOCK);
    buf_init(&b->values, MAX_BLOCK);
}

void block_builder_clear(struct block_builder *b)
{
    vec_clear(&b->t_ms);
    vec_clear(&b->time_columns);
    vec_clear(&b->columns);
    buf_clear(&b->times);
    buf_clear(&b->values);
    vec_clear(&b->reference);
    b->samples = 0;
}

void block_builder_release(struct block_builder *b)
{
    vec_release(&b->t_ms);
    vec_release(&b->time_columns);
    vec_release(&b->columns);
    vec_release(&b->reference);
    buf_release(&b->times);
    buf_release(&b->values);
    chunk_scratch_release(&b->scratch);
}

/* The last column first: neighbours of a scrape share it. */
static uint16_t time_column(struct block_builder *b, const int64_t *t_ms, size_t n)
{
    uint64_t hash = XXH3_64bits(t_ms, n * sizeof(*t_ms));
    for (size_t i = b->time_columns.len; i-- > 0;) {
        const struct block_time_column *it = &b->time_columns.p[i];
        if (it->hash == hash && it->n == n && memcmp(b->t_ms.p + it->at, t_ms, n * sizeof(*t_ms)) == 0) {
            return (uint16_t)i;
        }
    }
    struct block_time_column column = {.n = (uint32_t)n, .at = b->t_ms.len, .hash = hash};
    vec_reserve(&b->t_ms, b->t_ms.len + n);
    memcpy(b->t_ms.p + b->t_ms.len, t_ms, n * sizeof(*t_ms));
    b->t_ms.len += n;
    chunk_add_times(&b->times, t_ms, n, &b->scratch);
    column.end = (uint32_t)b->times.len;
    vec_push(&b->time_columns, column);
    return (uint16_t)(b->time_columns.len - 1);
}

void block_builder_add(struct block_builder *b, uint16_t column, const int64_t *t_ms, const double *v, size_t n)
{
    struct block_value_column entry = {.column = column, .time_column = time_column(b, t_ms, n)};
    size_t from = b->values.len;
    bool has_reference = b->reference.len == n && b->reference_times == entry.time_column;
    chunk_add_values(&b->values, v, n, has_reference ? b->reference.p : NULL, &b->scratch);
    entry.end = (uint32_t)b->values.len;
    if (chunk_serves_as_reference((struct str){b->values.p + from, b->values.len - from})) {
        vec_clear(&b->reference);
        vec_reserve(&b->reference, n);
        memcpy(b->reference.p, v, n * sizeof(*v));
        b->reference.len = n;
        b->reference_times = entry.time_column;
    }
    vec_push(&b->columns, entry);
    b->samples += n;
}

static size_t columns_at(size_t times, size_t columns)
{
    return HEAD_SIZE + times * TIME_ENTRY + columns * COLUMN_ENTRY;
}

size_t block_builder_size(const struct block_builder *b)
{
    return columns_at(b->time_columns.len, b->columns.len) + b->times.len + b->values.len;
}

void block_builder_finish(const struct block_builder *b, struct buf *out)
{
    size_t start = out->len, directories = columns_at(b->time_columns.len, b->columns.len);
    bytes_add_le(out, 0, 8);
    bytes_add_le(out, MAGIC, 4);
    bytes_add_le(out, b->columns.len, 4);
    bytes_add_le(out, b->time_columns.len, 4);
    bytes_add_le(out, b->times.len, 4);
    uint32_t from = 0;
    vec_each (const struct block_time_column *, it, &b->time_columns) {
        bytes_add_le(out, it->n, 4);
        bytes_add_le(out, it->end, 4);
        bytes_add_le(out, column_checksum(b->times.p + from, it->end - from), 4);
        from = it->end;
    }
    from = 0;
    vec_each (const struct block_value_column *, it, &b->columns) {
        bytes_add_le(out, it->column, 2);
        bytes_add_le(out, it->time_column, 2);
        bytes_add_le(out, it->end, 4);
        bytes_add_le(out, column_checksum(b->values.p + from, it->end - from), 4);
        from = it->end;
    }
    uint64_t checksum = XXH3_64bits(out->p + start + 8, directories - 8);
    bytes_store_le((uint8_t *)out->p + start, checksum, 8);
    buf_add(out, buf_str(&b->times));
    buf_add(out, buf_str(&b->values));
}

static uint32_t load32(const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof(v));
    return le32toh(v);
}

static const uint8_t *time_entry(const struct block *block, uint32_t i)
{
    return block->times + (size_t)i * TIME_ENTRY;
}

static const uint8_t *column_entry(const struct block *block, uint32_t i)
{
    return block->columns + (size_t)i * COLUMN_ENTRY;
}

void block_view(struct str value, struct block *out)
{
    const uint8_t *p = (const uint8_t *)value.p;
    struct block block = {.p = p, .size = value.len, .column_count = load32(p + 12), .time_count = load32(p + 16)};
    block.times = p + HEAD_SIZE;
    block.columns = block.times + (size_t)block.time_count * TIME_ENTRY;
    block.times_at = columns_at(block.time_count, block.column_count);
    block.values_at = block.times_at + load32(p + 20);
    *out = block;
}

int block_open(struct str value, struct block *out)
{
    const uint8_t *p = (const uint8_t *)value.p;
    if (value.len < HEAD_SIZE || load32(p + 8) != MAGIC || load32(p + 12) > BLOCK_COLUMNS_MAX ||
        load32(p + 16) > BLOCK_COLUMNS_MAX) {
        return ERR_CORRUPT;
    }
    struct block block;
    block_view(value, &block);
    if (block.values_at > value.len || bytes_load64(p) != XXH3_64bits(p + 8, block.times_at - 8)) {
        return ERR_CORRUPT;
    }
    *out = block;
    return 0;
}

uint16_t block_column_id(const struct block *block, uint32_t index)
{
    return (uint16_t)bytes_load_le(column_entry(block, index), 2);
}

/* Its place in the directory, or column_count. */
static uint32_t find_column(const struct block *block, uint16_t column)
{
    uint32_t low = 0;
    for (uint32_t high = block->column_count; low < high;) {
        uint32_t mid = low + (high - low) / 2;
        if (block_column_id(block, mid) > column) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low < block->column_count && block_column_id(block, low) == column ? low : block->column_count;
}

/* The bytes of a column, none when they do not lie within. end and checksum stand one after the other in both
 * directories. */
static struct str column_bytes(const struct block *block, size_t base, size_t limit, const uint8_t *previous_end,
                               const uint8_t *end)
{
    uint32_t from = previous_end ? load32(previous_end) : 0, to = load32(end);
    if (from >= to || to > limit - base) {
        return (struct str){0};
    }
    return (struct str){(const char *)block->p + base + from, to - from};
}

static struct str time_bytes(const struct block *block, uint32_t i)
{
    const uint8_t *e = time_entry(block, i);
    return column_bytes(block, block->times_at, block->values_at, i ? e - TIME_ENTRY + 4 : NULL, e + 4);
}

static struct str value_bytes(const struct block *block, uint32_t i)
{
    const uint8_t *e = column_entry(block, i);
    return column_bytes(block, block->values_at, block->size, i ? e - COLUMN_ENTRY + 4 : NULL, e + 4);
}

static bool is_sound(struct str column, const uint8_t *entry)
{
    return column.p && column_checksum(column.p, column.len) == load32(entry + 8);
}

void block_cache_release(struct block_cache *cache)
{
    mem_free(cache->times.v);
    mem_free(cache->reference.v);
    *cache = (struct block_cache){0};
}

static void *cached_reserve(struct block_cached *c, size_t n)
{
    c->at = NULL;
    if (c->cap < n) {
        c->cap = n;
        c->v = mem_realloc_array(c->v, n, sizeof(uint64_t));
    }
    return c->v;
}

/* Never what a failed read has left. */
static bool is_cached(const struct block_cached *cached, struct str bytes, size_t from, size_t to)
{
    return bytes.p && cached->at == (const uint8_t *)bytes.p && cached->from == from && cached->to == to;
}

static void note_cached(struct block_cached *cached, struct str bytes, size_t from, size_t to)
{
    cached->at = (const uint8_t *)bytes.p;
    cached->from = from;
    cached->to = to;
}

static int read_times(const struct block *block, uint32_t i, struct block_cache *cache)
{
    if (i >= block->time_count) {
        return ERR_CORRUPT;
    }
    struct str bytes = time_bytes(block, i);
    size_t n = load32(time_entry(block, i));
    if (is_cached(&cache->times, bytes, 0, n)) {
        return 0;
    }
    bool ascending;
    if (n == 0 || n > CHUNK_MAX_SAMPLES || !is_sound(bytes, time_entry(block, i)) ||
        chunk_read_times(bytes, cached_reserve(&cache->times, n), n, &ascending) || !ascending) {
        return ERR_CORRUPT;
    }
    note_cached(&cache->times, bytes, 0, n);
    cache->from_ms = INT64_MIN;
    cache->to_ms = INT64_MAX;
    cache->from = 0;
    cache->to = n;
    return 0;
}

/* Of the cached times. */
static void find_part(struct block_cache *cache, int64_t from_ms, int64_t to_ms)
{
    if (cache->from_ms == from_ms && cache->to_ms == to_ms) {
        return;
    }
    const int64_t *t_ms = cache->times.v;
    cache->from_ms = from_ms;
    cache->to_ms = to_ms;
    cache->from = times_first_at_least(t_ms, cache->times.to, from_ms);
    cache->to = to_ms == INT64_MAX ? cache->times.to : times_first_at_least(t_ms, cache->times.to, to_ms + 1);
}

static uint32_t time_of(const struct block *block, uint32_t i)
{
    return (uint32_t)bytes_load_le(column_entry(block, i) + 2, 2);
}

/* The last one before it that serves as a reference, if it has the same times: what is needed of it. */
static int read_reference(const struct block *block, uint32_t i, size_t n, size_t from, size_t to,
                          struct block_cached *cached)
{
    uint32_t at = i;
    struct str bytes = {0};
    while (at > 0 && !chunk_serves_as_reference(bytes = value_bytes(block, --at))) {
        bytes.p = NULL;
    }
    if (!bytes.p || time_of(block, at) != time_of(block, i)) {
        return ERR_CORRUPT;
    }
    if (is_cached(cached, bytes, from, to)) {
        return 0;
    }
    double *v = cached_reserve(cached, to - from);
    if (!is_sound(bytes, column_entry(block, at)) || chunk_read_part(bytes, n, from, to, v, NULL)) {
        return ERR_CORRUPT;
    }
    note_cached(cached, bytes, from, to);
    return 0;
}

static int read_column(const struct block *block, uint32_t at, int64_t from_ms, int64_t to_ms,
                       struct block_cache *cache, struct sample_columns *out)
{
    if (read_times(block, time_of(block, at), cache)) {
        return ERR_CORRUPT;
    }
    find_part(cache, from_ms, to_ms);
    size_t n = cache->times.to, from = cache->from, to = cache->to;
    if (from >= to) {
        return 0;
    }
    struct str bytes = value_bytes(block, at);
    bool leans = chunk_needs_reference(bytes);
    if (!is_sound(bytes, column_entry(block, at)) ||
        (leans && read_reference(block, at, n, from, to, &cache->reference))) {
        return ERR_CORRUPT;
    }
    sample_columns_reserve(out, to - from);
    if (chunk_read_part(bytes, n, from, to, out->v + out->n, leans ? cache->reference.v : NULL)) {
        return ERR_CORRUPT;
    }
    memcpy(out->t_ms + out->n, (const int64_t *)cache->times.v + from, (to - from) * sizeof(*out->t_ms));
    sample_columns_added(out, to - from);
    return 0;
}

int block_read(const struct block *block, uint16_t column, int64_t from_ms, int64_t to_ms, struct block_cache *cache,
               struct sample_columns *out)
{
    uint32_t at = find_column(block, column);
    if (at == block->column_count) {
        return ERR_NOT_FOUND;
    }
    struct block_cache own = {0};
    int rc = read_column(block, at, from_ms, to_ms, cache ? cache : &own, out);
    block_cache_release(&own);
    return rc;
}
