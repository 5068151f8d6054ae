/* Discovery from the environment and from this machine's usual ports. */
#include "config/discover.h"

#include "src/base/json_writer.h"
#include "src/base/url.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

struct discovery {
    struct arena *arena;
    config_target_vec *targets;
    struct json_writer found;
    struct json_writer missing;
};

bool discover_port_answers(int port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return false;
    }
    struct sockaddr_in addr = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    bool answers = connect(fd, (const struct sockaddr *)(const void *)&addr, sizeof(addr)) == 0;
    close(fd);
    return answers;
}

static void note_found(struct discovery *d, const char *kind, struct str url, const char *how)
{
    json_begin_object(&d->found);
    json_field(&d->found, "what", json_str,
               arena_printf(d->arena, "%s at " STR_FMT, kind, STR_ARG(url_redact(url, d->arena))));
    json_field(&d->found, "how", json_str, str_of(how));
    json_end_object(&d->found);
}

static void note_missing(struct discovery *d, const char *what, const char *hint)
{
    json_begin_object(&d->missing);
    json_field(&d->missing, "what", json_str, str_of(what));
    json_field(&d->missing, "hint", json_str, str_of(hint));
    json_end_object(&d->missing);
}

/* Same server twice (broker and REDIS_URL differing in the database only) is one target. */
static bool same_server(struct discovery *d, struct str a, struct str b)
{
    struct url ua;
    struct url ub;
    if (url_parse(a, d->arena, &ua, NULL) || url_parse(b, d->arena, &ub, NULL)) {
        return str_eq(a, b);
    }
    bool socket = ua.host.len == 0;
    return str_eq(ua.host, ub.host) && (socket ? str_eq(ua.path, ub.path) : ua.port == ub.port);
}

static void add_target(struct discovery *d, const char *kind, struct str url, const char *how)
{
    size_t same_kind = 0;
    vec_each (struct config_target *, t, d->targets) {
        if (str_is(t->kind, kind)) {
            same_kind++;
            if (same_server(d, t->url, url)) {
                return;
            }
        }
    }
    struct str name = same_kind ? arena_printf(d->arena, "main-%zu", same_kind + 1) : STR("main");
    vec_push(d->targets, (struct config_target){.kind = str_of(kind), .name = name, .url = arena_dup(d->arena, url)});
    note_found(d, kind, url, how);
}

static bool is_redis(struct str url)
{
    return str_starts(url, STR("redis://")) || str_starts(url, STR("rediss://")) ||
           str_starts(url, STR("redis+socket://")) || str_starts(url, STR("unix://"));
}

static bool is_postgres(struct str url)
{
    return str_starts(url, STR("postgres://")) || str_starts(url, STR("postgresql://")) ||
           str_starts(url, STR("postgresql+"));
}

static bool from_broker(struct discovery *d)
{
    struct str url = str_of(getenv("CELERY_BROKER_URL"));
    if (!url.len) {
        return false;
    }
    if (is_redis(url)) {
        add_target(d, "celery", url, "CELERY_BROKER_URL");
        add_target(d, "redis", url, "CELERY_BROKER_URL");
    } else {
        note_missing(d, "Celery: CELERY_BROKER_URL names a broker that is not Redis",
                     "cloche reads Celery's events from Redis brokers (redis://, rediss://, redis+socket://)");
    }
    return true;
}

static bool from_redis_variable(struct discovery *d, const char *variable)
{
    struct str url = str_of(getenv(variable));
    if (!is_redis(url)) {
        return false;
    }
    add_target(d, "redis", url, variable);
    return true;
}

static bool from_database(struct discovery *d)
{
    struct str url = str_of(getenv("DATABASE_URL"));
    if (!url.len) {
        return false;
    }
    if (is_postgres(url)) {
        add_target(d, "postgres", url, "DATABASE_URL");
    } else {
        note_missing(d, "PostgreSQL: DATABASE_URL names another kind of database",
                     "cloche watches postgresql:// and postgres:// addresses");
    }
    return true;
}

static void from_localhost(struct discovery *d, bool want_celery, bool want_redis, bool want_postgres)
{
    bool redis = discover_port_answers(6379);
    if (want_celery && redis) {
        add_target(d, "celery", STR("redis://127.0.0.1:6379/0"), "port 6379 of this machine answers");
    } else if (want_celery) {
        note_missing(d, "Celery broker: nothing answers at 127.0.0.1:6379",
                     "export CELERY_BROKER_URL=redis://HOST:6379/0 and restart cloche");
    }
    if (want_redis && redis) {
        add_target(d, "redis", STR("redis://127.0.0.1:6379/0"), "port 6379 of this machine answers");
    } else if (want_redis) {
        note_missing(d, "Redis: nothing answers at 127.0.0.1:6379",
                     "export REDIS_URL=redis://HOST:6379/0 and restart cloche");
    }
    if (want_postgres && discover_port_answers(5432)) {
        add_target(d, "postgres", STR("postgresql://127.0.0.1:5432/postgres"), "port 5432 of this machine answers");
    } else if (want_postgres) {
        note_missing(d, "PostgreSQL: nothing answers at 127.0.0.1:5432",
                     "export DATABASE_URL=postgresql://USER:PASSWORD@HOST:5432/DATABASE and restart cloche");
    }
}

void discover_targets(struct arena *arena, config_target_vec *targets, struct buf *json)
{
    auto_buf found = {0};
    auto_buf missing = {0};
    buf_init(&found, 1 << 16);
    buf_init(&missing, 1 << 16);
    struct discovery d = {.arena = arena, .targets = targets};
    json_init(&d.found, &found);
    json_init(&d.missing, &missing);
    json_begin_array(&d.found);
    json_begin_array(&d.missing);
    bool broker = from_broker(&d);
    bool redis = from_redis_variable(&d, "REDIS_URL");
    redis = from_redis_variable(&d, "CELERY_RESULT_BACKEND") || redis;
    bool database = from_database(&d);
    /* One variable set means that the user named his services: a Redis that happens to run here is not asked for
     * Celery. */
    from_localhost(&d, !broker && !redis, !broker && !redis, !database);
    json_end_array(&d.found);
    json_end_array(&d.missing);
    buf_addf(json, "{\"found\":%s,\"missing\":%s}", found.p, missing.p);
}
