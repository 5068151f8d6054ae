#include "src/loop/late_pq.h"

static const struct late_function functions[] = {
#define LATE(name) {#name, offsetof(struct pq_functions, name)},
#include "src/loop/late_pq.def"
#undef LATE
};
static struct late_library library = {"libpq.so.5", "libpq5", functions, sizeof(functions) / sizeof(functions[0]),
                                      false};

struct pq_functions pq;

int pq_open(struct error *err)
{
    return late_open(&library, &pq, err);
}
