#include "src/collect/collector.h"

/* In the order of the targets page. */
static const struct collector *const collectors[] = {
    &celery_collector, &redis_collector, &postgres_collector, &host_collector, &self_collector,
};

const struct collector *collector_find(struct str name)
{
    for (size_t i = 0; i < sizeof(collectors) / sizeof(collectors[0]); i++) {
        if (str_is(name, collectors[i]->name)) {
            return collectors[i];
        }
    }
    return NULL;
}
