/*
 * The contract of a notifier: what it is told, what it makes of it.
 *
 * A notifier turns one message (a group of alerts at one moment) into the body of one HTTP POST. It is pure: no state,
 * no I/O, no clock. The queue (queue.h) decides when, sends, retries and remembers. Adding one touches its file, the
 * table in message.c, config's receiver kinds, tests, README.
 *
 * Threads: loop only. Errors: a failing template of the configuration; the text never holds a URL.
 */
#pragma once
#include "alerts/template.h"
#include "config/config.h"

struct notify_alert {
    uint64_t id;                       /* of rule and labels */
    struct labels labels, annotations; /* with external labels */
    bool firing;
    int64_t starts_ms, ends_ms; /* wall; ends 0: open */
    double value;
    struct str generator_url;
};

struct notify_message {
    struct str receiver, group_key, external_url;
    struct labels group_labels;
    const struct notify_alert *const *alerts; /* in Alertmanager's order (notify_sort) */
    size_t n, firing;                         /* firing: how many of them */
    int64_t now_ms;
    int64_t late_ms;                     /* more than 0: the message was due so long ago and could not be delivered */
    const struct template *title, *text; /* of the configuration; NULL: the default */
};

struct notifier {
    const char *name;   /* "slack" */
    int64_t min_gap_ms; /* between two messages to one receiver */
    size_t body_max;
    int (*render)(const struct config_receiver_item *item, const struct notify_message *message, struct buf *body,
                  struct error *err);
};
extern const struct notifier slack_notifier, webhook_notifier;
const struct notifier *notifier_of(enum config_receiver_kind kind);
