/* Records of the log: what reads without complaint, written again, reads the same. */
#include "src/base/mem.h"
#include "src/base/vec.h"
#include "src/model/sample.h"
#include "storage/wal_record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What a reading saw, as text to compare, and as a record. */
struct seen {
    struct buf text, series;
    size_t series_count;
    struct cohort *cohorts[64]; /* of the runs, by order */
    vec(struct run) runs;
    vec(double) values;
};

static int see_series(void *ctx, uint64_t id, uint32_t cohort, unsigned slot, struct labels labels)
{
    struct seen *seen = ctx;
    buf_addf(&seen->text, "S%llu,%u,%u,", (unsigned long long)id, cohort, slot);
    labels_add_bytes(&seen->text, labels);
    wal_record_series(&seen->series, id, cohort, slot, labels);
    seen->series_count++;
    return 0;
}

static int see_run(void *ctx, const struct wal_run *in)
{
    struct seen *seen = ctx;
    buf_addf(&seen->text, "r%llu,%lld,%llx,%llx:", (unsigned long long)in->cohort, (long long)in->t_ms,
             (unsigned long long)in->present[0], (unsigned long long)in->present[1]);
    for (size_t i = 0; i < in->n; i++) {
        buf_addf(&seen->text, "%llx;", (unsigned long long)sample_bits(in->values[i]));
    }
    if (seen->runs.len == 64) {
        return 1; /* enough of them */
    }
    struct cohort *cohort = mem_zalloc(sizeof(*cohort));
    cohort->number = (uint32_t)in->cohort;
    seen->cohorts[seen->runs.len] = cohort;
    struct run run = {.cohort = cohort, .t_ms = in->t_ms, .at = (uint32_t)seen->values.len, .n = (uint32_t)in->n};
    memcpy(run.present, in->present, sizeof(run.present));
    vec_push(&seen->runs, run);
    for (size_t i = 0; i < in->n; i++) {
        vec_push(&seen->values, in->values[i]);
    }
    return 0;
}

static int look(struct str record, struct seen *seen)
{
    auto_arena arena;
    arena_init(&arena);
    *seen = (struct seen){0};
    buf_init(&seen->text, 256 << 20);
    buf_init(&seen->series, 256 << 20);
    const struct wal_visitor visitor = {.ctx = seen, .series = see_series, .run = see_run};
    return wal_record_read(record, &visitor, &arena);
}

static void release(struct seen *seen)
{
    buf_release(&seen->text);
    buf_release(&seen->series);
    for (size_t i = 0; i < seen->runs.len; i++) {
        mem_free(seen->cohorts[i]);
    }
    vec_release(&seen->runs);
    vec_release(&seen->values);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct seen first, second;
    if (look((struct str){(const char *)data, size}, &first) == 0) {
        auto_buf again;
        buf_init(&again, 256 << 20);
        wal_record_begin(&again, first.series_count);
        buf_add(&again, buf_str(&first.series));
        wal_record_runs(&again, first.runs.p, first.runs.len, first.values.p, first.values.len);
        if (look(buf_str(&again), &second) || !str_eq(buf_str(&first.text), buf_str(&second.text))) {
            abort();
        }
        release(&second);
    }
    release(&first);
    return 0;
}
