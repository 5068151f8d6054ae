#include "src/collect/host/host_proc.h"
#include "src/collect/text.h"

/* ---- /proc/diskstats ---- */

static const struct {
    enum host_metric metric;
    double factor;
} disk_columns[] = {
    {HOST_DISK_READS, 1},
    {HOST_DISK_READS_MERGED, 1},
    {HOST_DISK_READ_BYTES, 512}, /* the kernel counts in sectors of 512 bytes, whatever the disk's are */
    {HOST_DISK_READ_TIME, 1e-3},
    {HOST_DISK_WRITES, 1},
    {HOST_DISK_WRITES_MERGED, 1},
    {HOST_DISK_WRITTEN_BYTES, 512},
    {HOST_DISK_WRITE_TIME, 1e-3},
    {HOST_DISK_IO_NOW, 1},
    {HOST_DISK_IO_TIME, 1e-3},
    {HOST_DISK_IO_TIME_WEIGHTED, 1e-3},
    {HOST_DISK_DISCARDS, 1},
    {HOST_DISK_DISCARDS_MERGED, 1},
    {HOST_DISK_DISCARDED_SECTORS, 1},
    {HOST_DISK_DISCARD_TIME, 1e-3},
    {HOST_DISK_FLUSHES, 1},
    {HOST_DISK_FLUSH_TIME, 1e-3},
};

static bool ends_in_digit(struct str s)
{
    return s.len && s.p[s.len - 1] >= '0' && s.p[s.len - 1] <= '9';
}

/* Memory disks, loop devices, and partitions: their disk is counted already. */
static bool disk_ignored(struct str name)
{
    static const struct str numbered[] = {TEXT("ram"), TEXT("zram"), TEXT("loop"), TEXT("fd")};
    static const struct str lettered[] = {TEXT("hd"), TEXT("sd"), TEXT("vd"), TEXT("xvd")};
    if (!ends_in_digit(name)) {
        return false;
    }
    struct str stem = name;
    while (ends_in_digit(stem)) {
        stem.len--;
    }
    for (size_t i = 0; i < 4; i++) {
        if (str_eq(stem, numbered[i])) {
            return true;
        }
        /* sda1, not sdaa1: node_exporter's expression allows one letter, so disks past the 26th show partitions */
        if (stem.len == lettered[i].len + 1 && str_starts(stem, lettered[i])) {
            return true;
        }
    }
    return str_starts(stem, STR("nvme")) && str_ends(stem, STR("p"));
}

void host_diskstats(struct str text, struct batch *batch)
{
    struct str line;
    size_t disks = 0;
    while (host_line(&text, &line) && disks < HOST_LIST_MAX) {
        host_word(&line); /* major, minor */
        host_word(&line);
        struct str device = host_word(&line);
        if (device.len == 0 || disk_ignored(device)) {
            continue;
        }
        disks++;
        double v;
        for (size_t i = 0; i < sizeof(disk_columns) / sizeof(disk_columns[0]); i++) {
            if (!host_number(host_word(&line), &v)) {
                break; /* older kernels have fewer columns */
            }
            double value = disk_columns[i].factor == 1e-3 ? v / 1e3 : v * disk_columns[i].factor;
            host_add1(batch, disk_columns[i].metric, STR("device"), device, value);
        }
    }
}

/* ---- mounts ---- */

static const struct str ignored_types[] = {
    TEXT("autofs"),     TEXT("binfmt_misc"), TEXT("bpf"),       TEXT("cgroup"),   TEXT("cgroup2"),   TEXT("configfs"),
    TEXT("debugfs"),    TEXT("devpts"),      TEXT("devtmpfs"),  TEXT("fusectl"),  TEXT("hugetlbfs"), TEXT("iso9660"),
    TEXT("mqueue"),     TEXT("nsfs"),        TEXT("overlay"),   TEXT("proc"),     TEXT("procfs"),    TEXT("pstore"),
    TEXT("rpc_pipefs"), TEXT("securityfs"),  TEXT("selinuxfs"), TEXT("squashfs"), TEXT("sysfs"),     TEXT("tracefs"),
};
/* These folders and all below. */
static const struct str ignored_points[] = {
    TEXT("/dev"),
    TEXT("/proc"),
    TEXT("/sys"),
    TEXT("/run/credentials"),
    TEXT("/var/lib/docker"),
    TEXT("/var/lib/containers/storage"),
};

static bool is_or_below(struct str path, struct str folder)
{
    return str_starts(path, folder) && (path.len == folder.len || path.p[folder.len] == '/');
}

static bool mount_ignored(const struct host_mount *mount)
{
    for (size_t i = 0; i < sizeof(ignored_types) / sizeof(ignored_types[0]); i++) {
        if (str_eq(mount->fstype, ignored_types[i])) {
            return true;
        }
    }
    for (size_t i = 0; i < sizeof(ignored_points) / sizeof(ignored_points[0]); i++) {
        if (is_or_below(mount->mountpoint, ignored_points[i])) {
            return true;
        }
    }
    return false;
}

/* The kernel writes blanks and backslashes as three octal digits: "\040". */
static struct str decode_octal(struct str s, struct arena *arena)
{
    char *p = arena_alloc(arena, s.len + 1);
    size_t n = 0;
    for (size_t i = 0; i < s.len; i++) {
        unsigned v = 0;
        bool octal = s.p[i] == '\\' && i + 3 < s.len;
        for (size_t k = 1; octal && k <= 3; k++) {
            octal = s.p[i + k] >= '0' && s.p[i + k] <= '7';
            v = v * 8 + (unsigned)(s.p[i + k] - '0');
        }
        if (octal && v < 256) {
            p[n++] = (char)v;
            i += 3;
        } else {
            p[n++] = s.p[i];
        }
    }
    return str_make(p, n);
}

/* A path that does not begin with rootfs stays: /proc/1/mounts of the host names paths as the host sees them. */
static void cut_rootfs(struct str *mountpoint, struct str rootfs)
{
    while (rootfs.len && rootfs.p[rootfs.len - 1] == '/') {
        rootfs.len--;
    }
    if (rootfs.len && is_or_below(*mountpoint, rootfs)) {
        *mountpoint = mountpoint->len == rootfs.len ? STR("/") : str_slice(*mountpoint, rootfs.len, mountpoint->len);
    }
}

static bool has_option(struct str options, struct str wanted)
{
    while (options.len) {
        if (str_eq(str_split(&options, ','), wanted)) {
            return true;
        }
    }
    return false;
}

static bool seen_before(const struct host_mount *mounts, size_t n, const struct host_mount *mount)
{
    for (size_t i = 0; i < n; i++) {
        if (str_eq(mounts[i].device, mount->device) && str_eq(mounts[i].mountpoint, mount->mountpoint) &&
            str_eq(mounts[i].fstype, mount->fstype)) {
            return true;
        }
    }
    return false;
}

size_t host_mounts(struct str text, struct str rootfs, struct arena *arena, struct host_mount *out, size_t max)
{
    size_t n = 0;
    struct str line;
    while (n < max && host_line(&text, &line)) {
        struct host_mount mount = {0};
        mount.device = decode_octal(host_word(&line), arena);
        mount.mountpoint = decode_octal(host_word(&line), arena);
        mount.fstype = host_word(&line);
        mount.readonly = has_option(host_word(&line), STR("ro"));
        if (mount.fstype.len == 0 || mount.mountpoint.len == 0 || mount.mountpoint.p[0] != '/' ||
            memchr(mount.mountpoint.p, 0, mount.mountpoint.len)) {
            continue;
        }
        cut_rootfs(&mount.mountpoint, rootfs);
        if (!mount_ignored(&mount) && !seen_before(out, n, &mount)) {
            out[n++] = mount;
        }
    }
    return n;
}
