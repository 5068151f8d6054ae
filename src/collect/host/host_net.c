#include "src/collect/host/host_proc.h"
#include "src/collect/text.h"

#include <unistd.h>

/* ---- /proc/net/dev ---- */

static const enum host_metric dev_columns[] = {
    HOST_NET_RX_BYTES, HOST_NET_RX_PACKETS, HOST_NET_RX_ERRS,       HOST_NET_RX_DROP,
    HOST_NET_RX_FIFO,  HOST_NET_RX_FRAME,   HOST_NET_RX_COMPRESSED, HOST_NET_RX_MULTICAST,
    HOST_NET_TX_BYTES, HOST_NET_TX_PACKETS, HOST_NET_TX_ERRS,       HOST_NET_TX_DROP,
    HOST_NET_TX_FIFO,  HOST_NET_TX_COLLS,   HOST_NET_TX_CARRIER,    HOST_NET_TX_COMPRESSED,
};

/* Two lines of heading, then "  eth0: 664023102 17815 ..."; the heading has no colon. */
void host_net_dev(struct str text, struct batch *batch)
{
    struct str line;
    size_t devices = 0;
    while (host_line(&text, &line) && devices < HOST_LIST_MAX) {
        ptrdiff_t colon = -1;
        for (ptrdiff_t i = (ptrdiff_t)line.len - 1; i >= 0 && colon < 0; i--) {
            colon = line.p[i] == ':' ? i : -1; /* the last: an alias like eth0:1 has one of its own */
        }
        if (colon < 0) {
            continue;
        }
        struct str device = str_trim(str_slice(line, 0, (size_t)colon));
        struct str columns = str_slice(line, (size_t)colon + 1, line.len);
        double v;
        devices++;
        for (size_t i = 0; i < sizeof(dev_columns) / sizeof(dev_columns[0]); i++) {
            if (device.len == 0 || !host_number(host_word(&columns), &v)) {
                break;
            }
            host_add1(batch, dev_columns[i], STR("device"), device, v);
        }
    }
}

/* ---- /proc/net/snmp, netstat, snmp6 ---- */

/* What node_exporter takes by default. A '*' at the end stands for any rest, at the start for any protocol. */
static const struct str netstat_wanted[] = {
    TEXT("*_InErrors"),         TEXT("*_InErrs"),
    TEXT("Ip_Forwarding"),      TEXT("Ip6_InOctets"),
    TEXT("Ip6_OutOctets"),      TEXT("IpExt_InOctets"),
    TEXT("IpExt_OutOctets"),    TEXT("Icmp_InMsgs"),
    TEXT("Icmp_OutMsgs"),       TEXT("Icmp6_InMsgs"),
    TEXT("Icmp6_OutMsgs"),      TEXT("TcpExt_Listen*"),
    TEXT("TcpExt_Syncookies*"), TEXT("TcpExt_TCPSynRetrans"),
    TEXT("TcpExt_TCPTimeouts"), TEXT("TcpExt_TCPOFOQueue"),
    TEXT("TcpExt_TCPRcvQDrop"), TEXT("Tcp_ActiveOpens"),
    TEXT("Tcp_InSegs"),         TEXT("Tcp_OutSegs"),
    TEXT("Tcp_OutRsts"),        TEXT("Tcp_PassiveOpens"),
    TEXT("Tcp_RetransSegs"),    TEXT("Tcp_CurrEstab"),
    TEXT("Udp_InDatagrams"),    TEXT("Udp_OutDatagrams"),
    TEXT("Udp_NoPorts"),        TEXT("Udp_RcvbufErrors"),
    TEXT("Udp_SndbufErrors"),   TEXT("Udp6_InDatagrams"),
    TEXT("Udp6_OutDatagrams"),  TEXT("Udp6_NoPorts"),
    TEXT("Udp6_RcvbufErrors"),  TEXT("Udp6_SndbufErrors"),
};

static bool netstat_match(struct str pattern, struct str name)
{
    if (pattern.p[0] == '*') {
        return str_ends(name, str_slice(pattern, 1, pattern.len));
    }
    if (pattern.p[pattern.len - 1] == '*') {
        return str_starts(name, str_slice(pattern, 0, pattern.len - 1));
    }
    return str_eq(pattern, name);
}

static void add_netstat(struct batch *batch, struct str protocol, struct str field, double v)
{
    char buffer[128];
    int len = snprintf(buffer, sizeof(buffer), STR_FMT "_" STR_FMT, STR_ARG(protocol), STR_ARG(field));
    if (len <= 0 || (size_t)len >= sizeof(buffer)) {
        return;
    }
    struct str name = str_make(buffer, (size_t)len);
    for (size_t i = 0; i < sizeof(netstat_wanted) / sizeof(netstat_wanted[0]); i++) {
        if (netstat_match(netstat_wanted[i], name)) {
            host_add_named(batch, STR("node_netstat_"), name, STR(""), METRIC_UNKNOWN, STR("Field of /proc/net."), v);
            return;
        }
    }
}

/* Pairs of lines: "Tcp: RtoAlgorithm RtoMin ..." and "Tcp: 1 200 ..." */
void host_net_snmp(struct str text, struct batch *batch)
{
    struct str names, values;
    while (host_line(&text, &names) && host_line(&text, &values)) {
        struct str protocol = host_word(&names);
        if (!str_ends(protocol, STR(":")) || !str_eq(host_word(&values), protocol)) {
            continue;
        }
        protocol.len--;
        for (struct str field; (field = host_word(&names)).len;) {
            double v;
            if (host_number(host_word(&values), &v)) {
                add_netstat(batch, protocol, field, v);
            }
        }
    }
}

/* "Ip6InOctets   128": the protocol ends with its first 6. */
void host_net_snmp6(struct str text, struct batch *batch)
{
    struct str line;
    while (host_line(&text, &line)) {
        struct str name = host_word(&line);
        ptrdiff_t six = str_find_char(name, '6');
        double v;
        if (six > 0 && host_number(host_word(&line), &v)) {
            add_netstat(batch, str_slice(name, 0, (size_t)six + 1), str_slice(name, (size_t)six + 1, name.len), v);
        }
    }
}

/* ---- /proc/net/sockstat ---- */

/* "TCP: inuse 197 orphan 0 tw 402 alloc 197 mem 981"; mem is in pages, shown in bytes too. */
void host_net_sockstat(struct str text, struct batch *batch)
{
    static const struct str help = TEXT("Field of /proc/net/sockstat.");
    struct str line;
    while (host_line(&text, &line)) {
        struct str protocol = host_word(&line);
        if (!str_ends(protocol, STR(":")) || protocol.len > 32) {
            continue;
        }
        protocol.len--;
        for (struct str field; (field = host_word(&line)).len;) {
            char name[80];
            double v;
            int len = snprintf(name, sizeof(name), STR_FMT "_" STR_FMT, STR_ARG(protocol), STR_ARG(field));
            if (!host_number(host_word(&line), &v) || len <= 0 || (size_t)len >= sizeof(name)) {
                continue;
            }
            struct str middle = str_make(name, (size_t)len);
            host_add_named(batch, STR("node_sockstat_"), middle, STR(""), METRIC_GAUGE, help, v);
            if (str_is(field, "mem")) {
                host_add_named(batch, STR("node_sockstat_"), middle, STR("_bytes"), METRIC_GAUGE, help,
                               v * (double)sysconf(_SC_PAGESIZE));
            }
        }
    }
}

/* ---- /proc/net/arp ---- */

/* A line of heading, then lines whose last word is the device. */
void host_net_arp(struct str text, struct batch *batch)
{
    struct {
        struct str device;
        double count;
    } devices[64];
    size_t n = 0;
    struct str line;
    host_line(&text, &line);
    while (host_line(&text, &line)) {
        struct str device = {0};
        for (struct str word; (word = host_word(&line)).len;) {
            device = word;
        }
        size_t i = 0;
        while (i < n && !str_eq(devices[i].device, device)) {
            i++;
        }
        if (device.len == 0 || i == sizeof(devices) / sizeof(devices[0])) {
            continue;
        }
        if (i == n) {
            devices[n].device = device;
            devices[n++].count = 0;
        }
        devices[i].count++;
    }
    for (size_t i = 0; i < n; i++) {
        host_add1(batch, HOST_ARP_ENTRIES, STR("device"), devices[i].device, devices[i].count);
    }
}
