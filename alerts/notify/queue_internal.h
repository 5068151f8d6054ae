/* Shared by queue.c (alerts, groups, ticks), ledger.c (told marks, records), sender.c (delivery), log.c (documents). */
#pragma once
#include "alerts/notify/message.h"
#include "alerts/notify/queue.h"
#include "src/base/vec.h"

#define TOLD_NOTHING  0
#define TOLD_FIRING   1
#define TOLD_RESOLVED 2

struct group;
struct call;

/* An alert as its group keeps it; one block of memory a text. */
struct group_alert {
    struct notify_alert a;
    bool changed; /* since the last save */
};

/* What one sender told of one alert. */
struct told {
    uint64_t id;
    uint8_t state; /* TOLD_* */
    bool owed;     /* firing at a flush whose message has not arrived */
};

/* One sender's books on one group. */
struct ledger {
    struct sender *sender;
    struct group *group;
    vec(struct told) told;                /* by ascending id */
    int64_t last_sent_ms, last_sent_mono; /* 0: never */
    bool due;                             /* there is a message to deliver */
    uint64_t flush_no;                    /* grows with every flush that found news */
    int64_t due_ms, due_mono;             /* when it became due */
    uint32_t attempts;
    int64_t failing_ms, failing_mono; /* first failure of this message; 0: none */
    int64_t next_mono;                /* not before */
    uint64_t refused;                 /* content hash of a message that was refused for good; 0: none */
    int64_t refused_mono;
    uint64_t seq;     /* of the Idempotency-Key: grows when the content changes */
    uint64_t content; /* hash of what was last tried */
    uint64_t log_no;  /* entry of the message in the log, 0: none */
    bool changed;
    uint64_t save_no; /* commit that holds it */
};

struct group {
    struct notify *notify;
    uint64_t id; /* hash of key */
    struct arena arena;
    struct str key;
    struct labels labels;
    vec(struct group_alert *) alerts; /* by ascending id */
    vec(struct ledger *) ledgers;
    struct loop_timer *timer;
    bool flushed; /* at least once */
};

enum health { HEALTH_UNKNOWN, HEALTH_OK, HEALTH_RETRYING, HEALTH_BROKEN };

struct sender {
    struct notify *notify;
    uint64_t id; /* hash of receiver name, kind, index */
    struct arena arena;
    struct str receiver;
    struct config_receiver_item item;
    const struct notifier *notifier;
    struct template *title, *text; /* NULL: default */
    struct loop_timer *timer;
    struct call *call;       /* running; NULL: none */
    int64_t hold_until_mono; /* rate, Retry-After, back-off of the receiver */
    uint32_t failures;       /* in a row */
    enum health health;
    int64_t last_success_ms;
    char last_error[160];
};

/* One POST on its way. Survives its sender (which then is NULL). */
struct call {
    struct sender *sender;
    uint64_t group_id, flush_no;
    vec(struct told) told; /* what the message says */
};

struct log_entry {
    uint64_t no;
    int64_t t_ms, next_ms;
    struct str receiver;
    const char *kind, *status, *state;
    char *alerts_json; /* [{labels}…] */
    uint32_t attempts;
    char error[160];
};
#define LOG_MAX 100

struct record_copy { /* a record read back, until receivers and grouping are known */
    char kind;
    uint64_t a, b; /* the ids of its key */
    char *bytes;
    size_t len;
};

struct notify {
    struct loop *loop;
    struct http_client *http;
    struct board *board;
    struct notify_journal journal;
    struct arena arena; /* of the configuration in use */
    struct str external_url;
    const struct str *group_by;
    size_t group_by_count;
    int64_t group_wait_ms, group_interval_ms, repeat_interval_ms;
    bool stopped;
    bool unsaved; /* notify_update() was called since the last save */
    vec(struct sender *) senders;
    vec(struct group *) groups; /* by ascending id */
    vec(struct record_copy) restored;
    uint64_t saves, saved; /* last save begun, last save known to be done */
    struct buf deletes;    /* keys to delete with the next save, each length-prefixed */
    struct log_entry log[LOG_MAX];
    uint64_t log_count;
    bool board_changed;
    uint64_t random;
};

/* queue.c */
struct group *group_find(const struct notify *notify, uint64_t id);
struct group_alert *group_alert_find(const struct group *group, uint64_t id);
struct group *group_of(struct notify *notify, struct labels alert_labels); /* opened if absent */
struct group_alert *group_put(struct group *group, const struct notify_alert *alert);
void group_release(struct group *group) LOOP_ONLY;
/* Forgets alerts that have resolved and that no ledger needs, and the group when none is left. */
void group_sweep(struct group *group) LOOP_ONLY;

/* ledger.c */
struct ledger *ledger_of(struct group *group, struct sender *sender);
struct told *ledger_told(struct ledger *ledger, uint64_t id, bool make);
void ledger_forget(struct ledger *ledger, uint64_t id);
/* Marks the message due if there is news for the receiver. */
void ledger_flush(struct ledger *ledger, int64_t wall_ms, int64_t mono_ms);
/* Fills told with what a message would say now; alerts in Alertmanager's order. */
size_t ledger_content(struct ledger *ledger, const struct notify_alert **out, uint64_t *hash);
void ledger_free(struct ledger *ledger);
/* Commits every changed ledger and alert. */
void queue_save(struct notify *notify);
void queue_forget_alert(struct notify *notify, uint64_t group_id, uint64_t alert_id);
void queue_forget_ledger(struct notify *notify, uint64_t sender_id, uint64_t group_id);
/* Everything in the groups as records (before they are built anew), and records into groups. */
void queue_pack(struct notify *notify);
void queue_take_restored(struct notify *notify);
void queue_drop_restored(struct notify *notify);

/* sender.c */
void sender_pump(struct sender *sender) LOOP_ONLY;
void sender_free(struct sender *sender) LOOP_ONLY;
size_t sender_queued(const struct sender *sender);

/* log.c */
void log_attempt(struct ledger *ledger, const struct notify_message *message);
void log_result(struct ledger *ledger, const char *state, int64_t next_ms, const char *error);
