/*
 * The notification queue: groups alerts, tells receivers, retries until they have heard, remembers what they were told.
 *
 * One root route: alerts are grouped by the values of group_by; the first message of a group goes out group_wait after
 * its first alert, later ones on a tick every group_interval when there is something new (a firing alert, a resolved
 * one) or repeat_interval has passed.
 *
 * Each receiver item (a Slack hook, a webhook) has a sender. For every group it keeps a ledger: which alerts it was
 * told of, and whether a message is due. A due message is not stored as bytes: it is rendered when it is sent, from the
 * newest state, so while a receiver is down its messages fold into one per group, which says that it is late.
 *
 * Delivery: at least once. Ledgers and alerts are committed (journal) before a message leaves, the sent mark right
 * after the answer 2xx. Retried: no answer, 5xx, 408, 425, 429: after 1 s, doubling, 20 % jitter, at most 5 min, for 24
 * h; Retry-After wins (at most 15 min). Any other answer is final: the message is dropped, the receiver is broken until
 * a delivery works; the next change of that group is tried once.
 *
 * Durations count monotonic time; only across a restart the wall clock has to do.
 * Board: "notifications" (newest first, 100) and "receivers". No URL or token is in a log line, an error or a document.
 * Threads: loop only.
 */
#pragma once
#include "alerts/notify/notifier.h"
#include "src/base/board.h"
#include "src/loop/loop.h"
#include "src/loop/loop_http.h"

struct notify;

struct notify_change {
    struct str key, value; /* value.p == NULL: delete */
};
/* Where the queue keeps its records: commits all changes at once and calls notify_saved(save_no) on the loop later,
 * also when that failed (the queue then works from memory). Never calls it from within. */
struct notify_journal {
    void *ctx;
    void (*commit)(void *ctx, const struct notify_change *changes, size_t n, uint64_t save_no);
};

struct notify *notify_new(struct loop *loop, struct http_client *http, struct board *board,
                          const struct notify_journal *journal);
/* What notify_apply() would refuse, for `cloche check`. */
int notify_check(const struct config *config, struct error *err) MUST_USE;
/* One record read back, before the first notify_apply(). Damaged ones are ignored and counted (returned false). */
bool notify_restore(struct notify *notify, struct str key, struct str value);
/* Receivers and route; everything needed is copied. Senders whose receiver is still there keep their ledgers. To be
 * followed by notify_update() of every alert, notify_reconcile() and notify_commit(), which lets messages go. */
int notify_apply(struct notify *notify, const struct config *config, struct error *err) LOOP_ONLY MUST_USE;
/* The state of one alert, to be called when it begins to fire or resolves (again is harmless). Copies;
 * notify_commit() after a row of calls. */
void notify_update(struct notify *notify, const struct notify_alert *alert) LOOP_ONLY;
void notify_commit(struct notify *notify) LOOP_ONLY;
/* After a restart and a reload: resolves every firing alert that known() denies (its rule is gone). */
void notify_reconcile(struct notify *notify, bool (*known)(void *ctx, uint64_t alert_id), void *ctx) LOOP_ONLY;
void notify_saved(struct notify *notify, uint64_t save_no) LOOP_ONLY;
/* Publishes what changed since the last call. */
void notify_publish(struct notify *notify) LOOP_ONLY;
/* No message leaves after this; running calls are forgotten. */
void notify_stop(struct notify *notify) LOOP_ONLY;
void notify_free(struct notify *notify) LOOP_ONLY;
