/* libpq's functions, opened late (late.h). */
#pragma once
#include "src/loop/late.h"

#include <libpq-fe.h>

struct pq_functions {
#define LATE(name) __typeof__(name) *name;
#include "src/loop/late_pq.def"
#undef LATE
};
/* To be called through once pq_open() has returned 0. */
extern struct pq_functions pq;
int pq_open(struct error *err) MUST_USE;
