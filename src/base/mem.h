/*
 * Heap memory. Out of memory ends the process with a message (as git and Redis do): LMDB stays
 * whole and the supervisor restarts us. Whatever size comes from outside must meet a limit before.
 */
#pragma once
#include "src/base/str.h"

#include <stddef.h>
#include <stdlib.h>

#define MUST_USE               __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))

void *mem_alloc(size_t size);  /* uninitialised; size 0 gives a unique pointer */
void *mem_zalloc(size_t size); /* zeroed */
void *mem_realloc(void *p, size_t size);
void *mem_realloc_array(void *p, size_t count, size_t size); /* ends the process on overflow */
char *mem_strdup(const char *cstr);                          /* NULL gives NULL */
char *mem_str_dup(struct str s);                             /* NUL-terminated copy */
static inline void mem_free(void *p)
{
    free(p);
}

#define steal(p)                                                                                                       \
    __extension__({                                                                                                    \
        __typeof__(p) stolen_ = (p);                                                                                   \
        (p) = NULL;                                                                                                    \
        stolen_;                                                                                                       \
    })

static inline void mem_free_indirect(void *pp)
{
    free(*(void **)pp);
}
#define auto_free __attribute__((cleanup(mem_free_indirect)))
