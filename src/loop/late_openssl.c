#include "src/loop/late_openssl.h"

static const struct late_function functions[] = {
#define LATE(name) {#name, offsetof(struct openssl_functions, name)},
#include "src/loop/late_openssl.def"
#undef LATE
};
static struct late_library library = {"libssl.so.3", "libssl3", functions, sizeof(functions) / sizeof(functions[0]),
                                      false};

struct openssl_functions openssl;

int openssl_open(struct error *err)
{
    return late_open(&library, &openssl, err);
}
