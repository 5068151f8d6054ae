/*
 * The states of one alert rule's instances (rule + label set): inactive → pending → firing → resolved.
 *
 * Pure: time comes in, transitions go out; no I/O. Durations (`for`, keep_firing_for, the 15 minutes a resolved
 * instance is kept) count monotonic time between evaluations of this process, so neither a step of the wall clock nor
 * the time the process was down counts. Wall times (active_at_ms, fired_at_ms …) are for people and payloads.
 *
 * Instances that were read back after a restart are `restored` until a result shows them again: while timing.grace is
 * set, such an instance does not change state for want of a result (the data may not be there yet).
 *
 * Threads: loop only (no locks inside).
 */
#pragma once
#include "src/base/arena.h"
#include "src/base/vec.h"
#include "src/model/labels.h"

enum alert_state { ALERT_INACTIVE, ALERT_PENDING, ALERT_FIRING };
const char *alert_state_name(enum alert_state state); /* "inactive" "pending" "firing" */

struct alert_instance {
    uint64_t id;                       /* of rule and labels */
    struct labels labels, annotations; /* own memory (labels_clone) */
    double value;                      /* at the last true evaluation */
    enum alert_state state;            /* ALERT_INACTIVE: resolved, kept for a while */
    int64_t active_at_ms, fired_at_ms, resolved_at_ms, keep_firing_since_ms; /* wall; 0: never */
    int64_t held_ms;                                                         /* true so long, counts towards `for` */
    int64_t kept_ms;                                                         /* kept firing without a result so long */
    int64_t resolved_age_ms;
    bool restored;
    /* for the owner: */
    bool changed;             /* differs from what is in the state store */
    bool notify;              /* a firing or resolved transition receivers were not told of */
    uint64_t save_no;         /* commit that holds it */
    enum alert_state written; /* which ALERTS series is open in the store */
};

struct alert_result {
    uint64_t id;
    struct labels labels, annotations;
    double value;
};

struct alert_states {
    vec(struct alert_instance *) v; /* by ascending id */
};

struct alert_timing {
    int64_t wall_ms;    /* time of the evaluation */
    int64_t elapsed_ms; /* monotonic time since this rule's last good evaluation by this process; 0: first */
    int64_t for_ms, keep_firing_for_ms;
    bool grace;
};

enum alert_event { ALERT_EVENT_PENDING, ALERT_EVENT_FIRING, ALERT_EVENT_RESOLVED, ALERT_EVENT_DROPPED };
/* DROPPED: a pending or an old resolved instance is about to be freed. */
typedef void (*alert_event_fn)(void *ctx, struct alert_instance *instance, enum alert_event event);

#define ALERT_RESOLVED_RETENTION_MS (15 * 60 * 1000)

uint64_t alert_instance_id(uint64_t rule_id, struct labels labels);
/* Results have unique ids; everything is copied. */
void alert_states_apply(struct alert_states *states, const struct alert_timing *timing,
                        const struct alert_result *results, size_t n, alert_event_fn fn, void *ctx);
struct alert_instance *alert_states_find(const struct alert_states *states, uint64_t id);
/* Takes an instance read back from the store; ids must be new. */
void alert_states_adopt(struct alert_states *states, struct alert_instance *instance);
size_t alert_states_active(const struct alert_states *states);
void alert_states_release(struct alert_states *states);

/* Bytes of an instance for the state store, and back (NULL: damaged or of a newer version). The id is in the key. */
void alert_instance_encode(const struct alert_instance *instance, struct buf *out);
struct alert_instance *alert_instance_decode(uint64_t id, struct str bytes) MUST_USE;
void alert_instance_free(struct alert_instance *instance);
