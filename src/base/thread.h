/*
 * Who may touch what, checked by clang (-Wthread-safety) and at run time.
 *
 * LOOP_ONLY marks functions that only the loop thread may call, LOOP_DATA fields that only it may
 * touch. Each libuv callback begins with loop_assert(), which also tells clang that we are there.
 */
#pragma once
#include <stdbool.h>

#if defined(__clang__)
#define CAPABILITY_(x) __attribute__((x))
#else
#define CAPABILITY_(x)
#endif

struct CAPABILITY_(capability("loop")) loop_capability {
    char unused;
};
extern struct loop_capability loop_thread;

#define LOOP_ONLY    CAPABILITY_(requires_capability(loop_thread))
#define LOOP_DATA    CAPABILITY_(guarded_by(loop_thread))
#define LOOP_ASSERTS CAPABILITY_(assert_capability(loop_thread))

void loop_claim(void); /* the calling thread becomes the loop thread */
void loop_assert(void) LOOP_ASSERTS;
void thread_set_name(const char *name); /* at most 15 characters */

/* Stays in release builds: a breach would corrupt data. Input is refused, not asserted. */
#define invariant(x) ((x) ? (void)0 : invariant_failed(#x, __FILE__, __LINE__))
void invariant_failed(const char *text, const char *file, int line) __attribute__((noreturn));
