/*
 * cloche's own figures: counters and gauges any thread may change, listed in self.def, shown at
 * /metrics and stored as series by the `self` collector.
 * SELF(id, type, name, help) in src/base/self.def. Relaxed atomics: no ordering is implied.
 */
#pragma once
#include <stdint.h>

enum self_id {
#define SELF(id, type, name, help) id,
#include "src/base/self.def"
#undef SELF
    SELF_COUNT
};

struct self_info {
    const char *name, *type, *help;
};

void self_add(enum self_id id, int64_t delta);
void self_set(enum self_id id, int64_t value);
int64_t self_get(enum self_id id);
const struct self_info *self_info(enum self_id id);
