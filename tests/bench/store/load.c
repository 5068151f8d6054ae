/*
 * A load of remote-write requests, made beforehand and sent as fast as they are taken, or at a rate.
 *
 *   bench_load encode FILE SERIES STEPS INTERVAL_MS END_MS
 *   bench_load send FILE PORT PATH [--senders N] [--rate STEPS/S] [--seconds S]
 *
 * encode writes the fleet (fleet.h) as snappy bodies of 1,000 series with one sample each, step by step; the last step
 * is INTERVAL_MS before END_MS. send posts them to 127.0.0.1, each sender over a connection of its own with one request
 * in flight; a body belongs to sender (its place in the step) % N, so each series' samples arrive in their order, and
 * no sender is more than a few steps ahead of the slowest. 429 and 5xx are tried again, other refusals are counted.
 *
 * send ends when all is acknowledged, after S seconds or when the server has gone, and prints one JSON object:
 * samples acknowledged, seconds, refused and retried requests, latency of requests (p50, p99, max), its own CPU, and
 * "acked": for each place in the step how many steps were acknowledged, which is what a server that was killed must
 * still have.
 *
 * The file: struct load_head, then per body its length (u32) and its bytes.
 */
#include "src/base/buf.h"
#include "src/model/sample.h"
#include "tests/bench/store/bench.h"
#include "tests/bench/store/fleet.h"
#include "tests/support/protobuf.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <snappy-c.h>
#include <stdatomic.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define BODY_HOSTS  10 /* 1,000 series */
#define SENDERS_MAX 64
#define AHEAD_MAX   4 /* steps */

struct load_head {
    char magic[8];
    uint64_t hosts, steps, bodies; /* bodies of one step */
};
#define LOAD_MAGIC "cload 1"

/* -- encode -- */

struct encoder {
    FILE *file;
    struct fleet_host *hosts;
    struct buf *labels; /* label fields of each series */
    struct buf message, series, packed;
};

static void put(FILE *file, const void *p, size_t n)
{
    if (fwrite(p, 1, n, file) != n) {
        bench_fail("cannot write: %s", strerror(errno));
    }
}

static void encode_body(struct encoder *e, size_t from, size_t to, int64_t step_ms, int64_t interval_ms)
{
    buf_clear(&e->message);
    for (size_t h = from; h < to; h++) {
        int64_t t_ms = fleet_time(&e->hosts[h], step_ms, interval_ms);
        for (size_t i = 0; i < FLEET_SERIES; i++) {
            buf_clear(&e->series);
            buf_add(&e->series, buf_str(&e->labels[h * FLEET_SERIES + i]));
            pb_sample(&e->series, t_ms, e->hosts[h].v[i]);
            pb_bytes(&e->message, 1, buf_str(&e->series));
        }
    }
    size_t size = snappy_max_compressed_length(e->message.len);
    buf_clear(&e->packed);
    char *to_bytes = buf_reserve(&e->packed, size);
    if (!to_bytes || snappy_compress(e->message.p, e->message.len, to_bytes, &size) != SNAPPY_OK) {
        bench_fail("snappy refuses a body");
    }
    uint32_t length = (uint32_t)size;
    put(e->file, &length, sizeof(length));
    put(e->file, to_bytes, size);
}

static void encode_labels(struct encoder *e, size_t hosts)
{
    for (size_t h = 0; h < hosts; h++) {
        auto_arena arena;
        arena_init(&arena);
        fleet_host_init(&e->hosts[h], (uint32_t)h);
        for (size_t i = 0; i < FLEET_SERIES; i++) {
            struct labels labels = fleet_labels(&e->hosts[h], i, &arena);
            struct buf *out = &e->labels[h * FLEET_SERIES + i];
            buf_init(out, 4096);
            for (size_t l = 0; l < labels.n; l++) {
                pb_label_of(out, labels.v[l].name, labels.v[l].value);
            }
        }
    }
}

static int encode(const char *path, uint64_t series, uint64_t steps, int64_t interval_ms, int64_t end_ms)
{
    size_t hosts = (series + FLEET_SERIES - 1) / FLEET_SERIES;
    struct load_head head = {LOAD_MAGIC, hosts, steps, (hosts + BODY_HOSTS - 1) / BODY_HOSTS};
    struct encoder e = {.file = fopen(path, "wbe"),
                        .hosts = mem_alloc(hosts * sizeof(*e.hosts)),
                        .labels = mem_alloc(hosts * FLEET_SERIES * sizeof(*e.labels))};
    if (!e.file) {
        bench_fail("cannot write %s: %s", path, strerror(errno));
    }
    buf_init(&e.message, 1 << 24);
    buf_init(&e.series, 1 << 16);
    buf_init(&e.packed, 1 << 25);
    put(e.file, &head, sizeof(head));
    encode_labels(&e, hosts);
    for (uint64_t s = 0; s < steps; s++) {
        int64_t step_ms = end_ms - (int64_t)(steps - s) * interval_ms;
        for (size_t h = 0; h < hosts; h++) {
            fleet_host_step(&e.hosts[h]);
        }
        for (size_t h = 0; h < hosts; h += BODY_HOSTS) {
            encode_body(&e, h, h + BODY_HOSTS < hosts ? h + BODY_HOSTS : hosts, step_ms, interval_ms);
        }
    }
    if (fclose(e.file)) {
        bench_fail("cannot write %s: %s", path, strerror(errno));
    }
    return 0;
}

/* -- send -- */

struct load {
    const char *map, **bodies; /* step by step; each begins with its length */
    struct load_head head;
    uint16_t port;
    const char *path;
    double rate, start, end; /* end 0: none */
    uint64_t senders;
    _Atomic uint64_t at[SENDERS_MAX]; /* step */
    atomic_bool stop;
};

struct sender {
    struct load *load;
    uint64_t number, samples, refused, retried;
    uint64_t *acked; /* by place; shared, each place has one sender */
    float *ms;
    size_t ms_count;
    double last;
    int fd;
    char failure[128];
};

static int dial(uint16_t port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
    struct timeval patience = {.tv_sec = 60};
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    if (connect(fd, (const struct sockaddr *)&to, sizeof(to))) {
        close(fd);
        return -1;
    }
    return fd;
}

static bool send_all(int fd, const char *p, size_t n, int flags)
{
    for (ssize_t sent = 0; n > 0; p += sent, n -= (size_t)sent) {
        sent = send(fd, p, n, MSG_NOSIGNAL | flags);
        if (sent <= 0) {
            return false;
        }
    }
    return true;
}

/* The status, or -1 when the connection broke; *keep: it can be used again. */
static int read_answer(struct sender *s, bool *keep)
{
    char text[8192];
    size_t n = 0;
    char *body = NULL;
    while (!body) {
        ssize_t got = n + 1 < sizeof(text) ? recv(s->fd, text + n, sizeof(text) - 1 - n, 0) : -1;
        if (got <= 0) {
            return -1;
        }
        text[n += (size_t)got] = 0;
        body = strstr(text, "\r\n\r\n");
    }
    *body = 0;
    body += 4;
    int status = n > 12 ? (int)strtol(text + strlen("HTTP/1.1 "), NULL, 10) : 0;
    const char *length = strcasestr(text, "content-length:");
    size_t rest = length ? strtoul(length + strlen("content-length:"), NULL, 10) : 0;
    *keep = (length || status == 204) && !strcasestr(text, "connection: close");
    if (status >= 300) {
        snprintf(s->failure, sizeof(s->failure), "%d %s", status, body);
    }
    size_t have = n - (size_t)(body - text);
    while (*keep && have < rest) {
        ssize_t got = recv(s->fd, text, sizeof(text), 0);
        if (got <= 0) {
            return -1;
        }
        have += (size_t)got;
    }
    return status;
}

static bool is_over(struct load *load)
{
    if (load->end > 0 && bench_now() > load->end) {
        atomic_store(&load->stop, true);
    }
    return atomic_load(&load->stop);
}

static int post(struct sender *s, const char *body, uint32_t length)
{
    char head[512];
    int n = snprintf(head, sizeof(head),
                     "POST %s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nContent-Type: application/x-protobuf\r\n"
                     "Content-Encoding: snappy\r\nX-Prometheus-Remote-Write-Version: 0.1.0\r\n"
                     "User-Agent: bench_load\r\nContent-Length: %u\r\n\r\n",
                     s->load->path, s->load->port, length);
    bool keep = false;
    int status = -1;
    if (send_all(s->fd, head, (size_t)n, MSG_MORE) && send_all(s->fd, body, length, 0)) {
        status = read_answer(s, &keep);
    }
    if (!keep) {
        close(s->fd);
        s->fd = -1;
    }
    return status;
}

/* Until it is acknowledged or refused; false: the end. */
static bool deliver(struct sender *s, const char *body, size_t place)
{
    uint32_t length;
    memcpy(&length, body, sizeof(length));
    double began = bench_now();
    while (!is_over(s->load)) {
        if (s->fd < 0 && (s->fd = dial(s->load->port)) < 0) {
            if (bench_now() - began > 1) {
                snprintf(s->failure, sizeof(s->failure), "the server has gone");
                atomic_store(&s->load->stop, true);
            }
            usleep(10000);
            continue;
        }
        double start = bench_now();
        int status = post(s, body + sizeof(length), length);
        if (status < 0 || status >= 500 || status == 429) {
            s->retried++;
            usleep(20000);
            continue;
        }
        s->last = bench_now();
        s->ms[s->ms_count++] = (float)((s->last - start) * 1000);
        uint64_t hosts = s->load->head.hosts - place * BODY_HOSTS;
        s->samples += status < 300 ? (hosts < BODY_HOSTS ? hosts : BODY_HOSTS) * FLEET_SERIES : 0;
        s->acked[place] += status < 300;
        s->refused += status >= 300;
        return true;
    }
    return false;
}

/* In step with the others, and with the clock if there is a rate. */
static void wait_for_turn(const struct sender *s, uint64_t step)
{
    struct load *load = s->load;
    atomic_store(&load->at[s->number], step);
    for (bool ahead = true; ahead && !is_over(load);) {
        ahead = load->rate > 0 && bench_now() < load->start + (double)step / load->rate;
        for (uint64_t i = 0; i < load->senders; i++) {
            ahead |= step > atomic_load(&load->at[i]) + AHEAD_MAX;
        }
        if (ahead) {
            usleep(200);
        }
    }
}

static void *run_sender(void *ctx)
{
    struct sender *s = ctx;
    const struct load_head *head = &s->load->head;
    bool goes_on = true;
    for (uint64_t step = 0; goes_on && step < head->steps; step++) {
        wait_for_turn(s, step);
        for (uint64_t place = s->number; goes_on && place < head->bodies; place += s->load->senders) {
            goes_on = deliver(s, s->load->bodies[step * head->bodies + place], place);
        }
    }
    atomic_store(&s->load->at[s->number], UINT64_MAX / 2);
    if (s->fd >= 0) {
        close(s->fd);
    }
    return NULL;
}

static void map_file(struct load *load, const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) || (size_t)st.st_size < sizeof(load->head)) {
        bench_fail("cannot read %s", path);
    }
    load->map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (load->map == MAP_FAILED) {
        bench_fail("cannot map %s: %s", path, strerror(errno));
    }
    close(fd);
    memcpy(&load->head, load->map, sizeof(load->head));
    if (memcmp(load->head.magic, LOAD_MAGIC, sizeof(LOAD_MAGIC))) {
        bench_fail("%s is no load: make it with bench_load encode", path);
    }
    size_t count = load->head.steps * load->head.bodies;
    load->bodies = mem_realloc_array(NULL, count, sizeof(*load->bodies));
    const char *p = load->map + sizeof(load->head);
    for (size_t i = 0; i < count; i++) {
        uint32_t length;
        load->bodies[i] = p;
        memcpy(&length, p, sizeof(length));
        p += sizeof(length) + length;
    }
}

static int compare(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static void print_result(const struct load *load, struct sender *senders, const uint64_t *acked)
{
    vec(float) ms = {0};
    uint64_t samples = 0, refused = 0, retried = 0;
    double last = load->start;
    const char *failure = "";
    for (uint64_t i = 0; i < load->senders; i++) {
        for (size_t m = 0; m < senders[i].ms_count; m++) {
            vec_push(&ms, senders[i].ms[m]);
        }
        samples += senders[i].samples;
        refused += senders[i].refused;
        retried += senders[i].retried;
        last = fmax(last, senders[i].last);
        failure = senders[i].failure[0] ? senders[i].failure : failure;
    }
    if (ms.len) {
        qsort(ms.p, ms.len, sizeof(*ms.p), compare);
    } else {
        vec_push(&ms, 0);
    }
    printf("{\"samples\": %llu, \"seconds\": %.4f, \"refused\": %llu, \"retried\": %llu, \"p50_ms\": %.3f, "
           "\"p99_ms\": %.3f, \"max_ms\": %.3f, \"cpu\": %.2f, \"failure\": \"",
           (unsigned long long)samples, last - load->start, (unsigned long long)refused, (unsigned long long)retried,
           (double)ms.p[ms.len / 2], (double)ms.p[ms.len * 99 / 100], (double)ms.p[ms.len - 1], bench_cpu_seconds());
    for (const char *p = failure; *p; p++) {
        putchar(*p < ' ' || *p == '"' || *p == '\\' ? ' ' : *p);
    }
    printf("\", \"acked\": [");
    for (uint64_t i = 0; i < load->head.bodies; i++) {
        printf("%s%llu", i ? ", " : "", (unsigned long long)acked[i]);
    }
    puts("]}");
    vec_release(&ms);
}

static int send_load(struct load *load)
{
    struct sender senders[SENDERS_MAX] = {0};
    pthread_t threads[SENDERS_MAX];
    uint64_t *acked = mem_zalloc(load->head.bodies * sizeof(*acked));
    double seconds = load->end;
    load->start = bench_now();
    load->end = seconds > 0 ? load->start + seconds : 0;
    for (uint64_t i = 0; i < load->senders; i++) {
        size_t most = load->head.steps * (load->head.bodies / load->senders + 1);
        senders[i] =
            (struct sender){.load = load, .number = i, .acked = acked, .ms = mem_alloc(most * sizeof(float)), .fd = -1};
        if (pthread_create(&threads[i], NULL, run_sender, &senders[i])) {
            bench_fail("cannot start a thread");
        }
    }
    for (uint64_t i = 0; i < load->senders; i++) {
        pthread_join(threads[i], NULL);
    }
    print_result(load, senders, acked);
    return 0;
}

static int usage(void)
{
    fputs("usage: bench_load encode FILE SERIES STEPS INTERVAL_MS END_MS\n"
          "       bench_load send FILE PORT PATH [--senders N] [--rate STEPS/S] [--seconds S]\n",
          stderr);
    return 2;
}

int main(int argc, char **argv)
{
    if (argc == 7 && strcmp(argv[1], "encode") == 0) {
        return encode(argv[2], bench_number(argc, argv, 3, 0), bench_number(argc, argv, 4, 0),
                      (int64_t)bench_number(argc, argv, 5, 0), (int64_t)bench_number(argc, argv, 6, 0));
    }
    if (argc < 5 || argc % 2 == 0 || strcmp(argv[1], "send") != 0) {
        return usage();
    }
    struct load load = {.senders = 1, .port = (uint16_t)bench_number(argc, argv, 3, 0), .path = argv[4]};
    for (int i = 5; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--senders") == 0) {
            load.senders = bench_number(argc, argv, i + 1, 1);
        } else if (strcmp(argv[i], "--rate") == 0) {
            load.rate = strtod(argv[i + 1], NULL);
        } else if (strcmp(argv[i], "--seconds") == 0) {
            load.end = strtod(argv[i + 1], NULL);
        } else {
            return usage();
        }
    }
    if (load.senders > SENDERS_MAX) {
        bench_fail("at most %d senders", SENDERS_MAX);
    }
    map_file(&load, argv[2]);
    return send_load(&load);
}
