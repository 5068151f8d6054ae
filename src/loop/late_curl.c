#include "src/loop/late_curl.h"

static const struct late_function functions[] = {
#define LATE(name) {#name, offsetof(struct curl_functions, name)},
#include "src/loop/late_curl.def"
#undef LATE
};
static struct late_library library = {"libcurl.so.4", "libcurl4", functions, sizeof(functions) / sizeof(functions[0]),
                                      false};

struct curl_functions curl;

int curl_open(struct error *err)
{
    return late_open(&library, &curl, err);
}
