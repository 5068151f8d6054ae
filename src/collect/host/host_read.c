#include "src/collect/host/host_read.h"

#include "src/base/buf.h"
#include "src/base/clock.h"
#include "src/collect/host/host_proc.h"
#include "src/collect/text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/timex.h>
#include <sys/utsname.h>
#include <unistd.h>

#define PROBE_WAIT_MS 500 /* a healthy file system answers in microseconds, a slow network one in tens of ms */

/* 0 or -errno; the text in out. */
static int read_file(const char *path, struct buf *out)
{
    buf_clear(out);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        return -errno;
    }
    int rc = 0;
    for (;;) {
        char *room = buf_reserve(out, 16384);
        if (!room) {
            rc = ERR_LIMIT;
            break;
        }
        ssize_t n = read(fd, room, 16384);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            rc = n < 0 ? -errno : 0;
            break;
        }
        out->len += (size_t)n;
        out->p[out->len] = 0;
    }
    close(fd);
    return rc;
}

static const struct source {
    const char *file;
    void (*parse)(struct str text, struct batch *batch);
} sources[] = {
    {"stat", host_stat},
    {"loadavg", host_loadavg},
    {"meminfo", host_meminfo},
    {"vmstat", host_vmstat},
    {"diskstats", host_diskstats},
    {"schedstat", host_schedstat},
    {"net/dev", host_net_dev},
    {"net/snmp", host_net_snmp},
    {"net/netstat", host_net_snmp},
    {"net/snmp6", host_net_snmp6},
    {"net/sockstat", host_net_sockstat},
    {"net/sockstat6", host_net_sockstat},
    {"net/softnet_stat", host_softnet},
    {"net/arp", host_net_arp},
    {"pressure/cpu", host_pressure_cpu},
    {"pressure/io", host_pressure_io},
    {"pressure/memory", host_pressure_memory},
    {"pressure/irq", host_pressure_irq},
    {"sys/fs/file-nr", host_file_nr},
    {"sys/kernel/random/entropy_avail", host_entropy_available},
    {"sys/kernel/random/poolsize", host_entropy_pool},
    {"sys/net/netfilter/nf_conntrack_count", host_conntrack_entries},
    {"sys/net/netfilter/nf_conntrack_max", host_conntrack_limit},
};

static int read_proc(struct str proc, struct batch *batch, struct error *err)
{
    auto_buf text;
    buf_init(&text, HOST_FILE_MAX);
    for (size_t i = 0; i < sizeof(sources) / sizeof(sources[0]); i++) {
        struct str path = arena_printf(batch->arena, STR_FMT "/%s", STR_ARG(proc), sources[i].file);
        int rc = read_file(arena_cstr(batch->arena, path), &text);
        if (rc == 0) {
            sources[i].parse(buf_str(&text), batch);
        } else if (i == 0) {
            return error_set(err, ERR_NOT_FOUND, "cannot read " STR_FMT ": %s; is proc_path right?", STR_ARG(path),
                             error_text(rc));
        }
    }
    return 0;
}

/* ---- /sys/class/net ---- */

static const struct {
    const char *file;
    enum host_metric metric;
    double factor;
} net_files[] = {
    {"carrier", HOST_NET_CARRIER, 1},
    {"carrier_changes", HOST_NET_CARRIER_CHANGES, 1},
    {"mtu", HOST_NET_MTU, 1},
    {"speed", HOST_NET_SPEED, 1e6 / 8}, /* in Mbit/s */
    {"tx_queue_len", HOST_NET_TX_QUEUE_LENGTH, 1},
    {"type", HOST_NET_PROTOCOL_TYPE, 1},
    {"statistics/rx_nohandler", HOST_NET_RX_NOHANDLER, 1},
};

/* First line of a file of the device, in the batch's arena; empty if it cannot be read. */
static struct str device_text(struct batch *batch, struct str folder, const char *file, struct buf *text)
{
    struct str path = arena_printf(batch->arena, STR_FMT "/%s", STR_ARG(folder), file);
    if (read_file(arena_cstr(batch->arena, path), text) != 0) {
        return STR("");
    }
    struct str rest = buf_str(text);
    return arena_dup(batch->arena, str_trim(str_split(&rest, '\n')));
}

static void read_device(struct batch *batch, struct str folder, struct str device, struct buf *text)
{
    double v;
    for (size_t i = 0; i < sizeof(net_files) / sizeof(net_files[0]); i++) {
        /* a device that is down refuses carrier and speed, or says -1 */
        if (host_number(device_text(batch, folder, net_files[i].file, text), &v) && v >= 0) {
            host_add1(batch, net_files[i].metric, STR("device"), device, v * net_files[i].factor);
        }
    }
    struct str flags = device_text(batch, folder, "flags", text);
    if (str_starts(flags, STR("0x"))) {
        host_add1(batch, HOST_NET_FLAGS, STR("device"), device,
                  (double)strtoul(arena_cstr(batch->arena, flags), NULL, 16));
    }
    struct str state = device_text(batch, folder, "operstate", text);
    host_add1(batch, HOST_NET_UP, STR("device"), device, str_is(state, "up"));
    const struct label labels[] = {
        {STR("device"), device},
        {STR("address"), device_text(batch, folder, "address", text)},
        {STR("broadcast"), device_text(batch, folder, "broadcast", text)},
        {STR("duplex"), device_text(batch, folder, "duplex", text)},
        {STR("ifalias"), device_text(batch, folder, "ifalias", text)},
        {STR("operstate"), state},
    };
    host_add(batch, HOST_NET_INFO, labels, sizeof(labels) / sizeof(labels[0]), 1);
}

static void read_network(struct str sys, struct batch *batch)
{
    auto_buf text;
    buf_init(&text, 65536);
    struct str root = arena_printf(batch->arena, STR_FMT "/class/net", STR_ARG(sys));
    DIR *dir = opendir(arena_cstr(batch->arena, root));
    if (!dir) {
        return;
    }
    size_t devices = 0;
    for (struct dirent *entry; (entry = readdir(dir)) && devices < HOST_LIST_MAX;) {
        if (entry->d_name[0] == '.' || str_is(str_of(entry->d_name), "bonding_masters")) {
            continue; /* bonding_masters is a file among the devices */
        }
        devices++;
        struct str device = arena_dup(batch->arena, str_of(entry->d_name));
        read_device(batch, arena_printf(batch->arena, STR_FMT "/" STR_FMT, STR_ARG(root), STR_ARG(device)), device,
                    &text);
    }
    closedir(dir);
}

/* ---- file systems ---- */

static void add_mount(struct batch *batch, const struct host_mount *mount, const struct host_fs *fs, int rc)
{
    const struct label labels[] = {
        {STR("device"), mount->device}, {STR("fstype"), mount->fstype}, {STR("mountpoint"), mount->mountpoint}};
    host_add(batch, HOST_FS_ERROR, labels, 3, rc != 0);
    host_add(batch, HOST_FS_READONLY, labels, 3, mount->readonly);
    if (rc == 0) {
        host_add(batch, HOST_FS_SIZE, labels, 3, fs->size);
        host_add(batch, HOST_FS_FREE, labels, 3, fs->free);
        host_add(batch, HOST_FS_AVAIL, labels, 3, fs->avail);
        host_add(batch, HOST_FS_FILES, labels, 3, fs->files);
        host_add(batch, HOST_FS_FILES_FREE, labels, 3, fs->files_free);
    }
}

static int read_mount_table(struct str proc, struct arena *arena, struct buf *text)
{
    static const char *const files[] = {"1/mounts", "self/mounts"}; /* the host's; ours if that is not allowed */
    int rc = 0;
    for (size_t i = 0; i < 2; i++) {
        struct str path = arena_printf(arena, STR_FMT "/%s", STR_ARG(proc), files[i]);
        rc = read_file(arena_cstr(arena, path), text);
        if (rc == 0 && text->len) {
            return 0;
        }
    }
    return rc;
}

static void read_mounts(const struct host_paths *paths, struct host_prober *prober, int64_t wait_ms,
                        struct batch *batch)
{
    auto_buf text;
    buf_init(&text, HOST_FILE_MAX);
    if (read_mount_table(paths->proc, batch->arena, &text) != 0) {
        return;
    }
    struct host_mount *mounts = arena_array(batch->arena, struct host_mount, HOST_MOUNTS_MAX);
    size_t n = host_mounts(buf_str(&text), paths->rootfs, batch->arena, mounts, HOST_MOUNTS_MAX);
    struct str root = paths->rootfs;
    while (root.len && root.p[root.len - 1] == '/') {
        root.len--;
    }
    int64_t end_ms = clock_mono_ms() + wait_ms;
    for (size_t i = 0; i < n; i++) {
        struct host_fs fs = {0};
        struct str path = arena_printf(batch->arena, STR_FMT STR_FMT, STR_ARG(root), STR_ARG(mounts[i].mountpoint));
        int64_t left = end_ms - clock_mono_ms();
        int rc = left <= 0 ? ERR_TIMEOUT
                           : host_prober_ask(prober, arena_cstr(batch->arena, path),
                                             left < PROBE_WAIT_MS ? left : PROBE_WAIT_MS, &fs);
        add_mount(batch, &mounts[i], &fs, rc);
    }
}

/* ---- system calls ---- */

static void read_uname(struct batch *batch)
{
    struct utsname u;
    if (uname(&u) != 0) {
        return;
    }
    const struct label labels[] = {
        {STR("domainname"), str_of(u.domainname)}, {STR("machine"), str_of(u.machine)},
        {STR("nodename"), str_of(u.nodename)},     {STR("release"), str_of(u.release)},
        {STR("sysname"), str_of(u.sysname)},       {STR("version"), str_of(u.version)},
    };
    host_add(batch, HOST_UNAME, labels, sizeof(labels) / sizeof(labels[0]), 1);
}

static void read_timex(struct batch *batch)
{
    struct timex t = {.modes = 0};
    int state = adjtimex(&t);
    if (state < 0) {
        return;
    }
    double offset_unit = t.status & STA_NANO ? 1e9 : 1e6;
    host_add(batch, HOST_TIMEX_SYNC, NULL, 0, state != TIME_ERROR);
    host_add(batch, HOST_TIMEX_OFFSET, NULL, 0, (double)t.offset / offset_unit);
    host_add(batch, HOST_TIMEX_FREQUENCY, NULL, 0, 1 + (double)t.freq / 65536.0 / 1e6);
    host_add(batch, HOST_TIMEX_MAX_ERROR, NULL, 0, (double)t.maxerror / 1e6);
    host_add(batch, HOST_TIMEX_ESTIMATED_ERROR, NULL, 0, (double)t.esterror / 1e6);
    host_add(batch, HOST_TIMEX_STATUS, NULL, 0, (double)t.status);
    host_add(batch, HOST_TIMEX_LOOP_CONSTANT, NULL, 0, (double)t.constant);
    host_add(batch, HOST_TIMEX_TICK, NULL, 0, (double)t.tick / 1e6);
    host_add(batch, HOST_TIMEX_TAI, NULL, 0, (double)t.tai);
}

int host_read(const struct host_paths *paths, struct host_prober *prober, int64_t wait_ms, struct batch *batch,
              struct error *err)
{
    int rc = read_proc(paths->proc, batch, err);
    if (rc != 0) {
        return rc;
    }
    read_network(paths->sys, batch);
    read_uname(batch);
    read_timex(batch);
    host_add(batch, HOST_TIME, NULL, 0, (double)clock_wall_ms() / 1e3);
    read_mounts(paths, prober, wait_ms, batch);
    return 0;
}
