#include "src/loop/redis_target.h"

#include "src/base/url.h"

enum { DEFAULT_PORT = 6379, DB_MAX = 1 << 20 };

static int parse_db(struct str text, const char *where, int *db, struct error *err)
{
    int64_t value;
    if (text.len == 0) {
        return 0;
    }
    if (!str_to_int64(text, &value) || value < 0 || value > DB_MAX) {
        return error_set(err, ERR_PARSE, "the Redis URL's database must be a number, as in redis://host:6379/0 (%s)",
                         where);
    }
    *db = (int)value;
    return 0;
}

/* "db" is redis-py's name, "virtual_host" Kombu's; both win over the path. */
static int read_query_db(const struct url *url, struct redis_target *t, struct error *err)
{
    int rc = parse_db(url_query_get(url, STR("virtual_host"), &t->arena), "virtual_host", &t->db, err);
    return rc ? rc : parse_db(url_query_get(url, STR("db"), &t->arena), "db", &t->db, err);
}

/* "none", "CERT_NONE", "optional" ... A client that takes an optional certificate checks the one it gets. */
static int read_cert_reqs(struct str value, struct tls_options *tls, struct error *err)
{
    tls->verify = true;
    if (value.len == 0 || str_is(value, "required") || str_is(value, "CERT_REQUIRED") || str_is(value, "optional") ||
        str_is(value, "CERT_OPTIONAL")) {
        return 0;
    }
    if (str_is(value, "none") || str_is(value, "CERT_NONE") || str_is(value, "None")) {
        tls->verify = false;
        return 0;
    }
    return error_set(err, ERR_PARSE, "ssl_cert_reqs in the Redis URL must be none, optional or required");
}

static int read_tls(const struct url *url, struct redis_target *t, struct error *err)
{
    struct arena *arena = &t->arena;
    struct str check = url_query_get(url, STR("ssl_check_hostname"), arena);
    t->use_tls = true;
    t->tls.ca_file = url_query_get(url, STR("ssl_ca_certs"), arena);
    t->tls.cert_file = url_query_get(url, STR("ssl_certfile"), arena);
    t->tls.key_file = url_query_get(url, STR("ssl_keyfile"), arena);
    t->tls.check_name = !(str_is(check, "false") || str_is(check, "False") || str_is(check, "0"));
    return read_cert_reqs(url_query_get(url, STR("ssl_cert_reqs"), arena), &t->tls, err);
}

static int read_tcp(const struct url *url, struct redis_target *t, struct error *err)
{
    t->host = url->host.len ? url->host : STR("localhost");
    t->port = url->port ? url->port : DEFAULT_PORT;
    bool ipv6 = str_find_char(t->host, ':') >= 0;
    struct str address = arena_printf(&t->arena, ipv6 ? "[" STR_FMT "]:%d" : STR_FMT ":%d", STR_ARG(t->host), t->port);
    t->address = address.p;
    struct str path = str_slice(url->path, 1, url->path.len);
    if (path.len && path.p[path.len - 1] == '/') {
        path.len--;
    }
    int rc = parse_db(path, "the part after the last '/'", &t->db, err);
    rc = rc ? rc : read_query_db(url, t, err);
    if (rc == 0 && str_is(url->scheme, "rediss")) {
        rc = read_tls(url, t, err);
    }
    return rc;
}

static int read_unix(const struct url *url, struct redis_target *t, struct error *err)
{
    /* "unix://run/redis.sock" has its first folder where a host would be. */
    t->unix_path = url->host.len ? arena_printf(&t->arena, "/" STR_FMT STR_FMT, STR_ARG(url->host), STR_ARG(url->path))
                                 : url->path;
    if (t->unix_path.len < 2) {
        return error_set(err, ERR_PARSE, "the Redis URL names no socket: write redis+socket:///path/to/redis.sock");
    }
    t->address = arena_cstr(&t->arena, t->unix_path);
    return read_query_db(url, t, err);
}

static int read_target(struct str text, struct redis_target *t, struct error *err)
{
    struct url url;
    int rc = url_parse(text, &t->arena, &url, err);
    if (rc) {
        return rc;
    }
    struct str password = url_query_get(&url, STR("password"), &t->arena);
    t->user = url.user;
    t->password = url.password.len ? url.password : password;
    t->has_password = t->password.len > 0;
    if (str_is(url.scheme, "redis") || str_is(url.scheme, "rediss")) {
        return read_tcp(&url, t, err);
    }
    if (str_is(url.scheme, "unix") || str_is(url.scheme, "redis+socket")) {
        return read_unix(&url, t, err);
    }
    return error_set(err, ERR_UNSUPPORTED,
                     "'" STR_FMT "' is not a Redis URL's scheme: use redis://, rediss://, unix:// or redis+socket://",
                     STR_ARG(url.scheme));
}

int redis_target_parse(struct str url, struct redis_target *out, struct error *err)
{
    struct redis_target target = {0};
    int rc = read_target(url, &target, err);
    if (rc) {
        redis_target_release(&target);
        return rc;
    }
    *out = target;
    return 0;
}

void redis_target_release(struct redis_target *target)
{
    arena_release(&target->arena);
}
