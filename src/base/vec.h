/*
 * A growing array, typed by macro: `vec(int) v = {0}; vec_push(&v, 3); vec_each(int *, it, &v)`.
 * Elements move when it grows: keep indices, not pointers. Freed by vec_release().
 */
#pragma once
#include "src/base/mem.h"

#include <stddef.h>

#define vec(type)                                                                                                      \
    struct {                                                                                                           \
        type *p;                                                                                                       \
        size_t len, cap;                                                                                               \
    }

#define vec_reserve(v, n)                                                                                              \
    do {                                                                                                               \
        if ((v)->cap < (n)) {                                                                                          \
            size_t cap_ = (v)->cap ? (v)->cap : 8;                                                                     \
            while (cap_ < (n)) {                                                                                       \
                cap_ *= 2;                                                                                             \
            }                                                                                                          \
            (v)->p = mem_realloc_array((v)->p, cap_, sizeof(*(v)->p));                                                 \
            (v)->cap = cap_;                                                                                           \
        }                                                                                                              \
    } while (0)

#define vec_push(v, ...)                                                                                               \
    do {                                                                                                               \
        vec_reserve(v, (v)->len + 1);                                                                                  \
        (v)->p[(v)->len++] = (__VA_ARGS__);                                                                            \
    } while (0)

#define vec_pop(v)   ((v)->p[--(v)->len])
#define vec_last(v)  ((v)->p[(v)->len - 1])
#define vec_clear(v) ((void)((v)->len = 0))
#define vec_release(v)                                                                                                 \
    do {                                                                                                               \
        mem_free((v)->p);                                                                                              \
        (v)->p = NULL;                                                                                                 \
        (v)->len = (v)->cap = 0;                                                                                       \
    } while (0)
#define vec_each(ptr_type, it, v)                                                                                      \
    for (ptr_type it = (v)->p; it && it < (v)->p + (v)->len; it++) /* NULL + 0 is undefined in C */
