/* The PostgreSQL collector and a real server. initdb and postgres refuse to run as root: then setpriv lends an account.
 */
#include "tests/unit/collect/families.h"
#include "tests/unit/collect/server.h"

#include <glob.h>

static struct {
    bool usable;
    char bin[256], dir[64];
    int port;
    pid_t pid;
} pg;

static int shell(const char *fmt, ...) PRINTF_LIKE(1, 2);
static int shell(const char *fmt, ...)
{
    char command[2048];
    va_list args;
    va_start(args, fmt);
    vsnprintf(command, sizeof(command), fmt, args);
    va_end(args);
    return system(command);
}

static const char *as_user(void)
{
    return geteuid() == 0 ? "setpriv --reuid=postgres --regid=postgres --init-groups --pdeathsig=KILL -- " : "";
}

static bool find_binaries(void)
{
    glob_t found;
    if (glob("/usr/lib/postgresql/*/bin", 0, NULL, &found) != 0) {
        return false;
    }
    snprintf(pg.bin, sizeof(pg.bin), "%s", found.gl_pathv[found.gl_pathc - 1]);
    globfree(&found);
    return true;
}

static void start_server(void)
{
    char command[1024];
    snprintf(command, sizeof(command),
             "exec %s%s/postgres -D %s/data -p %d -k %s -c listen_addresses=127.0.0.1 -c fsync=off "
             "-c shared_buffers=16MB -c max_connections=20",
             as_user(), pg.bin, pg.dir, pg.port, pg.dir);
    const char *argv[] = {"sh", "-c", command, NULL};
    pg.pid = server_spawn(argv);
    wait_for_port(pg.port);
    int64_t end = clock_mono_ms() + LIVE_PATIENCE_MS;
    while (shell("PGPASSWORD=right %s/psql -h 127.0.0.1 -p %d -U postgres -c 'SELECT 1' >/dev/null 2>&1", pg.bin,
                 pg.port) != 0) {
        if (clock_mono_ms() > end) {
            fail_msg("the server does not come up");
        }
        live_nap();
    }
}

static int sql(const char *text)
{
    return shell("PGPASSWORD=right %s/psql -v ON_ERROR_STOP=1 -h 127.0.0.1 -p %d -U postgres -c \"%s\" >/dev/null",
                 pg.bin, pg.port, text);
}

static void stop_server(void)
{
    kill(pg.pid, SIGINT); /* fast shutdown */
    server_wait(pg.pid);
}

static int group_setup(void **state)
{
    (void)state;
    if (!find_binaries()) {
        return 0;
    }
    snprintf(pg.dir, sizeof(pg.dir), "/tmp/cloche-pg-XXXXXX");
    if (!mkdtemp(pg.dir)) {
        return 0;
    }
    pg.port = free_port();
    if (shell("echo right >%s/pw && chmod 755 %s && chmod 644 %s/pw && (test $(id -u) -ne 0 || chown postgres %s) && "
              "%s%s/initdb -D %s/data -U postgres -A scram-sha-256 --pwfile=%s/pw -N >/dev/null 2>&1",
              pg.dir, pg.dir, pg.dir, pg.dir, as_user(), pg.bin, pg.dir, pg.dir) != 0) {
        return 0;
    }
    start_server();
    pg.usable = sql("CREATE DATABASE app1") == 0 && sql("CREATE ROLE nogrants LOGIN PASSWORD 'pw'") == 0 &&
                sql("CREATE TABLE t (a int)") == 0 && sql("INSERT INTO t SELECT generate_series(1, 100)") == 0;
    return 0;
}

static int group_teardown(void **state)
{
    (void)state;
    if (pg.pid > 0) {
        stop_server();
    }
    return pg.dir[0] ? shell("rm -rf %s", pg.dir) : 0;
}

static struct config_target postgres_as(char *room, size_t size, const char *user)
{
    snprintf(room, size, "postgresql://%s@127.0.0.1:%d/postgres", user, pg.port);
    return (struct config_target){.kind = STR("postgres"),
                                  .name = STR("main"),
                                  .url = str_of(room),
                                  .job = STR("pg"),
                                  .interval_ms = 1500,
                                  .timeout_ms = 1000,
                                  .all_databases = true};
}

static char *series(const char *name, const char *before, const char *after)
{
    static char text[4][300];
    static int next;
    char *room = text[next++ % 4];
    snprintf(room, sizeof(text[0]), "%s{%sinstance=\"127.0.0.1:%d\", job=\"pg\"%s}", name, before, pg.port, after);
    return room;
}

static int setup(void **state)
{
    static struct live live;
    live_start(&live);
    *state = &live;
    return 0;
}

static int teardown(void **state)
{
    live_stop(*state);
    return 0;
}

#define NEEDS_POSTGRES()                                                                                               \
    if (!pg.usable) {                                                                                                  \
        print_message("skipped: no PostgreSQL server that can be started here\n");                                     \
        skip();                                                                                                        \
    }

static bool recorded_family(struct live *live, struct str line)
{
    bool found = false;
    pthread_mutex_lock(&live->recorder.mutex);
    vec_each (char **, it, &live->recorder.families) {
        found |= str_eq(str_of(*it), line);
    }
    pthread_mutex_unlock(&live->recorder.mutex);
    return found;
}

/* "name untyped" of the text format is "name unknown" here. */
static bool has_family(struct live *live, struct str name, struct str type)
{
    char line[300];
    snprintf(line, sizeof(line), STR_FMT " " STR_FMT, STR_ARG(name),
             STR_ARG(str_is(type, "untyped") ? STR("unknown") : type));
    return recorded_family(live, str_of(line));
}

static void families_are_those_of_postgres_exporter(void **state)
{
    NEEDS_POSTGRES();
    struct live *live = *state;
    char url[128];
    const struct config_target target = postgres_as(url, sizeof(url), "postgres:right");
    live_apply(live, &target, 1);
    live_wait_value(live, series("pg_up", "", ""), 1);
    live_wait_value(live, series("pg_exporter_last_scrape_error", "", ""), 0);
    /* left out: the exporter's own; what needs a replica, a slot, a checksum failure; settings of extensions */
    const struct str absent = STR(
        "pg_exporter_scrapes_total pg_scrape_collector_duration_seconds pg_stat_replication_* pg_replication_slots_* "
        "pg_stat_archiver_last_archive_age pg_stat_database_checksum_* pg_settings_pg_stat_statements_*");
    struct buf text = read_data("postgres-default.families");
    struct str rest = buf_str(&text);
    size_t equal = 0, left_out = 0, missing = 0;
    while (rest.len) {
        struct str type = str_split(&rest, '\n');
        struct str name = str_split(&type, ' ');
        if (!str_starts(name, STR("pg_"))) {
            continue;
        }
        if (has_family(live, name, type)) {
            equal++;
        } else if (in_list(absent, name)) {
            left_out++;
        } else {
            missing++;
            print_message("missing or of another type: " STR_FMT " " STR_FMT "\n", STR_ARG(name), STR_ARG(type));
        }
    }
    buf_release(&text);
    print_message("postgres-default.families: %zu families equal, %zu left out on purpose, %zu missing\n", equal,
                  left_out, missing);
    /* servers of other versions than the recorded one lack some settings */
    assert_true(missing == 0 || strcmp(pg.bin, "/usr/lib/postgresql/15/bin") != 0);
}

static void values_and_zeros_are_there(void **state)
{
    NEEDS_POSTGRES();
    struct live *live = *state;
    char url[128];
    const struct config_target target = postgres_as(url, sizeof(url), "postgres:right");
    live_apply(live, &target, 1);
    live_wait_value(live, series("up", "", ""), 1);
    live_wait_value(live, series("pg_settings_max_connections", "", ""), 20);
    live_wait_value(live, series("pg_settings_shared_buffers_bytes", "", ""), 16 << 20);
    live_wait_value(live, series("pg_stat_activity_count", "datname=\"app1\", ", ", state=\"idle\""), 0);
    live_wait_value(live, series("pg_stat_activity_count", "datname=\"postgres\", ", ", state=\"active\""), 1);
    live_wait_value(live, series("pg_locks_count", "datname=\"app1\", ", ", mode=\"sireadlock\""), 0);
    live_wait_value(live, series("pg_replication_lag", "", ""), 0);
    live_wait_more(live, series("pg_database_size_bytes", "datname=\"app1\", ", ""), 1);
    live_wait_value(
        live,
        series("pg_stat_user_tables_n_tup_ins", "datname=\"postgres\", ", ", relname=\"t\", schemaname=\"public\""),
        100);
}

static void a_role_without_grants_works(void **state)
{
    NEEDS_POSTGRES();
    struct live *live = *state;
    char url[128];
    const struct config_target target = postgres_as(url, sizeof(url), "nogrants:pw");
    live_apply(live, &target, 1);
    live_wait_value(live, series("up", "", ""), 1);
    live_wait_value(live, series("pg_exporter_last_scrape_error", "", ""), 0);
    live_wait_value(live, series("pg_scrape_collector_success", "collector=\"stat_activity\", ", ""), 1);
    live_wait_more(live, series("pg_database_size_bytes", "datname=\"postgres\", ", ""), 1);
}

static void a_query_that_fails_costs_only_its_figures(void **state)
{
    NEEDS_POSTGRES();
    struct live *live = *state;
    char url[128];
    assert_int_equal(sql("REVOKE SELECT ON pg_catalog.pg_locks FROM PUBLIC"), 0);
    const struct config_target target = postgres_as(url, sizeof(url), "nogrants:pw");
    live_apply(live, &target, 1);
    live_wait_value(live, series("up", "", ""), 1);
    live_wait_value(live, series("pg_exporter_last_scrape_error", "", ""), 1);
    live_wait_value(live, series("pg_scrape_collector_success", "collector=\"locks\", ", ""), 0);
    live_wait_value(live, series("pg_settings_max_connections", "", ""), 20);
    live_wait_board(live, "Not collected: locks: permission denied");
    assert_int_equal(sql("GRANT SELECT ON pg_catalog.pg_locks TO PUBLIC"), 0);
    live_wait_value(live, series("pg_exporter_last_scrape_error", "", ""), 0);
}

static void a_wrong_password_is_named_and_not_shown(void **state)
{
    NEEDS_POSTGRES();
    struct live *live = *state;
    char url[128];
    const struct config_target target = postgres_as(url, sizeof(url), "postgres:hunter2");
    live_apply(live, &target, 1);
    live_wait_value(live, series("up", "", ""), 0);
    live_wait_value(live, series("pg_up", "", ""), 0);
    live_wait_board(live, "password authentication failed");
    const struct board_doc *doc = board_read(live->board, "targets");
    assert_true(str_find(doc->json, STR("hunter2")) < 0);
    board_unref(doc);
}

static void a_server_that_ends_is_down_and_comes_back(void **state)
{
    NEEDS_POSTGRES();
    struct live *live = *state;
    char url[128];
    const struct config_target target = postgres_as(url, sizeof(url), "postgres:right");
    live_apply(live, &target, 1);
    live_wait_value(live, series("up", "", ""), 1);
    stop_server();
    live_wait_value(live, series("up", "", ""), 0);
    live_wait_stale(live, series("pg_settings_max_connections", "", ""));
    start_server();
    live_wait_value(live, series("up", "", ""), 1);
    live_wait_value(live, series("pg_settings_max_connections", "", ""), 20);
}

static void a_server_that_accepts_and_is_silent_is_down(void **state)
{
    struct live *live = *state;
    char url[128], name[128];
    int port;
    int fd = listen_free(&port);
    snprintf(url, sizeof(url), "postgresql://u:p@127.0.0.1:%d/x", port);
    const struct config_target target = {.kind = STR("postgres"),
                                         .name = STR("main"),
                                         .url = str_of(url),
                                         .job = STR("pg"),
                                         .interval_ms = 200,
                                         .timeout_ms = 100};
    live_apply(live, &target, 1);
    snprintf(name, sizeof(name), "pg_up{instance=\"127.0.0.1:%d\", job=\"pg\"}", port);
    live_wait_value(live, name, 0);
    live_wait_more(live, name, 3);
    close(fd);
}

int main(void)
{
#define LIVE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        LIVE(families_are_those_of_postgres_exporter),
        LIVE(values_and_zeros_are_there),
        LIVE(a_role_without_grants_works),
        LIVE(a_query_that_fails_costs_only_its_figures),
        LIVE(a_wrong_password_is_named_and_not_shown),
        LIVE(a_server_that_ends_is_down_and_comes_back),
        LIVE(a_server_that_accepts_and_is_silent_is_down),
    };
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
