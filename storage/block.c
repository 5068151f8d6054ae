#include "storage/block.h"

#include "src/base/mem.h"
#include "storage/bytes.h"
#include "storage/chunk.h"
#include "storage/env.h"

#include <xxhash.h>

#define MAGIC        0x314b4c42u /* "BLK1" in memory */
#define HEAD_SIZE    24          /* checksum 8, magic 4, format 4, series 4, times 4 */
#define TIME_ENTRY   16          /* offset, size, count, checksum; 4 each */
#define SERIES_ENTRY 24          /* id 8, time column 4, offset 4, size 4, checksum 4 */
#define BLOCK_FORMAT 1
#define MAX_BLOCK    ((size_t)1 << 30)

void block_key_write(const struct block_key *key, uint8_t out[BLOCK_KEY_SIZE])
{
    out[0] = key->tier;
    env_put_be(out + 1, (uint64_t)key->window_ms ^ (uint64_t)1 << 63, 8);
    env_put_be(out + 9, key->cohort, 4);
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
    out->cohort = (uint32_t)env_get_be(p + 9, 4);
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
    buf_init(&b->data, MAX_BLOCK);
}

void block_builder_clear(struct block_builder *b)
{
    for (size_t i = 0; i < b->times.len; i++) {
        mem_free(b->times.p[i].t_ms);
    }
    vec_clear(&b->times);
    vec_clear(&b->series);
    buf_clear(&b->data);
    b->samples = 0;
}

void block_builder_release(struct block_builder *b)
{
    block_builder_clear(b);
    vec_release(&b->times);
    vec_release(&b->series);
    buf_release(&b->data);
}

/* The last column first: neighbours of a scrape share it. */
static uint32_t time_column(struct block_builder *b, const int64_t *t_ms, size_t n)
{
    for (size_t i = b->times.len; i-- > 0;) {
        const struct block_time_column *it = &b->times.p[i];
        if (it->n == n && memcmp(it->t_ms, t_ms, n * sizeof(*t_ms)) == 0) {
            return (uint32_t)i;
        }
    }
    struct block_time_column column = {.n = n, .offset = (uint32_t)b->data.len};
    column.t_ms = mem_alloc(n * sizeof(*t_ms));
    memcpy(column.t_ms, t_ms, n * sizeof(*t_ms));
    chunk_add_times(&b->data, t_ms, n);
    column.size = (uint32_t)(b->data.len - column.offset);
    vec_push(&b->times, column);
    return (uint32_t)(b->times.len - 1);
}

void block_builder_add(struct block_builder *b, uint64_t id, const int64_t *t_ms, const double *v, size_t n)
{
    struct block_series series = {.id = id, .time_column = time_column(b, t_ms, n)};
    series.offset = (uint32_t)b->data.len;
    chunk_add_values(&b->data, v, n);
    series.size = (uint32_t)(b->data.len - series.offset);
    vec_push(&b->series, series);
    b->samples += n;
}

static size_t columns_at(size_t times, size_t series)
{
    return HEAD_SIZE + times * TIME_ENTRY + series * SERIES_ENTRY;
}

size_t block_builder_size(const struct block_builder *b)
{
    return columns_at(b->times.len, b->series.len) + b->data.len;
}

void block_builder_finish(const struct block_builder *b, struct buf *out)
{
    size_t start = out->len;
    uint32_t base = (uint32_t)columns_at(b->times.len, b->series.len);
    bytes_add_le(out, 0, 8);
    bytes_add_le(out, MAGIC, 4);
    bytes_add_le(out, BLOCK_FORMAT, 4);
    bytes_add_le(out, b->series.len, 4);
    bytes_add_le(out, b->times.len, 4);
    vec_each (const struct block_time_column *, it, &b->times) {
        bytes_add_le(out, base + it->offset, 4);
        bytes_add_le(out, it->size, 4);
        bytes_add_le(out, it->n, 4);
        bytes_add_le(out, column_checksum(b->data.p + it->offset, it->size), 4);
    }
    vec_each (const struct block_series *, it, &b->series) {
        bytes_add_le(out, it->id, 8);
        bytes_add_le(out, it->time_column, 4);
        bytes_add_le(out, base + it->offset, 4);
        bytes_add_le(out, it->size, 4);
        bytes_add_le(out, column_checksum(b->data.p + it->offset, it->size), 4);
    }
    uint64_t checksum = XXH3_64bits(out->p + start + 8, base - 8);
    bytes_store_le((uint8_t *)out->p + start, checksum, 8);
    buf_add(out, buf_str(&b->data));
}

static uint32_t load32(const uint8_t *p)
{
    return (uint32_t)bytes_load_le(p, 4);
}

static bool lies_within(const struct block *block, uint32_t offset, uint32_t size)
{
    return size > 0 && (uint64_t)offset + size <= block->size;
}

static bool directory_is_sound(const struct block *block)
{
    for (uint32_t i = 0; i < block->time_count; i++) {
        const uint8_t *e = block->times + (size_t)i * TIME_ENTRY;
        uint32_t n = load32(e + 8);
        if (!lies_within(block, load32(e), load32(e + 4)) || n == 0 || n > CHUNK_MAX_SAMPLES) {
            return false;
        }
    }
    for (uint32_t i = 0; i < block->series_count; i++) {
        const uint8_t *e = block->series + (size_t)i * SERIES_ENTRY;
        if (load32(e + 8) >= block->time_count || !lies_within(block, load32(e + 12), load32(e + 16)) ||
            (i > 0 && block_series_id(block, i) <= block_series_id(block, i - 1))) {
            return false;
        }
    }
    return true;
}

int block_open(struct str value, struct block *out)
{
    const uint8_t *p = (const uint8_t *)value.p;
    if (value.len < HEAD_SIZE || load32(p + 8) != MAGIC || load32(p + 12) != BLOCK_FORMAT) {
        return ERR_CORRUPT;
    }
    struct block block = {.p = p, .size = value.len, .series_count = load32(p + 16), .time_count = load32(p + 20)};
    if (block.series_count > BLOCK_SERIES_MAX || block.time_count > BLOCK_SERIES_MAX) {
        return ERR_CORRUPT;
    }
    size_t columns = columns_at(block.time_count, block.series_count);
    if (columns > value.len || bytes_load_le(p, 8) != XXH3_64bits(p + 8, columns - 8)) {
        return ERR_CORRUPT;
    }
    block.times = p + HEAD_SIZE;
    block.series = block.times + (size_t)block.time_count * TIME_ENTRY;
    if (!directory_is_sound(&block)) {
        return ERR_CORRUPT;
    }
    *out = block;
    return 0;
}

uint64_t block_series_id(const struct block *block, uint32_t index)
{
    return bytes_load_le(block->series + (size_t)index * SERIES_ENTRY, 8);
}

static const uint8_t *find_series(const struct block *block, uint64_t id)
{
    uint32_t low = 0;
    for (uint32_t high = block->series_count; low < high;) {
        uint32_t mid = low + (high - low) / 2;
        if (block_series_id(block, mid) < id) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    bool found = low < block->series_count && block_series_id(block, low) == id;
    return found ? block->series + (size_t)low * SERIES_ENTRY : NULL;
}

/* The bytes of a column, when its checksum is right. */
static bool column_bytes(const struct block *block, uint32_t offset, uint32_t size, uint32_t checksum, struct str *out)
{
    *out = (struct str){(const char *)block->p + offset, size};
    return column_checksum(out->p, size) == checksum;
}

int block_read(const struct block *block, uint64_t id, struct sample_columns *out)
{
    const uint8_t *series = find_series(block, id);
    if (!series) {
        return ERR_NOT_FOUND;
    }
    const uint8_t *time = block->times + (size_t)load32(series + 8) * TIME_ENTRY;
    struct str t_bytes, v_bytes;
    size_t n = load32(time + 8);
    if (!column_bytes(block, load32(time), load32(time + 4), load32(time + 12), &t_bytes) ||
        !column_bytes(block, load32(series + 12), load32(series + 16), load32(series + 20), &v_bytes)) {
        return ERR_CORRUPT;
    }
    sample_columns_reserve(out, n);
    if (chunk_read_times(t_bytes, out->t_ms + out->n, n) || chunk_read_values(v_bytes, out->v + out->n, n)) {
        return ERR_CORRUPT;
    }
    out->n += n;
    return 0;
}
