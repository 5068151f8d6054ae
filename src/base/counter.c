#include "src/base/counter.h"

#include "src/base/thread.h"

#include <stdatomic.h>

static _Atomic int64_t values[SELF_COUNT];

static const struct self_info infos[SELF_COUNT] = {
#define SELF(id, type, name, help) [id] = {name, #type, help},
#include "src/base/self.def"
#undef SELF
};

void self_add(enum self_id id, int64_t delta)
{
    atomic_fetch_add_explicit(&values[id], delta, memory_order_relaxed);
}

void self_set(enum self_id id, int64_t value)
{
    atomic_store_explicit(&values[id], value, memory_order_relaxed);
}

int64_t self_get(enum self_id id)
{
    return atomic_load_explicit(&values[id], memory_order_relaxed);
}

const struct self_info *self_info(enum self_id id)
{
    invariant(id < SELF_COUNT);
    return &infos[id];
}
