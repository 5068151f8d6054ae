/*
 * Result codes, and the text a person will read.
 *
 * Functions return 0 or a negative code: -errno or one of error.def. Where a person will read the
 * reason (config, PromQL, HTTP, a target that is down) the last parameter is `struct error *err`;
 * NULL is allowed. Texts name what is wrong and what to do and never hold a secret.
 */
#pragma once
#include "src/base/mem.h"

#include <stdbool.h>

enum {
#define ERROR(name, code, text) name = (code),
#include "src/base/error.def"
#undef ERROR
};

struct error {
    int code;         /* 0: none */
    int line, column; /* 1-based; 0: no position */
    char text[256];   /* cut at a UTF-8 boundary */
};

/* All return `code`, so that `return error_set(err, ERR_PARSE, "...")` reads well. */
int error_set(struct error *err, int code, const char *fmt, ...) PRINTF_LIKE(3, 4);
int error_set_at(struct error *err, int code, int line, int column, const char *fmt, ...) PRINTF_LIKE(5, 6);
/* Puts "prefix: " before the text that is there; position and code stay. Returns err->code. */
int error_prefix(struct error *err, const char *fmt, ...) PRINTF_LIKE(2, 3);
const char *error_text(int code); /* own codes and errno; thread-safe */
