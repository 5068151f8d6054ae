/*
 * Log lines on stderr: `2026-11-23T08:00:00.123Z warn redis: connect failed target=main errno=111`.
 *
 * Only loop callbacks, main and web handlers log; libraries return. Log changes (down, back), not
 * repeats. The message is constant, data comes as pairs; values with spaces or control bytes are
 * quoted and escaped. Never pass a secret. Thread-safe; one write(2) a line.
 */
#pragma once
#include "src/base/str.h"

#include <stdint.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

struct log_kv {
    const char *key;
    enum { LOG_KV_STR, LOG_KV_INT, LOG_KV_DOUBLE } type;
    struct str s;
    int64_t i;
    double d;
};

#define KV_STR(k, v)    ((struct log_kv){.key = (k), .type = LOG_KV_STR, .s = str_of(v)})
#define KV_S(k, v)      ((struct log_kv){.key = (k), .type = LOG_KV_STR, .s = (v)})
#define KV_INT(k, v)    ((struct log_kv){.key = (k), .type = LOG_KV_INT, .i = (int64_t)(v)})
#define KV_DOUBLE(k, v) ((struct log_kv){.key = (k), .type = LOG_KV_DOUBLE, .d = (v)})

void log_set_level(enum log_level level);                   /* default LOG_INFO */
bool log_level_parse(struct str name, enum log_level *out); /* debug info warn error */
void log_write(enum log_level level, const char *message, const struct log_kv *kv, size_t count);

#define LOG_(level, message, ...)                                                                                      \
    log_write(level, message, (const struct log_kv[]){__VA_ARGS__},                                                    \
              sizeof((const struct log_kv[]){__VA_ARGS__}) / sizeof(struct log_kv))
/* At least one KV is required. */
#define log_debug(message, ...) LOG_(LOG_DEBUG, message, __VA_ARGS__)
#define log_info(message, ...)  LOG_(LOG_INFO, message, __VA_ARGS__)
#define log_warn(message, ...)  LOG_(LOG_WARN, message, __VA_ARGS__)
#define log_error(message, ...) LOG_(LOG_ERROR, message, __VA_ARGS__)
