/* The host's figures from a recorded /proc and /sys. */
#include "src/collect/host/host_proc.h"
#include "src/collect/host/host_read.h"
#include "tests/unit/collect/families.h"

#include <errno.h>
#include <unistd.h>

struct host {
    struct arena arena;
    struct batch batch;
    struct error err;
    int rc;
};

static int fake_statfs(const char *path, struct host_fs *out)
{
    if (strcmp(path, "/mnt/no such folder") == 0) {
        return -ENOENT;
    }
    *out = (struct host_fs){.size = 1000, .free = 400, .avail = 300, .files = 50, .files_free = 20};
    return 0;
}

static void read_recorded(struct host *h, const char *proc)
{
    *h = (struct host){0};
    char sys[512];
    snprintf(sys, sizeof(sys), "%s/unit/collect/data/sys", TEST_DATA_DIR);
    const struct host_paths paths = {.proc = str_of(proc), .sys = str_of(sys), .rootfs = STR("/")};
    struct host_prober *prober = host_prober_new(fake_statfs);
    arena_init(&h->arena);
    batch_init(&h->batch, &h->arena, STR("host/main"), 1000, (struct labels){0});
    h->rc = host_read(&paths, prober, 5000, &h->batch, &h->err);
    host_prober_free(prober);
}

static void host_release(struct host *h)
{
    batch_release(&h->batch);
    arena_release(&h->arena);
}

static void read_data_folder(struct host *h)
{
    char proc[512];
    snprintf(proc, sizeof(proc), "%s/unit/collect/data/proc", TEST_DATA_DIR);
    read_recorded(h, proc);
    assert_int_equal(h->rc, 0);
}

static void families_are_those_of_node_exporter(void **state)
{
    (void)state;
    struct host h;
    read_data_folder(&h);
    /* left out: the exporter's own figures, and collectors nobody's dashboard here asks for */
    assert_families(&h.batch, "node-default.families", STR("node_"),
                    STR("node_exporter_build_info node_scrape_collector_* node_textfile_scrape_error node_os_* "
                        "node_selinux_enabled node_time_zone_offset_seconds node_time_clocksource_* node_timex_pps_* "
                        "node_udp_queues node_disk_info node_nf_conntrack_stat_* node_network_address_assign_type "
                        "node_network_carrier_down_changes_total node_network_carrier_up_changes_total "
                        "node_network_device_id node_network_dormant node_network_iface_* "
                        "node_network_name_assign_type node_network_net_dev_group"));
    host_release(&h);
}

static void values_are_right(void **state)
{
    (void)state;
    struct host h;
    read_data_folder(&h);
    const struct batch *b = &h.batch;
    assert_series(b, "node_disk_read_bytes_total{device=\"vda\"}", 8615186.0 * 512);
    assert_series(b, "node_disk_io_time_seconds_total{device=\"vda\"}", 25.108);
    assert_series(b, "node_disk_flush_requests_total{device=\"vda\"}", 2598);
    assert_int_equal(count_of_metric(b, "node_disk_io_now"), 1); /* no loop and memory disks */
    assert_series(b, "node_network_receive_bytes_total{device=\"eth0\"}", 327279064);
    assert_series(b, "node_network_transmit_packets_total{device=\"lo\"}", 44671);
    assert_series(b, "node_arp_entries{device=\"eth0\"}", 1);
    assert_series(b, "node_network_up{device=\"eth0\"}", 1);
    assert_series(b, "node_network_speed_bytes{device=\"eth0\"}", 1250000000);
    assert_series(b, "node_network_flags{device=\"eth0\"}", 0x1003);
    assert_series(b, "node_nf_conntrack_entries_limit", 262144);
    host_release(&h);
}

static void file_systems_are_asked_once_each(void **state)
{
    (void)state;
    struct host h;
    read_data_folder(&h);
    const struct batch *b = &h.batch;
    const char *root = "device=\"/dev/vda\", fstype=\"ext4\", mountpoint=\"/\"";
    const char *bad = "device=\"/dev/sdb1\", fstype=\"xfs\", mountpoint=\"/mnt/no such folder\"";
    char series[256];
    snprintf(series, sizeof(series), "node_filesystem_avail_bytes{%s}", root);
    assert_series(b, series, 300);
    snprintf(series, sizeof(series), "node_filesystem_device_error{%s}", root);
    assert_series(b, series, 0);
    snprintf(series, sizeof(series), "node_filesystem_device_error{%s}", bad);
    assert_series(b, series, 1);
    snprintf(series, sizeof(series), "node_filesystem_readonly{%s}", bad);
    assert_series(b, series, 1);
    assert_int_equal(count_of_metric(b, "node_filesystem_device_error"), 2);
    assert_int_equal(count_of_metric(b, "node_filesystem_size_bytes"), 1);
    host_release(&h);
}

static void a_missing_proc_is_named(void **state)
{
    (void)state;
    struct host h;
    read_recorded(&h, "/nonexistent/proc");
    assert_int_equal(h.rc, ERR_NOT_FOUND);
    assert_non_null(strstr(h.err.text, "/nonexistent/proc/stat"));
    host_release(&h);
}

/* ---- single parsers ---- */

static void parse_text(struct host *h, void (*parse)(struct str, struct batch *), struct str text)
{
    *h = (struct host){0};
    arena_init(&h->arena);
    batch_init(&h->batch, &h->arena, STR(""), 0, (struct labels){0});
    parse(text, &h->batch);
}

static void cpu_modes_are_seconds(void **state)
{
    (void)state;
    struct host h;
    double hz = (double)sysconf(_SC_CLK_TCK);
    parse_text(&h, host_stat,
               STR("cpu  1 2 3 4\ncpu0 100 200 300 400 500 600 700 800 900 1000\ncpu1 1 2\nintr 77 1 2\nctxt 5\n"
                   "btime 1795330544\nprocesses 9\nprocs_running 2\nprocs_blocked x\n"));
    assert_series(&h.batch, "node_cpu_seconds_total{cpu=\"0\", mode=\"steal\"}", 800 / hz);
    assert_series(&h.batch, "node_cpu_guest_seconds_total{cpu=\"0\", mode=\"nice\"}", 1000 / hz);
    assert_series(&h.batch, "node_cpu_seconds_total{cpu=\"1\", mode=\"nice\"}", 2 / hz);
    assert_int_equal(count_of_metric(&h.batch, "node_cpu_seconds_total"), 10);
    assert_series(&h.batch, "node_intr_total", 77);
    assert_series(&h.batch, "node_forks_total", 9);
    assert_int_equal(count_of_metric(&h.batch, "node_procs_blocked"), 0);
    host_release(&h);
}

static void meminfo_names_and_units(void **state)
{
    (void)state;
    struct host h;
    parse_text(&h, host_meminfo,
               STR("MemTotal:  10 kB\nActive(anon): 2 kB\nHugePages_Total: 3\nBad\nNoNumber: x kB\n"));
    assert_series(&h.batch, "node_memory_MemTotal_bytes", 10240);
    assert_series(&h.batch, "node_memory_Active_anon_bytes", 2048);
    assert_series(&h.batch, "node_memory_HugePages_Total", 3);
    assert_int_equal(h.batch.samples.len, 3);
    host_release(&h);
}

static void netstat_pairs_names_with_values(void **state)
{
    (void)state;
    struct host h;
    parse_text(&h, host_net_snmp,
               STR("Tcp: RtoMin InSegs CurrEstab\nTcp: 200 7 3\nUdp: InDatagrams\nTcp: 5\nTcpExt: ListenDrops X\n"
                   "TcpExt: 4\n"));
    assert_series(&h.batch, "node_netstat_Tcp_InSegs", 7);
    assert_series(&h.batch, "node_netstat_Tcp_CurrEstab", 3);
    assert_series(&h.batch, "node_netstat_TcpExt_ListenDrops", 4);
    assert_int_equal(h.batch.samples.len, 3);
    host_release(&h);
}

static void sockstat_memory_is_in_pages(void **state)
{
    (void)state;
    struct host h;
    parse_text(&h, host_net_sockstat, STR("sockets: used 225\nTCP: inuse 1 mem 2\n"));
    assert_series(&h.batch, "node_sockstat_sockets_used", 225);
    assert_series(&h.batch, "node_sockstat_TCP_mem", 2);
    assert_series(&h.batch, "node_sockstat_TCP_mem_bytes", 2.0 * (double)sysconf(_SC_PAGESIZE));
    host_release(&h);
}

static void softnet_takes_the_cpu_of_newer_kernels(void **state)
{
    (void)state;
    struct host h;
    parse_text(&h, host_softnet,
               STR("0000001f 00000002 00000003 0 0 0 0 0 0 00000004 00000005 0 00000007\n0000000a 0 0\n"));
    assert_series(&h.batch, "node_softnet_processed_total{cpu=\"7\"}", 31);
    assert_series(&h.batch, "node_softnet_flow_limit_count_total{cpu=\"7\"}", 5);
    assert_series(&h.batch, "node_softnet_processed_total{cpu=\"1\"}", 10);
    host_release(&h);
}

static void pressure_is_in_seconds(void **state)
{
    (void)state;
    struct host h;
    parse_text(&h, host_pressure_io,
               STR("some avg10=0.00 avg60=0.00 avg300=0.00 total=2500000\nfull avg10=0.00 total=1000000\n"));
    assert_series(&h.batch, "node_pressure_io_waiting_seconds_total", 2.5);
    assert_series(&h.batch, "node_pressure_io_stalled_seconds_total", 1);
    host_release(&h);
}

static void partitions_are_left_out(void **state)
{
    (void)state;
    struct host h;
    parse_text(&h, host_diskstats,
               STR("8 0 sda 1\n8 1 sda1 1\n259 0 nvme0n1 1\n259 1 nvme0n1p1 1\n253 0 dm-0 1\n7 0 loop0 1\n1 0 ram0 1\n"
                   "253 1 zram0 1\n179 0 mmcblk0 1\n9 0 md0 1\n"));
    assert_int_equal(count_of_metric(&h.batch, "node_disk_reads_completed_total"), 5);
    assert_series(&h.batch, "node_disk_reads_completed_total{device=\"dm-0\"}", 1);
    assert_series(&h.batch, "node_disk_reads_completed_total{device=\"nvme0n1\"}", 1);
    host_release(&h);
}

static void mount_points_lose_the_root_of_a_container(void **state)
{
    (void)state;
    struct arena arena;
    struct host_mount mounts[8];
    arena_init(&arena);
    size_t n = host_mounts(STR("/dev/a /host ext4 rw 0 0\n/dev/b /host/srv ext4 rw 0 0\n/dev/c /hostile ext4 ro 0 0\n"
                               "/dev/d /host/proc/x ext4 rw 0 0\n"),
                           STR("/host/"), &arena, mounts, 8);
    assert_int_equal(n, 3);
    assert_str_is(mounts[0].mountpoint, "/");
    assert_str_is(mounts[1].mountpoint, "/srv");
    assert_str_is(mounts[2].mountpoint, "/hostile");
    assert_true(mounts[2].readonly);
    assert_int_equal(host_mounts(STR("/dev/a / ext4 rw 0 0\n/dev/b /b ext4 rw 0 0\n"), STR("/"), &arena, mounts, 1), 1);
    arena_release(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(families_are_those_of_node_exporter),
        cmocka_unit_test(values_are_right),
        cmocka_unit_test(file_systems_are_asked_once_each),
        cmocka_unit_test(a_missing_proc_is_named),
        cmocka_unit_test(cpu_modes_are_seconds),
        cmocka_unit_test(meminfo_names_and_units),
        cmocka_unit_test(netstat_pairs_names_with_values),
        cmocka_unit_test(sockstat_memory_is_in_pages),
        cmocka_unit_test(softnet_takes_the_cpu_of_newer_kernels),
        cmocka_unit_test(pressure_is_in_seconds),
        cmocka_unit_test(partitions_are_left_out),
        cmocka_unit_test(mount_points_lose_the_root_of_a_container),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
