/* What the store's tests share: a store in a temporary folder, batches, reading back. */
#pragma once
#include "src/base/clock.h"
#include "src/base/counter.h"
#include "src/base/mem.h"
#include "storage/metrics.h"
#include "storage/read.h"
#include "storage/state.h"
#include "tests/support/test.h"

#include <errno.h>
#include <ftw.h>
#include <unistd.h>

#define HOUR  ((int64_t)3600 * 1000)
#define START ((int64_t)1700006400000) /* begins a window: divisible by two hours */

struct fixture {
    char dir[64];
    struct store *store;
    struct store_options options;
};

static inline int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static inline void fixture_open(struct fixture *f)
{
    struct error err = {0};
    f->options.dir = f->dir;
    if (store_open(&f->options, &f->store, &err)) {
        fail_msg("store_open: %s", err.text);
    }
}
static inline void fixture_init(struct fixture *f)
{
    *f = (struct fixture){.dir = "/tmp/cloche-store-XXXXXX"};
    assert_non_null(mkdtemp(f->dir));
    f->options.map_bytes = (size_t)1 << 30;
}
static inline void fixture_reopen(struct fixture *f)
{
    store_close(f->store);
    f->store = NULL;
    fixture_open(f);
}
static inline void fixture_release(struct fixture *f)
{
    store_close(f->store);
    nftw(f->dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    clock_real();
}

struct maker {
    struct arena arena;
    struct batch batch;
};
static inline void maker_init(struct maker *m, const char *group, int64_t t_ms)
{
    arena_init(&m->arena);
    batch_init(&m->batch, &m->arena, str_of(group), t_ms, (struct labels){0});
}
static inline void maker_add(struct maker *m, const char *name, const char *instance, int64_t t_ms, double v)
{
    struct label labels[] = {{STR("instance"), str_of(instance)}, {STR("job"), STR("test")}};
    assert_true(batch_add_at(&m->batch, str_of(name), labels, 2, t_ms, v));
}
static inline void maker_release(struct maker *m)
{
    batch_release(&m->batch);
    arena_release(&m->arena);
}

/* One sample of name{instance, job="test"}. */
static inline void put(struct store *store, const char *name, const char *instance, int64_t t_ms, double v)
{
    struct maker m;
    maker_init(&m, "g", t_ms);
    maker_add(&m, name, instance, t_ms, v);
    assert_int_equal(store_append(store, &m.batch, NULL, NULL), 0);
    maker_release(&m);
}

/* All samples of the one series name{instance}; n == 0 when there is none. */
static inline struct sample_columns get(struct store *store, const char *name, const char *instance, int64_t from_ms,
                                        int64_t to_ms)
{
    struct sample_columns columns = {0};
    struct matcher matchers[2];
    assert_int_equal(matcher_init(&matchers[0], MATCH_EQ, METRIC_NAME, str_of(name), NULL), 0);
    assert_int_equal(matcher_init(&matchers[1], MATCH_EQ, STR("instance"), str_of(instance), NULL), 0);
    auto_arena arena;
    arena_init(&arena);
    auto_snapshot struct snapshot *snapshot = NULL;
    assert_int_equal(snapshot_open(store, &snapshot), 0);
    struct series_set set;
    assert_int_equal(snapshot_select(snapshot, matchers, 2, from_ms, to_ms, 0, &arena, &set), 0);
    assert_true(set.n <= 1);
    if (set.n) {
        assert_int_equal(snapshot_read(snapshot, set.v[0].id, from_ms, to_ms, &columns), 0);
    }
    matcher_release(&matchers[0]);
    matcher_release(&matchers[1]);
    return columns;
}

static inline uint64_t wal_bytes(struct store *store)
{
    struct wal_figures figures;
    wal_get_figures(store->wal, &figures);
    return figures.bytes;
}

/* Flips a bit of a file: of the byte at `offset`, from the end if negative. */
static inline void flip(const char *dir, const char *file, long offset)
{
    char path[256];
    snprintf(path, sizeof(path), "%s/%s", dir, file);
    FILE *f = fopen(path, "r+b");
    assert_non_null(f);
    assert_int_equal(fseek(f, offset, offset < 0 ? SEEK_END : SEEK_SET), 0);
    int c = fgetc(f);
    assert_true(c != EOF);
    assert_int_equal(fseek(f, -1, SEEK_CUR), 0);
    assert_int_equal(fputc(c ^ 4, f), c ^ 4);
    assert_int_equal(fclose(f), 0);
}
