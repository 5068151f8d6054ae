#include "src/loop/pg_target.h"

#include "src/base/thread.h"
#include "src/base/url.h"

enum { DEFAULT_PORT = 5432 };

/* Parameters that the URL's query may hold and that go to libpq as they are. connect_timeout is ours. */
static const char *const passed[] = {
    "sslmode", "sslrootcert", "sslcert",    "sslkey",          "sslpassword",      "sslcrl",
    "sslsni",  "gssencmode",  "krbsrvname", "keepalives",      "application_name", "target_session_attrs",
    "options", "passfile",    "service",    "channel_binding",
};

static void put(struct pg_target *t, const char *key, const char *value)
{
    invariant(t->count < PG_PARAMS_MAX);
    t->keys[t->count] = key;
    t->values[t->count] = value;
    t->count++;
}

static bool has(const struct pg_target *t, const char *key)
{
    for (int i = 0; i < t->count; i++) {
        if (strcmp(t->keys[i], key) == 0) {
            return true;
        }
    }
    return false;
}

/* The value of a query parameter, or `other`; NUL-terminated, NULL if empty. */
static const char *query_or(const struct url *url, const char *name, struct str other, struct arena *arena)
{
    struct str value = url_query_get(url, str_of(name), arena);
    value = value.len ? value : other;
    return value.len ? arena_cstr(arena, value) : NULL;
}

static void read_query(const struct url *url, struct pg_target *t)
{
    for (size_t i = 0; i < sizeof(passed) / sizeof(passed[0]); i++) {
        const char *value = query_or(url, passed[i], (struct str){0}, &t->arena);
        if (value) {
            put(t, passed[i], value);
        }
    }
    const char *ssl = query_or(url, "ssl", (struct str){0}, &t->arena); /* asyncpg's name of sslmode */
    if (ssl && !has(t, "sslmode")) {
        put(t, "sslmode", strcmp(ssl, "true") == 0 ? "require" : ssl);
    }
    if (!has(t, "application_name")) {
        put(t, "application_name", "cloche");
    }
    if (!has(t, "gssencmode")) {
        put(t, "gssencmode", "disable"); /* the Kerberos libraries do blocking look-ups */
    }
}

static int read_place(const struct url *url, struct pg_target *t, struct error *err)
{
    t->host = query_or(url, "host", url->host, &t->arena);
    t->port = url->port ? url->port : DEFAULT_PORT;
    const char *port = query_or(url, "port", (struct str){0}, &t->arena);
    int64_t number;
    if (port && (!str_to_int64(str_of(port), &number) || number < 1 || number > 65535)) {
        return error_set(err, ERR_PARSE, "the PostgreSQL URL's port must be a number from 1 to 65535");
    }
    t->port = port ? (int)number : t->port;
    if (t->host && strchr(t->host, ',')) {
        return error_set(err, ERR_UNSUPPORTED, "the PostgreSQL URL names several hosts: watch each as its own target");
    }
    bool ipv6 = t->host && strchr(t->host, ':');
    t->address = arena_printf(&t->arena, ipv6 ? "[%s]:%d" : "%s:%d", t->host ? t->host : "local", t->port).p;
    return 0;
}

static bool is_postgres(struct str scheme)
{
    struct str rest = scheme, name = str_split(&rest, '+'); /* "postgresql+asyncpg" */
    return str_is(name, "postgresql") || str_is(name, "postgres") || str_is(name, "postgis");
}

static int read_target(struct str text, struct str dbname, struct pg_target *t, struct error *err)
{
    struct url url;
    int rc = url_parse(text, &t->arena, &url, err);
    if (rc) {
        return rc;
    }
    if (!is_postgres(url.scheme)) {
        return error_set(err, ERR_UNSUPPORTED, "'" STR_FMT "' is not a PostgreSQL URL's scheme: use postgresql://",
                         STR_ARG(url.scheme));
    }
    rc = read_place(&url, t, err);
    if (rc) {
        return rc;
    }
    struct str path = str_slice(url.path, 1, url.path.len);
    const char *db = dbname.len ? arena_cstr(&t->arena, dbname) : query_or(&url, "dbname", path, &t->arena);
    const char *user = query_or(&url, "user", url.user, &t->arena);
    const char *password = query_or(&url, "password", url.password, &t->arena);
    t->dbname = db ? db : "";
    if (db) {
        put(t, "dbname", db);
    }
    if (user) {
        put(t, "user", user);
    }
    if (password) {
        put(t, "password", password);
    }
    read_query(&url, t);
    return 0;
}

int pg_target_parse(struct str url, struct str dbname, struct pg_target *out, struct error *err)
{
    struct pg_target target = {0};
    int rc = read_target(url, dbname, &target, err);
    if (rc) {
        pg_target_release(&target);
        return rc;
    }
    *out = target;
    return 0;
}

void pg_target_release(struct pg_target *target)
{
    arena_release(&target->arena);
}
