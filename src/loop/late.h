/*
 * Libraries opened when they are first needed.
 *
 * libcurl, libpq and OpenSSL bring 27 more libraries along: 9 MB of memory and 3.4 ms of every start, for a store that
 * nobody collects into, or a broker without TLS. So they are no part of the link: each has a file of its own
 * (late_curl, late_pq, late_openssl; the .def lists the functions in use) with a struct of pointers, filled by dlopen()
 * and dlsym() when the first of them is to be called. A library stays open until the process ends.
 *
 * Threads: one: the loop's, or that of a verb of the command line, which has no loop. Errors: ERR_UNSUPPORTED naming
 * the file and Debian's package.
 */
#pragma once
#include "src/base/error.h"

#include <stddef.h>

struct late_function {
    const char *name;
    size_t offset; /* of its pointer in the struct of functions */
};
struct late_library {
    const char *file, *package;
    const struct late_function *functions;
    size_t count;
    bool open;
};
/* 0 at once when it is open. On failure `functions` is not to be used; the next call tries again. */
int late_open(struct late_library *library, void *functions, struct error *err) MUST_USE;
