#include "src/base/log.h"

#include "src/base/clock.h"
#include "src/base/codec.h"
#include "src/base/number.h"

#include <stdatomic.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 8192, VALUE_MAX_BYTES = 2048 };

static atomic_int threshold = LOG_INFO;

static const char *const level_names[] = {"debug", "info", "warn", "error"};

void log_set_level(enum log_level level)
{
    atomic_store(&threshold, (int)level);
}

bool log_level_parse(struct str name, enum log_level *out)
{
    for (int i = LOG_DEBUG; i <= LOG_ERROR; i++) {
        if (str_is(name, level_names[i])) {
            *out = (enum log_level)i;
            return true;
        }
    }
    return false;
}

static bool needs_quotes(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c <= ' ' || c == '"' || c == '\\' || c == '=' || c == 0x7f) {
            return true;
        }
    }
    return s.len == 0 || !utf8_valid(s);
}

static void add_escaped(struct buf *line, unsigned char c)
{
    if (c == '\n') {
        buf_add(line, STR("\\n"));
    } else if (c == '"' || c == '\\') {
        buf_addf(line, "\\%c", c);
    } else {
        buf_addf(line, "\\x%02x", c);
    }
}

static void add_quoted(struct buf *line, struct str s)
{
    buf_add_char(line, '"');
    while (s.len) {
        unsigned char c = (unsigned char)s.p[0];
        size_t n = utf8_char(s);
        if (n == 0 || c < ' ' || c == 0x7f || c == '"' || c == '\\') {
            add_escaped(line, c);
            n = 1;
        } else {
            buf_add(line, str_slice(s, 0, n));
        }
        s = str_slice(s, n, s.len);
    }
    buf_add_char(line, '"');
}

static void add_text(struct buf *line, struct str s)
{
    bool cut = s.len > VALUE_MAX_BYTES;
    s = str_slice(s, 0, utf8_cut(s, VALUE_MAX_BYTES));
    if (needs_quotes(s)) {
        add_quoted(line, s);
    } else {
        buf_add(line, s);
    }
    if (cut) {
        buf_add(line, STR("..."));
    }
}

static void add_pair(struct buf *line, const struct log_kv *kv)
{
    char number[NUMBER_MAX];
    buf_addf(line, " %s=", kv->key);
    switch (kv->type) {
    case LOG_KV_STR:
        add_text(line, kv->s);
        break;
    case LOG_KV_INT:
        buf_addf(line, "%lld", (long long)kv->i);
        break;
    case LOG_KV_DOUBLE:
        buf_add_bytes(line, number, number_format(kv->d, number));
        break;
    }
}

void log_write(enum log_level level, const char *message, const struct log_kv *kv, size_t count)
{
    if ((int)level < atomic_load_explicit(&threshold, memory_order_relaxed)) {
        return;
    }
    auto_buf line;
    buf_init(&line, LINE_MAX_BYTES);
    clock_format_rfc3339(clock_wall_ms(), &line);
    buf_addf(&line, " %s %s", level_names[level], message);
    for (size_t i = 0; i < count && !line.failed; i++) {
        add_pair(&line, &kv[i]);
    }
    line.failed = false; /* a line too long loses its last pairs, never its end */
    if (line.len == line.max) {
        line.len--;
    }
    buf_add_char(&line, '\n');
    /* One call, so that lines of several threads do not mix. Nobody can be told of a failure. */
    ssize_t ignored = write(STDERR_FILENO, line.p, line.len);
    (void)ignored;
}
