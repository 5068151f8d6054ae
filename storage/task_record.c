#include "storage/task_record.h"

#include <xxhash.h>

/* The order is the format: append only. */
#define TEXT_FIELDS(X)                                                                                                 \
    X(uuid)                                                                                                            \
    X(name)                                                                                                            \
    X(custom_state)                                                                                                    \
    X(worker)                                                                                                          \
    X(client)                                                                                                          \
    X(queue)                                                                                                           \
    X(exchange)                                                                                                        \
    X(routing_key)                                                                                                     \
    X(broker)                                                                                                          \
    X(args)                                                                                                            \
    X(kwargs)                                                                                                          \
    X(result)                                                                                                          \
    X(exception)                                                                                                       \
    X(traceback)                                                                                                       \
    X(root_id)                                                                                                         \
    X(parent_id)                                                                                                       \
    X(eta)                                                                                                             \
    X(expires)
#define TIME_FIELDS(X)                                                                                                 \
    X(sent_ms)                                                                                                         \
    X(received_ms)                                                                                                     \
    X(started_ms)                                                                                                      \
    X(succeeded_ms)                                                                                                    \
    X(failed_ms)                                                                                                       \
    X(retried_ms)                                                                                                      \
    X(revoked_ms)                                                                                                      \
    X(rejected_ms)

enum { FLAG_TERMINATED = 1, FLAG_EXPIRED = 2, FLAG_ROOT_IS_SELF = 4, FLAG_KNOWN = 7 };

static void put_varint(struct buf *out, uint64_t v)
{
    char bytes[10];
    size_t n = 0;
    for (; v >= 0x80; v >>= 7) {
        bytes[n++] = (char)(uint8_t)(v | 0x80);
    }
    bytes[n++] = (char)(uint8_t)v;
    buf_add_bytes(out, bytes, n);
}

static uint64_t zigzag(int64_t v)
{
    return ((uint64_t)v << 1) ^ (v < 0 ? UINT64_MAX : 0);
}

static int64_t unzigzag(uint64_t v)
{
    return (int64_t)((v >> 1) ^ (v & 1 ? UINT64_MAX : 0));
}

/* Wrapping arithmetic: times come from outside and may be anything. */
static void put_time(struct buf *out, int64_t t_ms, int64_t base_ms)
{
    if (t_ms == 0) {
        put_varint(out, 0);
        return;
    }
    uint64_t delta = zigzag((int64_t)((uint64_t)t_ms - (uint64_t)base_ms));
    put_varint(out, delta == UINT64_MAX ? 0 : delta + 1);
}

static void put_text(struct buf *out, struct str s)
{
    put_varint(out, s.len);
    buf_add(out, s);
}

/* 0: the same as `usual`; else length + 1 and the text. */
static void put_text_unless(struct buf *out, struct str s, struct str usual)
{
    if (str_eq(s, usual)) {
        put_varint(out, 0);
        return;
    }
    put_varint(out, s.len + 1);
    buf_add(out, s);
}

static void put_attempts(struct buf *out, const struct task *task)
{
    put_varint(out, task->attempt_count);
    put_varint(out, task->attempts_dropped);
    for (uint32_t i = 0; i < task->attempt_count; i++) {
        const struct task_attempt *a = &task->attempts[i];
        put_time(out, a->received_ms, task->first_ms);
        put_time(out, a->started_ms, task->first_ms);
        put_time(out, a->ended_ms, task->first_ms);
        put_varint(out, a->state);
        put_text_unless(out, a->worker, task->worker);
        put_text_unless(out, a->exception, task->exception);
    }
}

void task_record_seal(struct buf *out)
{
    uint32_t sum = (uint32_t)XXH3_64bits(out->p + TASK_RECORD_HEADER, out->len - TASK_RECORD_HEADER);
    out->p[0] = TASK_RECORD_VERSION;
    for (int i = 0; i < 4; i++) {
        out->p[1 + i] = (char)(uint8_t)(sum >> (8 * i));
    }
}

void task_record_encode(const struct task *task, struct buf *out)
{
    bool root_is_self = task->root_id.len && str_eq(task->root_id, task->uuid);
    buf_clear(out);
    buf_add_bytes(out, "\0\0\0\0", TASK_RECORD_HEADER);
    put_varint(out, (uint64_t)task->state);
    put_varint(out, (task->terminated ? FLAG_TERMINATED : 0u) | (task->expired ? FLAG_EXPIRED : 0u) |
                        (root_is_self ? FLAG_ROOT_IS_SELF : 0u));
    put_varint(out, zigzag(task->first_ms));
    put_time(out, task->updated_ms, task->first_ms);
#define X(field) put_time(out, task->field, task->first_ms);
    TIME_FIELDS(X)
#undef X
    put_varint(out, zigzag(task->clock));
    put_varint(out, task->retries < 0 ? 0 : (uint64_t)task->retries + 1);
    buf_add_bytes(out, &task->runtime, sizeof(task->runtime));
    struct task t = *task;
    if (root_is_self) {
        t.root_id = (struct str){0};
    }
#define X(field) put_text(out, t.field);
    TEXT_FIELDS(X)
#undef X
    put_attempts(out, task);
    if (!out->failed) {
        task_record_seal(out);
    }
}

/* Sticky failure: once an element does not fit, every later one is empty. */
struct reader {
    const uint8_t *p, *end;
    bool failed;
};

static uint64_t get_varint(struct reader *r)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 64 && r->p < r->end; shift += 7) {
        uint8_t byte = *r->p++;
        v |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80)) {
            return v;
        }
    }
    r->failed = true;
    r->p = r->end;
    return 0;
}

static int64_t get_time(struct reader *r, int64_t base_ms)
{
    uint64_t v = get_varint(r);
    return v == 0 ? 0 : (int64_t)((uint64_t)base_ms + (uint64_t)unzigzag(v - 1));
}

static struct str get_bytes(struct reader *r, uint64_t len)
{
    if (len > (uint64_t)(r->end - r->p)) {
        r->failed = true;
        r->p = r->end;
        return (struct str){0};
    }
    struct str s = str_make((const char *)r->p, (size_t)len);
    r->p += len;
    return len ? s : (struct str){0};
}

static struct str get_text(struct reader *r)
{
    uint64_t len = get_varint(r);
    return get_bytes(r, len);
}

static struct str get_text_unless(struct reader *r, struct str usual)
{
    uint64_t len = get_varint(r);
    return len == 0 ? usual : get_bytes(r, len - 1);
}

static enum task_state get_state(struct reader *r)
{
    uint64_t v = get_varint(r);
    r->failed |= v >= TASK_STATE_COUNT;
    return r->failed ? TASK_PENDING : (enum task_state)v;
}

static void get_attempts(struct reader *r, struct task *out)
{
    uint64_t count = get_varint(r), dropped = get_varint(r);
    if (count > TASK_ATTEMPTS_MAX || dropped > UINT32_MAX) {
        r->failed = true;
        return;
    }
    out->attempt_count = (uint32_t)count;
    out->attempts_dropped = (uint32_t)dropped;
    for (uint32_t i = 0; i < out->attempt_count; i++) {
        struct task_attempt *a = &out->attempts[i];
        a->received_ms = get_time(r, out->first_ms);
        a->started_ms = get_time(r, out->first_ms);
        a->ended_ms = get_time(r, out->first_ms);
        a->state = get_state(r);
        a->worker = get_text_unless(r, out->worker);
        a->exception = get_text_unless(r, out->exception);
    }
}

static void get_body(struct reader *r, struct task *out)
{
    out->state = get_state(r);
    uint64_t flags = get_varint(r);
    r->failed |= flags > FLAG_KNOWN;
    out->terminated = flags & FLAG_TERMINATED;
    out->expired = flags & FLAG_EXPIRED;
    out->first_ms = unzigzag(get_varint(r));
    out->updated_ms = get_time(r, out->first_ms);
#define X(field) out->field = get_time(r, out->first_ms);
    TIME_FIELDS(X)
#undef X
    out->clock = unzigzag(get_varint(r));
    uint64_t retries = get_varint(r);
    r->failed |= retries > (uint64_t)INT32_MAX + 1;
    out->retries = (int32_t)((int64_t)retries - 1);
    struct str runtime = get_bytes(r, sizeof(out->runtime));
    if (runtime.len) {
        memcpy(&out->runtime, runtime.p, sizeof(out->runtime));
    }
#define X(field) out->field = get_text(r);
    TEXT_FIELDS(X)
#undef X
    if (flags & FLAG_ROOT_IS_SELF) {
        r->failed |= out->root_id.len != 0;
        out->root_id = out->uuid;
    }
    get_attempts(r, out);
}

int task_record_decode(struct str bytes, struct task *out)
{
    if (bytes.len < TASK_RECORD_HEADER) {
        return ERR_CORRUPT;
    }
    const uint8_t *p = (const uint8_t *)bytes.p;
    if (p[0] != TASK_RECORD_VERSION) {
        return p[0] > TASK_RECORD_VERSION ? ERR_VERSION : ERR_CORRUPT;
    }
    uint32_t sum = (uint32_t)p[1] | (uint32_t)p[2] << 8 | (uint32_t)p[3] << 16 | (uint32_t)p[4] << 24;
    if (sum != (uint32_t)XXH3_64bits(p + TASK_RECORD_HEADER, bytes.len - TASK_RECORD_HEADER)) {
        return ERR_CORRUPT;
    }
    struct reader r = {p + TASK_RECORD_HEADER, p + bytes.len, false};
    struct task task;
    memset(&task, 0, offsetof(struct task, attempts));
    task.attempt_count = task.attempts_dropped = 0;
    get_body(&r, &task);
    if (r.failed || r.p != r.end || task.uuid.len == 0) {
        return ERR_CORRUPT;
    }
    /* Entries behind attempt_count are not copied: decoding is on the path of every listing. */
    memcpy(out, &task, offsetof(struct task, attempts));
    memcpy(out->attempts, task.attempts, task.attempt_count * sizeof(task.attempts[0]));
    out->attempt_count = task.attempt_count;
    out->attempts_dropped = task.attempts_dropped;
    return 0;
}

static struct str dup_text(struct arena *arena, struct str s)
{
    return s.len ? arena_dup(arena, s) : (struct str){0};
}

void task_own_texts(struct task *task, struct arena *arena)
{
    struct str *const texts[] = {
        &task->uuid,      &task->name,   &task->custom_state, &task->worker,  &task->client,    &task->queue,
        &task->exchange,  &task->broker, &task->routing_key,  &task->args,    &task->kwargs,    &task->result,
        &task->exception, &task->eta,    &task->traceback,    &task->root_id, &task->parent_id, &task->expires,
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        *texts[i] = dup_text(arena, *texts[i]);
    }
    for (uint32_t i = 0; i < task->attempt_count; i++) {
        task->attempts[i].worker = dup_text(arena, task->attempts[i].worker);
        task->attempts[i].exception = dup_text(arena, task->attempts[i].exception);
    }
}
