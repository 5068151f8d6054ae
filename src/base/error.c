#include "src/base/error.h"

#include "src/base/codec.h"

#include <stdarg.h>
#include <stdio.h>

/* Texts quote input: what does not fit is cut between characters. */
static void set_text(struct error *err, const char *text)
{
    struct str s = str_of(text);
    size_t n = utf8_cut(s, sizeof(err->text) - 1);
    memmove(err->text, text, n);
    err->text[n] = '\0';
}

static void set_va(struct error *err, int code, const char *fmt, va_list args) __attribute__((format(printf, 3, 0)));
static void set_va(struct error *err, int code, const char *fmt, va_list args)
{
    char text[1024]; /* apart: an argument may be err->text itself */
    vsnprintf(text, sizeof(text), fmt, args);
    *err = (struct error){.code = code};
    set_text(err, text);
}

int error_set(struct error *err, int code, const char *fmt, ...)
{
    if (err) {
        va_list args;
        va_start(args, fmt);
        set_va(err, code, fmt, args);
        va_end(args);
    }
    return code;
}

int error_set_at(struct error *err, int code, int line, int column, const char *fmt, ...)
{
    if (err) {
        va_list args;
        va_start(args, fmt);
        set_va(err, code, fmt, args);
        va_end(args);
        err->line = line;
        err->column = column;
    }
    return code;
}

int error_prefix(struct error *err, const char *fmt, ...)
{
    if (!err) {
        return 0;
    }
    char text[1024], prefix[256];
    va_list args;
    va_start(args, fmt);
    vsnprintf(prefix, sizeof(prefix), fmt, args);
    va_end(args);
    snprintf(text, sizeof(text), "%s: %s", prefix, err->text);
    set_text(err, text);
    return err->code;
}

const char *error_text(int code)
{
    switch (code) {
    case 0:
        return "success";
#define ERROR(name, number, text)                                                                                      \
    case name:                                                                                                         \
        return text;
#include "src/base/error.def"
#undef ERROR
    default:
        break;
    }
    /* Unlike strerror() this one has no shared buffer; NULL for unknown numbers. */
    const char *text = strerrordesc_np(code < 0 && code > -4096 ? -code : code);
    return text ? text : "unknown error";
}
