#include "web/server/connection.h"

#include "src/base/clock.h"
#include "src/base/thread.h"

#include <arpa/inet.h>
#include <civetweb.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define WATCH_MS        250
#define END_ALL_MS      20
#define LINGER_MS       1000
#define LINGER_BYTES    (1u << 20)
#define DESCRIPTORS_MAX 65536

struct connection {
    struct connection_table *table;
    struct connection *next, **from;
    int fd;
    enum connection_step step;
    int64_t deadline_mono_ms;
    bool expired;
};

struct connection_table {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    pthread_t watchdog;
    struct connection *first;
    size_t count;
    int highest_fd;                 /* where the last ones were: the search begins there */
    struct sockaddr_in end_address; /* with a port: end all, and connect there */
    bool stopping;
};

/* fd is the server's end of the connection with that peer. */
static bool is_ours(int fd, const struct in_addr *peer, const struct mg_request_info *info)
{
    struct sockaddr_in address;
    socklen_t len = sizeof(address);
    if (getpeername(fd, (struct sockaddr *)&address, &len) || address.sin_family != AF_INET ||
        ntohs(address.sin_port) != info->remote_port || address.sin_addr.s_addr != peer->s_addr) {
        return false;
    }
    len = sizeof(address);
    return getsockname(fd, (struct sockaddr *)&address, &len) == 0 && ntohs(address.sin_port) == info->server_port;
}

/* civetweb keeps its descriptors to itself; address and port of both ends name one socket of the process. */
static int find_descriptor(struct connection_table *table, const struct mg_request_info *info)
{
    struct in_addr peer;
    if (inet_pton(AF_INET, info->remote_addr, &peer) != 1) {
        return -1;
    }
    int near = table->highest_fd + 64;
    for (int fd = 3; fd < near; fd++) {
        if (is_ours(fd, &peer, info)) {
            return fd;
        }
    }
    struct rlimit limit;
    int max = getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < DESCRIPTORS_MAX ? (int)limit.rlim_cur
                                                                                        : DESCRIPTORS_MAX;
    for (int fd = near; fd < max; fd++) {
        if (is_ours(fd, &peer, info)) {
            return fd;
        }
    }
    return -1;
}

static void end_expired(struct connection_table *table)
{
    int64_t now = clock_mono_ms();
    for (struct connection *c = table->first; c; c = c->next) {
        if (c->step != STEP_IDLE && !c->expired && now >= c->deadline_mono_ms) {
            c->expired = true;
            shutdown(c->fd, c->step == STEP_READ ? SHUT_RD : SHUT_RDWR);
        }
    }
}

static void end_all(struct connection_table *table)
{
    for (struct connection *c = table->first; c; c = c->next) {
        shutdown(c->fd, SHUT_RDWR);
    }
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd >= 0) {
        (void)connect(fd, (struct sockaddr *)&table->end_address, sizeof(table->end_address));
        close(fd);
    }
}

static void wait_ms(struct connection_table *table, int64_t ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += ms * 1000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_cond_timedwait(&table->changed, &table->mutex, &until);
}

static void *watchdog_main(void *arg)
{
    struct connection_table *table = arg;
    thread_set_name("web-watchdog");
    pthread_mutex_lock(&table->mutex);
    while (!table->stopping) {
        if (table->end_address.sin_port) {
            end_all(table);
            wait_ms(table, END_ALL_MS);
        } else if (table->count > 0) {
            end_expired(table);
            wait_ms(table, WATCH_MS);
        } else { /* nobody there: no wake-ups */
            pthread_cond_wait(&table->changed, &table->mutex);
        }
    }
    pthread_mutex_unlock(&table->mutex);
    return NULL;
}

struct connection_table *connection_table_new(void)
{
    struct connection_table *table = mem_zalloc(sizeof(*table));
    pthread_mutex_init(&table->mutex, NULL);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&table->changed, &attr);
    pthread_condattr_destroy(&attr);
    int rc = pthread_create(&table->watchdog, NULL, watchdog_main, table);
    invariant(rc == 0);
    return table;
}

void connection_table_end_all(struct connection_table *table, uint32_t address, int port)
{
    pthread_mutex_lock(&table->mutex);
    table->end_address = (struct sockaddr_in){.sin_family = AF_INET,
                                              .sin_port = htons((uint16_t)port),
                                              .sin_addr = {.s_addr = address ? address : htonl(INADDR_LOOPBACK)}};
    pthread_cond_signal(&table->changed);
    pthread_mutex_unlock(&table->mutex);
}

void connection_table_free(struct connection_table *table)
{
    if (!table) {
        return;
    }
    pthread_mutex_lock(&table->mutex);
    table->stopping = true;
    pthread_cond_signal(&table->changed);
    pthread_mutex_unlock(&table->mutex);
    pthread_join(table->watchdog, NULL);
    invariant(table->count == 0);
    pthread_cond_destroy(&table->changed);
    pthread_mutex_destroy(&table->mutex);
    mem_free(table);
}

size_t connection_count(struct connection_table *table)
{
    pthread_mutex_lock(&table->mutex);
    size_t count = table->count;
    pthread_mutex_unlock(&table->mutex);
    return count;
}

struct connection *connection_of(struct connection_table *table, struct mg_connection *mg,
                                 const struct mg_request_info *info)
{
    struct connection *c = mg_get_user_connection_data(mg);
    if (c) {
        return c;
    }
    pthread_mutex_lock(&table->mutex);
    int fd = find_descriptor(table, info);
    if (fd >= 0) {
        c = mem_zalloc(sizeof(*c));
        *c = (struct connection){.table = table, .fd = fd, .next = table->first, .from = &table->first};
        if (c->next) {
            c->next->from = &c->next;
        }
        table->first = c;
        table->highest_fd = fd > table->highest_fd ? fd : table->highest_fd;
        if (table->count++ == 0) {
            pthread_cond_signal(&table->changed);
        }
    }
    pthread_mutex_unlock(&table->mutex);
    mg_set_user_connection_data(mg, c);
    return c;
}

void connection_closing(struct connection_table *table, const struct mg_connection *mg)
{
    struct connection *c = mg_get_user_connection_data(mg);
    if (!c) {
        return;
    }
    pthread_mutex_lock(&table->mutex);
    *c->from = c->next;
    if (c->next) {
        c->next->from = c->from;
    }
    table->count--;
    pthread_mutex_unlock(&table->mutex);
    mg_set_user_connection_data(mg, NULL);
    mem_free(c);
}

void connection_set_step(struct connection *c, enum connection_step step, int64_t timeout_ms)
{
    pthread_mutex_lock(&c->table->mutex);
    c->step = step;
    c->deadline_mono_ms = clock_mono_ms() + timeout_ms;
    pthread_mutex_unlock(&c->table->mutex);
}

bool connection_expired(struct connection *c)
{
    pthread_mutex_lock(&c->table->mutex);
    bool expired = c->expired;
    pthread_mutex_unlock(&c->table->mutex);
    return expired;
}

bool connection_peer_gone(const struct connection *c)
{
    struct pollfd p = {.fd = c->fd, .events = POLLRDHUP};
    return poll(&p, 1, 0) > 0 && (p.revents & (POLLRDHUP | POLLHUP | POLLERR | POLLNVAL));
}

void connection_linger(struct connection *c)
{
    shutdown(c->fd, SHUT_WR);
    char waste[4096];
    int64_t until = clock_mono_ms() + LINGER_MS;
    for (size_t taken = 0; taken < LINGER_BYTES;) {
        int64_t left = until - clock_mono_ms();
        struct pollfd p = {.fd = c->fd, .events = POLLIN};
        if (left <= 0 || poll(&p, 1, (int)left) <= 0) {
            return;
        }
        ssize_t n = recv(c->fd, waste, sizeof(waste), MSG_DONTWAIT);
        if (n <= 0) {
            return;
        }
        taken += (size_t)n;
    }
}
