#include "src/collect/redis/redis_info.h"

#include "src/base/number.h"
#include "src/collect/text.h"

#include <string.h>

enum conversion { CONVERT_NONE, CONVERT_MICROSECONDS, CONVERT_MILLISECONDS, CONVERT_OK };

struct metric {
    struct str field, name, help;
    enum metric_type type;
    enum conversion conversion;
};

static const struct metric metrics[] = {
#define REDIS(field, metric, type, conversion, section)                                                                \
    {TEXT(#field), TEXT(#metric), TEXT("Field " #field " of INFO, section " section "."), METRIC_##type,               \
     CONVERT_##conversion},
#include "src/collect/redis/metrics.def"
#undef REDIS
};
#define METRIC_COUNT (sizeof(metrics) / sizeof(metrics[0]))

/* What one pass over the text needs to remember. */
struct pass {
    struct redis_info *info;
    struct batch *batch;
    size_t known; /* fields found in the table */
    size_t commands, errors, latencies, replicas;
    bool latency_section;
    uint8_t databases_seen[REDIS_DATABASES_MAX / 8];
    struct str version, build_id, mode, os, policy, port, run_id, process_id, role, replid, valkey;
    struct str master_host, master_port, master_link, master_io, master_sync, slave_offset, slave_read_only;
    double uptime; /* -1: not given */
};

bool redis_info_table_sorted(void)
{
    for (size_t i = 1; i < METRIC_COUNT; i++) {
        if (str_cmp(metrics[i - 1].field, metrics[i].field) > 0) {
            return false;
        }
    }
    return true;
}

static size_t first_metric_of(struct str field)
{
    size_t low = 0, high = METRIC_COUNT;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (str_cmp(metrics[middle].field, field) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static bool convert(enum conversion conversion, struct str text, double *out)
{
    if (conversion == CONVERT_OK) {
        bool ok = str_is(text, "ok");
        if (!ok && !str_is(text, "err") && !str_is(text, "fail")) {
            return false;
        }
        *out = ok;
        return true;
    }
    double v;
    if (!number_parse(text, &v)) {
        return false;
    }
    *out = conversion == CONVERT_MICROSECONDS ? v / 1e6 : conversion == CONVERT_MILLISECONDS ? v / 1e3 : v;
    return true;
}

static bool add_from_table(struct pass *pass, struct str field, struct str text)
{
    size_t i = first_metric_of(field);
    bool found = false;
    for (; i < METRIC_COUNT && str_eq(metrics[i].field, field); i++) {
        double value;
        found = true;
        if (convert(metrics[i].conversion, text, &value)) {
            batch_family(pass->batch, metrics[i].name, metrics[i].type, metrics[i].help);
            batch_add(pass->batch, metrics[i].name, NULL, 0, value);
        }
    }
    pass->known += found;
    return found;
}

/* Value of `key` in "a=1,b=2"; p == NULL if absent. */
static struct str item_of(struct str list, struct str key)
{
    while (list.len) {
        struct str item = str_split(&list, ',');
        if (item.len > key.len && item.p[key.len] == '=' && str_starts(item, key)) {
            return str_slice(item, key.len + 1, item.len);
        }
    }
    return (struct str){0};
}

static bool item_number(struct str list, struct str key, double *out)
{
    struct str text = item_of(list, key);
    return text.p && number_parse(text, out);
}

static void add_one_label(struct batch *batch, struct str metric, enum metric_type type, struct str help,
                          struct str label, struct str value, double v)
{
    const struct label labels[] = {{label, value}};
    batch_family(batch, metric, type, help);
    batch_add(batch, metric, labels, 1, v);
}

static bool list_full(struct pass *pass, size_t *count)
{
    if (*count >= REDIS_INFO_LIST_MAX) {
        pass->info->skipped++;
        return true;
    }
    ++*count;
    return false;
}

/* cmdstat_get:calls=4,usec=2,usec_per_call=0.50,rejected_calls=0,failed_calls=0 */
static void add_command(struct pass *pass, struct str command, struct str list)
{
    double calls, usec, v;
    if (command.len == 0 || list_full(pass, &pass->commands) || !item_number(list, STR("calls"), &calls) ||
        !item_number(list, STR("usec"), &usec)) {
        return;
    }
    struct batch *batch = pass->batch;
    add_one_label(batch, STR("redis_commands_total"), METRIC_COUNTER, STR("Calls, by command."), STR("cmd"), command,
                  calls);
    add_one_label(batch, STR("redis_commands_duration_seconds_total"), METRIC_COUNTER,
                  STR("Time spent in calls, by command."), STR("cmd"), command, usec / 1e6);
    if (item_number(list, STR("rejected_calls"), &v)) {
        add_one_label(batch, STR("redis_commands_rejected_calls_total"), METRIC_COUNTER,
                      STR("Calls refused before they ran, by command."), STR("cmd"), command, v);
    }
    if (item_number(list, STR("failed_calls"), &v)) {
        add_one_label(batch, STR("redis_commands_failed_calls_total"), METRIC_COUNTER,
                      STR("Calls that ended in an error, by command."), STR("cmd"), command, v);
    }
    if (pass->latency_section) {
        const struct label labels[] = {{STR("cmd"), command}};
        batch_add(batch, STR("redis_latency_percentiles_usec_sum"), labels, 1, usec);
        batch_add(batch, STR("redis_latency_percentiles_usec_count"), labels, 1, calls);
    }
}

/* errorstat_WRONGTYPE:count=3 */
static void add_error(struct pass *pass, struct str name, struct str list)
{
    double count;
    if (name.len == 0 || list_full(pass, &pass->errors) || !item_number(list, STR("count"), &count)) {
        return;
    }
    add_one_label(pass->batch, STR("redis_errors_total"), METRIC_COUNTER, STR("Error replies, by kind."), STR("err"),
                  name, count);
}

/* latency_percentiles_usec_get:p50=1.003,p99=2.007,p99.9=2.007 */
static void add_latency(struct pass *pass, struct str command, struct str list)
{
    if (command.len == 0 || list_full(pass, &pass->latencies)) {
        return;
    }
    batch_family(pass->batch, STR("redis_latency_percentiles_usec"), METRIC_SUMMARY,
                 STR("Latency percentiles in microseconds, by command; the quantile label is in percent."));
    while (list.len) {
        struct str item = str_split(&list, ',');
        struct str key = str_split(&item, '=');
        double v;
        if (key.len < 2 || key.p[0] != 'p' || !number_parse(item, &v)) {
            continue;
        }
        const struct label labels[] = {{STR("cmd"), command}, {STR("quantile"), str_slice(key, 1, key.len)}};
        batch_add(pass->batch, STR("redis_latency_percentiles_usec"), labels, 2, v);
    }
}

/* slave0:ip=127.0.0.1,port=7402,state=online,offset=210336,lag=0 */
static void add_replica(struct pass *pass, struct str list)
{
    const struct label labels[] = {{STR("slave_ip"), item_of(list, STR("ip"))},
                                   {STR("slave_port"), item_of(list, STR("port"))},
                                   {STR("slave_state"), item_of(list, STR("state"))}};
    double v;
    if (list_full(pass, &pass->replicas) || labels[0].value.len == 0) {
        return;
    }
    if (item_number(list, STR("offset"), &v)) {
        batch_family(pass->batch, STR("redis_connected_slave_offset_bytes"), METRIC_GAUGE,
                     STR("Replication offset of a replica, as the master sees it."));
        batch_add(pass->batch, STR("redis_connected_slave_offset_bytes"), labels, 3, v);
    }
    if (item_number(list, STR("lag"), &v)) {
        batch_family(pass->batch, STR("redis_connected_slave_lag_seconds"), METRIC_GAUGE,
                     STR("Seconds since a replica last acknowledged."));
        batch_add(pass->batch, STR("redis_connected_slave_lag_seconds"), labels, 3, v);
    }
}

static const struct keyspace_metric {
    struct str item, name, help;
    double divide;
} keyspace_metrics[] = {
    {TEXT("keys"), TEXT("redis_db_keys"), TEXT("Keys, by database."), 1},
    {TEXT("expires"), TEXT("redis_db_keys_expiring"), TEXT("Keys that will expire, by database."), 1},
    {TEXT("avg_ttl"), TEXT("redis_db_avg_ttl_seconds"), TEXT("Average time to live, by database."), 1e3},
    {TEXT("cached_keys"), TEXT("redis_db_keys_cached"), TEXT("Cached keys (KeyDB), by database."), 1},
    {TEXT("subexpiry"), TEXT("redis_db_keys_with_expiring_items"),
     TEXT("Keys with items that will expire, by database."), 1},
    {TEXT("keys_with_volatile_items"), TEXT("redis_db_keys_with_expiring_items"),
     TEXT("Keys with items that will expire, by database."), 1},
};

/* db0:keys=11,expires=1,avg_ttl=1680200 */
static void add_database(struct pass *pass, struct str name, struct str list)
{
    int64_t number;
    if (!str_to_int64(str_slice(name, 2, name.len), &number) || number < 0 || number >= REDIS_DATABASES_MAX ||
        pass->databases_seen[number / 8] & 1u << (number % 8)) {
        return;
    }
    pass->databases_seen[number / 8] |= (uint8_t)(1u << (number % 8));
    for (size_t i = 0; i < sizeof(keyspace_metrics) / sizeof(keyspace_metrics[0]); i++) {
        const struct keyspace_metric *m = &keyspace_metrics[i];
        double v;
        if (item_number(list, m->item, &v)) {
            add_one_label(pass->batch, m->name, METRIC_GAUGE, m->help, STR("db"), name, v / m->divide);
        }
    }
}

/* Empty databases are not in INFO; their 0 is, so that "keys by database" does not end when a queue runs dry. */
static void pad_databases(struct pass *pass)
{
    int64_t count = pass->info->databases ? pass->info->databases : pass->info->cluster ? 1 : 16;
    if (count > REDIS_DATABASES_MAX) {
        count = REDIS_DATABASES_MAX;
    }
    for (int64_t i = 0; i < count; i++) {
        if (pass->databases_seen[i / 8] & 1u << (i % 8)) {
            continue;
        }
        char name[16];
        struct str db = str_make(name, (size_t)snprintf(name, sizeof(name), "db%lld", (long long)i));
        add_one_label(pass->batch, STR("redis_db_keys"), METRIC_GAUGE, keyspace_metrics[0].help, STR("db"), db, 0);
        add_one_label(pass->batch, STR("redis_db_keys_expiring"), METRIC_GAUGE, keyspace_metrics[1].help, STR("db"), db,
                      0);
    }
}

/* ---- fields that become labels, or need each other ---- */

struct text_field {
    struct str name;
    size_t offset;
};
#define TEXT_FIELD(name, member)                                                                                       \
    {                                                                                                                  \
        TEXT(name), offsetof(struct pass, member)                                                                      \
    }
static const struct text_field text_fields[] = {
    TEXT_FIELD("redis_version", version),
    TEXT_FIELD("valkey_version", valkey),
    TEXT_FIELD("redis_build_id", build_id),
    TEXT_FIELD("redis_mode", mode),
    TEXT_FIELD("os", os),
    TEXT_FIELD("maxmemory_policy", policy),
    TEXT_FIELD("tcp_port", port),
    TEXT_FIELD("run_id", run_id),
    TEXT_FIELD("process_id", process_id),
    TEXT_FIELD("role", role),
    TEXT_FIELD("master_replid", replid),
    TEXT_FIELD("master_host", master_host),
    TEXT_FIELD("master_port", master_port),
    TEXT_FIELD("master_link_status", master_link),
    TEXT_FIELD("master_last_io_seconds_ago", master_io),
    TEXT_FIELD("master_sync_in_progress", master_sync),
    TEXT_FIELD("slave_repl_offset", slave_offset),
    TEXT_FIELD("slave_read_only", slave_read_only),
};

static void remember_text(struct pass *pass, struct str field, struct str text)
{
    for (size_t i = 0; i < sizeof(text_fields) / sizeof(text_fields[0]); i++) {
        if (str_eq(text_fields[i].name, field)) {
            *(struct str *)(void *)((char *)pass + text_fields[i].offset) = text;
            return;
        }
    }
}

static void add_instance_info(struct pass *pass)
{
    const struct label labels[] = {
        {STR("maxmemory_policy"), pass->policy},
        {STR("os"), pass->os},
        {STR("process_id"), pass->process_id},
        {STR("redis_build_id"), pass->build_id},
        {STR("redis_mode"), pass->mode},
        {STR("redis_version"), pass->version},
        {STR("role"), pass->role},
        {STR("run_id"), pass->run_id},
        {STR("tcp_port"), pass->port},
        {STR("master_replid"), pass->replid},
        {STR("valkey_version"), pass->valkey},
    };
    if (!pass->version.p) {
        return;
    }
    batch_family(pass->batch, STR("redis_instance_info"), METRIC_GAUGE,
                 STR("What the server says of itself; always 1."));
    batch_add(pass->batch, STR("redis_instance_info"), labels, sizeof(labels) / sizeof(labels[0]), 1);
}

static void add_start_time(struct pass *pass)
{
    if (pass->uptime < 0) {
        return;
    }
    double start = (double)pass->info->now_ms / 1e3 - pass->uptime;
    start = (double)(int64_t)start;
    double moved = start - pass->info->start_time;
    if (moved > 2 || moved < -2) {
        pass->info->start_time = start;
    }
    batch_family(pass->batch, STR("redis_start_time_seconds"), METRIC_GAUGE,
                 STR("When the server started, Unix time."));
    batch_add(pass->batch, STR("redis_start_time_seconds"), NULL, 0, pass->info->start_time);
}

static void add_of_replica(struct pass *pass, struct str metric, struct str help, struct str text)
{
    const struct label labels[] = {{STR("master_host"), pass->master_host}, {STR("master_port"), pass->master_port}};
    double v;
    if (number_parse(text, &v)) {
        batch_family(pass->batch, metric, METRIC_GAUGE, help);
        batch_add(pass->batch, metric, labels, 2, v);
    }
}

static void add_replica_side(struct pass *pass)
{
    if (!str_is(pass->role, "slave")) {
        return;
    }
    const struct label labels[] = {{STR("master_host"), pass->master_host},
                                   {STR("master_port"), pass->master_port},
                                   {STR("read_only"), pass->slave_read_only}};
    batch_family(pass->batch, STR("redis_slave_info"), METRIC_GAUGE, STR("Whose replica this server is; always 1."));
    batch_add(pass->batch, STR("redis_slave_info"), labels, 3, 1);
    batch_family(pass->batch, STR("redis_master_link_up"), METRIC_GAUGE, STR("1 if the link to the master is up."));
    batch_add(pass->batch, STR("redis_master_link_up"), labels, 2, str_is(pass->master_link, "up"));
    add_of_replica(pass, STR("redis_master_last_io_seconds_ago"), STR("Seconds since the master was last heard."),
                   pass->master_io);
    add_of_replica(pass, STR("redis_master_sync_in_progress"), STR("1 while a full copy from the master runs."),
                   pass->master_sync);
    add_of_replica(pass, STR("redis_slave_repl_offset"), STR("Replication offset of this replica."),
                   pass->slave_offset);
}

/* ---- the pass ---- */

static struct str after(struct str s, struct str prefix)
{
    return str_slice(s, prefix.len, s.len);
}

static bool is_numbered(struct str s, struct str prefix)
{
    return s.len > prefix.len && str_starts(s, prefix) && s.p[prefix.len] >= '0' && s.p[prefix.len] <= '9';
}

static void take_line(struct pass *pass, struct str field, struct str text)
{
    if (str_starts(field, STR("cmdstat_"))) {
        add_command(pass, after(field, STR("cmdstat_")), text);
    } else if (str_starts(field, STR("errorstat_"))) {
        add_error(pass, after(field, STR("errorstat_")), text);
    } else if (str_starts(field, STR("latency_percentiles_usec_"))) {
        add_latency(pass, after(field, STR("latency_percentiles_usec_")), text);
    } else if (is_numbered(field, STR("slave"))) {
        add_replica(pass, text);
    } else if (is_numbered(field, STR("db"))) {
        add_database(pass, field, text);
    } else {
        add_from_table(pass, field, text);
        remember_text(pass, field, text);
        if (str_is(field, "uptime_in_seconds") && !number_parse(text, &pass->uptime)) {
            pass->uptime = -1;
        }
        pass->info->cluster |= str_is(field, "cluster_enabled") && str_is(text, "1");
    }
}

/* The next "field:value" line of *rest. Comments and empty lines are passed over. */
static bool next_field(struct str *rest, struct str *field, struct str *text)
{
    while (rest->len) {
        struct str line = str_trim(str_split(rest, '\n'));
        ptrdiff_t colon = str_find_char(line, ':');
        if (line.len && line.p[0] != '#' && colon > 0) {
            *field = str_slice(line, 0, (size_t)colon);
            *text = str_slice(line, (size_t)colon + 1, line.len);
            return true;
        }
    }
    return false;
}

int redis_info_parse(struct str text, struct redis_info *info, struct batch *batch, struct error *err)
{
    struct pass pass = {.info = info, .batch = batch, .uptime = -1};
    struct str rest = text, field, value;
    info->skipped = 0;
    info->cluster = false;
    pass.latency_section = str_find(text, STR("\nlatency_percentiles_usec_")) >= 0;
    while (next_field(&rest, &field, &value)) {
        take_line(&pass, field, value);
    }
    if (pass.known == 0) {
        return error_set(err, ERR_PROTOCOL, "the answer to INFO holds no field of a Redis server");
    }
    pad_databases(&pass);
    add_instance_info(&pass);
    add_start_time(&pass);
    add_replica_side(&pass);
    return 0;
}

/* cluster_stats_messages_sent and _received have names of their own; "-" of message kinds becomes "_". */
static struct str cluster_metric(struct str field, struct arena *arena)
{
    if (str_is(field, "cluster_stats_messages_sent")) {
        return STR("redis_cluster_messages_sent_total");
    }
    if (str_is(field, "cluster_stats_messages_received")) {
        return STR("redis_cluster_messages_received_total");
    }
    struct str name = arena_printf(arena, "redis_" STR_FMT, STR_ARG(field));
    char *p = arena_cstr(arena, name);
    for (size_t i = 0; i < name.len; i++) {
        if (p[i] == '-') {
            p[i] = '_';
        }
    }
    return str_make(p, name.len);
}

void redis_cluster_parse(struct str text, struct batch *batch)
{
    struct str field, value;
    for (size_t lines = 0; lines < REDIS_INFO_LIST_MAX && next_field(&text, &field, &value); lines++) {
        double v;
        bool state = str_is(field, "cluster_state");
        if (!str_starts(field, STR("cluster_")) || field.len > 128 || (!state && !number_parse(value, &v))) {
            continue;
        }
        struct str name = cluster_metric(field, batch->arena);
        if (metric_name_legal(name)) {
            batch_family(batch, name, METRIC_GAUGE, STR("Field of CLUSTER INFO."));
            batch_add(batch, name, NULL, 0, state ? str_is(value, "ok") : v);
        }
    }
}
