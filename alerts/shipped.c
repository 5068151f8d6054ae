/* The rule files of alerts/rules inside the binary. RULES_DIR is given by CMake, which also rebuilds on their change.
 */
#include "alerts/rule_file.h"

#define EMBED(symbol, file)                                                                                            \
    __asm__(".pushsection .rodata\n" #symbol ":\n.incbin \"" RULES_DIR "/" file "\"\n" #symbol                         \
            "_end:\n.popsection\n");                                                                                   \
    extern const char symbol[] __attribute__((visibility("hidden")));                                                  \
    extern const char symbol##_end[] __attribute__((visibility("hidden")))

EMBED(shipped_celery, "celery.yml");
EMBED(shipped_redis, "redis.yml");
EMBED(shipped_postgres, "postgres.yml");
EMBED(shipped_host, "host.yml");

const struct shipped_rules *shipped_rules(size_t *n)
{
    static struct shipped_rules files[4];
    const struct {
        const char *name, *from, *to;
    } parts[4] = {{"celery.yml", shipped_celery, shipped_celery_end},
                  {"redis.yml", shipped_redis, shipped_redis_end},
                  {"postgres.yml", shipped_postgres, shipped_postgres_end},
                  {"host.yml", shipped_host, shipped_host_end}};
    for (size_t i = 0; i < 4; i++) {
        files[i] =
            (struct shipped_rules){parts[i].name, str_make(parts[i].from, (size_t)(parts[i].to - parts[i].from))};
    }
    *n = 4;
    return files;
}
