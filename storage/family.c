/* Metric metadata: type and help by name, in memory and in the metrics environment. */
#include "storage/family.h"

#include "src/base/counter.h"
#include "src/base/mem.h"
#include "storage/bytes.h"
#include "storage/metrics.h"

#include <xxhash.h>

#define NAME_MAX_    500 /* LMDB's keys end at 511 bytes */
#define HELP_MAX     1024
#define FAMILIES_MAX 100000

struct families *families_new(void)
{
    return mem_zalloc(sizeof(struct families));
}

static void free_family(struct family *family)
{
    mem_free(family->help);
    mem_free(family);
}

void families_free(struct families *families)
{
    if (!families) {
        return;
    }
    struct family *it = families->by_name;
    HASH_CLEAR(hh, families->by_name);
    for (struct family *next; it; it = next) {
        next = it->hh.next;
        free_family(it);
    }
    mem_free(families);
}

static struct family *find(const struct families *families, struct str name)
{
    struct family *found = NULL;
    HASH_FIND(hh, families->by_name, name.p, name.len, found);
    return found;
}

struct family *families_find(const struct families *families, struct str name)
{
    return name.len ? find(families, name) : NULL;
}

static void set(struct families *families, struct str name, enum metric_type type, struct str help)
{
    struct family *family = find(families, name);
    if (!family) {
        family = mem_zalloc(sizeof(*family) + name.len + 1);
        memcpy(family->text, name.p, name.len);
        family->name = (struct str){family->text, name.len};
        HASH_ADD_KEYPTR(hh, families->by_name, family->text, name.len, family);
    }
    mem_free(family->help);
    family->help = mem_str_dup(help);
    family->help_len = help.len;
    family->type = type;
}

/* Value: checksum (4), type (1), help. */
static void queue(struct kv_job *job, struct str name, enum metric_type type, struct str help)
{
    auto_buf value;
    buf_init(&value, HELP_MAX + 16);
    bytes_add_le(&value, 0, 4);
    buf_add_char(&value, (char)type);
    buf_add(&value, help);
    bytes_store_le((uint8_t *)value.p, XXH3_64bits(value.p + 4, value.len - 4), 4);
    kv_job_put(job, DBI_FAMILIES, name, buf_str(&value));
}

static bool is_news(const struct families *families, struct str name, enum metric_type type, struct str help)
{
    const struct family *known = find(families, name);
    if (!known) {
        return HASH_COUNT(families->by_name) < FAMILIES_MAX;
    }
    return known->type != type || !str_eq((struct str){known->help, known->help_len}, help);
}

void families_update(struct metrics *m, const struct metric_family *v, size_t n)
{
    struct kv_job *job = NULL;
    for (size_t i = 0; i < n; i++) {
        struct str name = v[i].name, help = str_slice(v[i].help, 0, HELP_MAX);
        if (name.len == 0 || name.len > NAME_MAX_ || !is_news(m->families, name, v[i].type, help)) {
            continue;
        }
        job = job ? job : kv_job_new(NULL, NULL);
        queue(job, name, v[i].type, help);
        pthread_rwlock_wrlock(&m->lock);
        set(m->families, name, v[i].type, help);
        pthread_rwlock_unlock(&m->lock);
    }
    if (job && writer_push_always(m->store->writer, ENV_METRICS, kv_job_base(job))) {
        kv_job_free(job);
    }
}

static bool load_one(struct families *families, struct str name, struct str value)
{
    const uint8_t *p = (const uint8_t *)value.p;
    if (value.len < 5 || bytes_load_le(p, 4) != (uint32_t)XXH3_64bits(p + 4, value.len - 4) || p[4] > METRIC_INFO) {
        return false;
    }
    set(families, name, (enum metric_type)p[4], str_slice(value, 5, value.len));
    return true;
}

int families_load(struct metrics *m, MDB_txn *txn)
{
    auto_cursor *cursor = NULL;
    int rc = env_code(mdb_cursor_open(txn, m->store->envs[ENV_METRICS].dbi[DBI_FAMILIES], &cursor));
    MDB_val key, value;
    while (rc == 0 && (rc = env_code(mdb_cursor_get(cursor, &key, &value, MDB_NEXT))) == 0) {
        if (!load_one(m->families, env_str(key), env_str(value))) {
            self_add(SELF_CORRUPTIONS, 1);
        }
    }
    return rc == ERR_NOT_FOUND ? 0 : rc;
}
