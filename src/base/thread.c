#include "src/base/thread.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>

struct loop_capability loop_thread;

/* The address of this variable names a thread; cheaper than gettid(2) and known to the sanitizers. */
static _Thread_local char thread_mark;
static atomic_uintptr_t loop_owner;

void loop_claim(void)
{
    atomic_store(&loop_owner, (uintptr_t)&thread_mark);
}

/* Before anybody claims the loop, the thread that builds everything counts as the loop thread. */
void loop_assert(void)
{
    uintptr_t owner = atomic_load_explicit(&loop_owner, memory_order_relaxed);
    invariant(owner == 0 || owner == (uintptr_t)&thread_mark);
}

void thread_set_name(const char *name)
{
    char cut[16];
    snprintf(cut, sizeof(cut), "%s", name);
    prctl(PR_SET_NAME, cut);
}

void invariant_failed(const char *text, const char *file, int line)
{
    fprintf(stderr, "cloche: %s:%d: invariant does not hold: %s\n", file, line, text);
    abort();
}
