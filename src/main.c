/* The command line: picks the verb. `cloche` alone is `cloche serve`. */
#include "src/base/str.h"
#include "src/tool/tool.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char usage[] =
    "cloche watches a Celery + Redis + PostgreSQL application: metrics, tasks, alerts, pages.\n"
    "\n"
    "  cloche serve [options]      run the daemon (the default verb)\n"
    "      --config FILE           configuration; without it CELERY_BROKER_URL, REDIS_URL, DATABASE_URL are taken\n"
    "      --listen ADDR:PORT      address of the pages and APIs (127.0.0.1:9900)\n"
    "      --data DIR              where everything is kept\n"
    "      --retention DURATION    keep all that is stored so long, nothing longer (0: for ever)\n"
    "      --store-only            no collectors and no rules, only store and APIs\n"
    "      --enable-feature LIST   experimental parts of PromQL by Prometheus' names; also of check and query\n"
    "      --demo                  start a sample Celery application with its own Redis and PostgreSQL, and watch it\n"
    "  cloche check [--config FILE] [RULES.yml ...]   tell what is wrong with configuration, rules, dashboards\n"
    "  cloche query [options] EXPR                    ask in PromQL; exit status 0 answered, 1 failed, 2 wrong call "
    "or\n"
    "                                                 query\n"
    "      --url URL | --data DIR  a running cloche (http://127.0.0.1:9900), or a stopped one's data\n"
    "      --time T                the values of one point in time; without it of now\n"
    "      --since D | --start T [--end T]   a range; times: RFC 3339, Unix seconds, now, now-1h; durations: 1h30m\n"
    "      --step D                of the range; without it a sixtieth\n"
    "      --format NAME           table, sparkline (ranges, without it), json (or --json) or csv\n"
    "      --no-header             rows alone\n"
    "  cloche export [options]     samples as OpenMetrics text\n"
    "      --data DIR | --url URL  of a stopped cloche's data, or of a running one (http://127.0.0.1:9900)\n"
    "      --match SELECTOR        series to take; may be repeated; without it all\n"
    "      --start T --end T       times: RFC 3339 or Unix seconds\n"
    "      --output FILE           instead of standard output\n"
    "  cloche import [options] FILE... | -            samples from OpenMetrics, Prometheus' text format, promtool's "
    "dump\n"
    "      --data DIR | --url URL  as above\n"
    "      --format NAME           auto, openmetrics (times in seconds) or prometheus (milliseconds)\n"
    "      --skip-bad              count bad lines and go on\n"
    "  cloche backup [--data DIR | --url URL] TARGET  a copy of everything that is kept, to a new folder\n"
    "  cloche version\n";

static const struct verb {
    const char *name;
    int (*run)(int argc, char **argv);
} verbs[] = {{"serve", tool_serve},   {"check", tool_check},   {"query", tool_query},
             {"export", tool_export}, {"import", tool_import}, {"backup", tool_backup}};

/* A stream that was closed by who started us would be the next file that is opened: the log would be written into the
 * store. Read-only, so that writing still fails. */
static void hold_standard_streams(void)
{
    int fd;
    do {
        fd = open("/dev/null", O_RDONLY);
    } while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0) {
        (void)close(fd);
    }
}

int main(int argc, char **argv)
{
    hold_standard_streams();
    const char *name = argc > 1 ? argv[1] : "serve";
    if (!strcmp(name, "help") || !strcmp(name, "--help") || !strcmp(name, "-h")) {
        fputs(usage, stdout);
        return 0;
    }
    if (!strcmp(name, "version") || !strcmp(name, "--version")) {
        puts("cloche " CLOCHE_VERSION);
        return 0;
    }
    if (argc < 2 || name[0] == '-') { /* options without a verb belong to serve */
        return tool_serve(argc, argv);
    }
    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
        if (!strcmp(name, verbs[i].name)) {
            return verbs[i].run(argc - 1, argv + 1);
        }
    }
    fprintf(stderr, "cloche: unknown verb \"%s\"\n\n%s", name, usage);
    return 2;
}
