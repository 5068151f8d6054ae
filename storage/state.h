/*
 * Small durable state by key: alert instances, outbox, sent marks, silences. Namespaces are short words ("alert",
 * "outbox", "silence").
 *
 * What must change together goes into one state_commit(): one transaction on the writer thread, durable when done is
 * called. Threads: any. Limits: key 1..400 bytes with namespace, value 1 MiB.
 */
#pragma once
#include "storage/store.h"

struct state_change {
    const char *ns;
    struct str key;
    struct str value; /* p == NULL: delete */
};
/* Copies everything. Applied in order of the calls. 0 or ERR_FULL, ERR_LIMIT. */
int state_commit(struct store *store, const struct state_change *changes, size_t n, store_done_fn done,
                 void *ctx) MUST_USE;
/* Value copied into the arena; ERR_NOT_FOUND. */
int state_get(struct store *store, const char *ns, struct str key, struct arena *arena, struct str *out) MUST_USE;
/* Ascending keys; key and value are borrowed during the call. Stops at and returns the first non-zero. */
typedef int (*state_visit_fn)(void *ctx, struct str key, struct str value);
int state_each(struct store *store, const char *ns, state_visit_fn visit, void *ctx) MUST_USE;
