/*
 * The host this process runs on. All reading happens in one job of LANE_HOST, into a batch of its own: a job cannot be
 * cancelled, so it must not touch the target's. The loop copies the result if the ticket is still good.
 */
#include "src/collect/host/host_read.h"
#include "src/collect/target_internal.h"

struct host_state {
    struct target *target;
    struct host_prober *prober;
    struct host_paths paths;
    int64_t wait_ms;
    uint64_t ticket;
    bool busy; /* a job is out; then the fields below are the worker's */
    bool stopping;
    struct arena arena;
    struct batch batch;
    struct error failure;
};

static void host_job(void *ctx)
{
    struct host_state *state = ctx;
    int rc = host_read(&state->paths, state->prober, state->wait_ms, &state->batch, &state->failure);
    if (rc != 0 && state->failure.code == 0) {
        error_set(&state->failure, rc, "%s", error_text(rc));
    }
}

static void host_free(struct host_state *state)
{
    host_prober_free(state->prober);
    batch_release(&state->batch);
    arena_release(&state->arena);
    mem_free(state);
}

static void copy_sample(struct batch *to, const struct batch_sample *sample)
{
    struct label labels[LABELS_MAX];
    size_t n = 0;
    struct str name = {0};
    for (uint32_t i = 0; i < sample->labels.n; i++) {
        const struct label *label = &sample->labels.v[i];
        if (str_eq(label->name, METRIC_NAME)) {
            name = label->value;
        } else {
            labels[n++] = *label;
        }
    }
    batch_add(to, name, labels, n, sample->value);
}

static void copy_batch(struct batch *to, const struct batch *from)
{
    vec_each (struct metric_family *, family, &from->families) {
        batch_family(to, arena_dup(to->arena, family->name), family->type, arena_dup(to->arena, family->help));
    }
    vec_each (struct batch_sample *, sample, &from->samples) {
        copy_sample(to, sample);
    }
}

static void on_job_done(void *ctx)
{
    struct host_state *state = ctx;
    struct target *target = state->target;
    state->busy = false;
    if (state->stopping) {
        host_free(state);
        target_stopped(target);
        return;
    }
    struct batch *batch = target_batch(target, state->ticket);
    if (batch && state->failure.code == 0) {
        copy_batch(batch, &state->batch);
    }
    target_done(target, state->ticket, &state->failure);
}

static void host_collect(struct target *target, uint64_t ticket)
{
    struct host_state *state = target_state(target);
    struct error failure = {0};
    if (state->busy) {
        error_set(&failure, ERR_BUSY, "the reading begun before has not ended: does a file of " STR_FMT " hang?",
                  STR_ARG(state->paths.proc));
        target_done(target, ticket, &failure);
        return;
    }
    batch_release(&state->batch);
    arena_clear(&state->arena);
    batch_init(&state->batch, &state->arena, STR(""), 0, (struct labels){0});
    state->failure = (struct error){0};
    state->ticket = ticket;
    state->busy = true;
    int rc = loop_work(target_loop(target), LANE_HOST, host_job, on_job_done, state);
    if (rc != 0) {
        state->busy = false;
        error_set(&failure, rc, "cannot start reading: %s", error_text(rc));
        target_done(target, ticket, &failure);
    }
}

static struct str path_or(struct str path, struct str fallback)
{
    return path.len ? path : fallback;
}

static int host_start(struct target *target, struct error *err)
{
    const struct config_target *config = target_config(target);
    struct host_state *state = mem_zalloc(sizeof(*state));
    (void)err;
    state->target = target;
    state->prober = host_prober_new(NULL);
    state->wait_ms = config->timeout_ms / 2;
    state->paths.proc = path_or(config->proc_path, STR("/proc"));
    state->paths.sys = path_or(config->sys_path, STR("/sys"));
    state->paths.rootfs = path_or(config->rootfs_path, STR("/"));
    arena_init(&state->arena);
    target_set_state(target, state);
    return 0;
}

/* A job that is out still uses the state: its end comes back to on_job_done(). */
static void host_stop(struct target *target)
{
    struct host_state *state = target_state(target);
    target_set_state(target, NULL);
    state->stopping = true;
    if (!state->busy) {
        host_free(state);
        target_stopped(target);
    }
}

const struct collector host_collector = {
    .name = "host", .start = host_start, .collect = host_collect, .stop = host_stop};
