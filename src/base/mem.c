#include "src/base/mem.h"

#include <unistd.h>

/* No log line here: formatting one may allocate. */
static void out_of_memory(void) __attribute__((noreturn));
static void out_of_memory(void)
{
    static const char text[] = "cloche: out of memory, ending\n";
    ssize_t ignored = write(STDERR_FILENO, text, sizeof(text) - 1);
    (void)ignored;
    abort();
}

void *mem_alloc(size_t size)
{
    void *p = malloc(size ? size : 1);
    if (!p) {
        out_of_memory();
    }
    return p;
}

void *mem_zalloc(size_t size)
{
    void *p = calloc(1, size ? size : 1);
    if (!p) {
        out_of_memory();
    }
    return p;
}

void *mem_realloc(void *p, size_t size)
{
    void *grown = realloc(p, size ? size : 1);
    if (!grown) {
        out_of_memory();
    }
    return grown;
}

void *mem_realloc_array(void *p, size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes)) {
        out_of_memory();
    }
    return mem_realloc(p, bytes);
}

char *mem_strdup(const char *cstr)
{
    return cstr ? mem_str_dup(str_of(cstr)) : NULL;
}

char *mem_str_dup(struct str s)
{
    char *copy = mem_alloc(s.len + 1);
    if (s.len) {
        memcpy(copy, s.p, s.len);
    }
    copy[s.len] = '\0';
    return copy;
}
