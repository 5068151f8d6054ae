/* Shared by alerts.c (life), group.c (when), apply.c (what results change), save.c (durability), view.c (documents). */
#pragma once
#include "alerts/alerts.h"
#include "alerts/evaluate.h"
#include "alerts/notify/queue.h"

struct group_run;

struct rule_run {
    const struct rule *rule;
    struct alert_states states;
    struct recorded *recorded;
    int64_t last_good_mono; /* slot of the last good evaluation by this process; 0: none */
    int64_t last_ms, took_us;
    enum { RULE_UNKNOWN, RULE_OK, RULE_ERR } health;
    char error[256];
    struct str generator_url;
};

struct group_run {
    struct alerts *alerts;
    struct rule_file *file; /* counted */
    const struct rule_group *def;
    struct arena arena;
    struct rule_run *rules;
    size_t n;
    int64_t interval_ms, offset_ms, slot_mono; /* slot_mono: the next one */
    struct loop_timer *timer;
    bool running; /* an evaluation is out */
    bool removed; /* freed when the evaluation is back */
    uint64_t missed;
    int64_t last_ms, took_us;
};

/* A firing or resolved instance that waits for its commit before receivers hear of it. */
struct waiting {
    uint64_t rule_id, instance_id, save_no;
};

struct alerts {
    struct loop *loop;
    struct store *store;
    struct board *board;
    struct feed *feed;
    struct notify *notify;
    struct arena arena; /* of the configuration in use */
    struct str external_url;
    struct labels external_labels;
    int64_t interval_ms, timeout_ms, slow_ms, scrape_ms;
    uint64_t max_samples, max_series;
    size_t max_memory_bytes;
    vec(struct group_run *) groups;
    vec(struct waiting) waiting;
    struct loop_timer *timer; /* documents; after alerts_stop(): patience with commits */
    bool loaded;              /* states were read back */
    bool board_changed, stopped, store_failed;
    int64_t start_mono, down_ms; /* down_ms: how long the process was not there */
    int64_t clock_offset_ms;     /* wall less monotonic, to notice steps */
    uint64_t saves, saved;       /* last commit begun, done */
    uint64_t queue_saves;        /* last commit of the notification queue begun */
    size_t jobs, commits;        /* out */
    int64_t commit_mono;         /* last progress of commits */
    struct gate *gate;           /* through which commits come back */
    bool queue_loaded, impatient;
    atomic_bool cancelled;
    loop_fn stop_done;
    void *stop_ctx;
};

/* group.c */
struct group_run *group_run_new(struct alerts *alerts, struct rule_file *file, const struct rule_group *def);
void group_run_start(struct group_run *group) LOOP_ONLY;
void group_run_free(struct group_run *group) LOOP_ONLY;
struct rule_run *rule_run_find(const struct alerts *alerts, uint64_t rule_id);

/* apply.c */
void apply_evaluation(struct group_run *group, struct evaluation *evaluation) LOOP_ONLY;
/* Ends everything of a rule that is not configured any more. */
void apply_removal(struct alerts *alerts, struct rule_run *rule) LOOP_ONLY;
void apply_announce(struct alerts *alerts, const struct rule_run *rule,
                    const struct alert_instance *instance) LOOP_ONLY;

/* save.c */
struct save {
    struct alerts *alerts;
    struct arena arena;
    vec(struct state_change) changes;
};
void save_init(struct save *save, struct alerts *alerts);
void save_instance(struct save *save, uint64_t rule_id, const struct alert_instance *instance);
void save_deletion(struct save *save, uint64_t rule_id, uint64_t instance_id);
void save_commit(struct save *save); /* and releases it */
/* First apply: instances and the queue's records. */
void save_load(struct alerts *alerts);
void save_take_instances(struct alerts *alerts);
/* Commits that take too long (disk full) must not silence alerts: goes on as if they were done. */
void save_overtake(struct alerts *alerts) LOOP_ONLY;
struct gate *gate_new(struct alerts *alerts);
void gate_close(struct gate *gate); /* commits that come later find nobody */
struct notify_journal save_journal(struct alerts *alerts);
void alerts_maybe_stopped(struct alerts *alerts) LOOP_ONLY;

/* view.c */
void view_publish(struct alerts *alerts) LOOP_ONLY;
/* strconv.FormatFloat(v, 'e', -1, 64): "0e+00", "6.5e-01": values in Prometheus' API. */
void view_value(double v, struct buf *out);
