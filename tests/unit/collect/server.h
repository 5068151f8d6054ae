/* Servers for live tests: programs that are started and ended, and small false ones on a thread. */
#pragma once
#include "tests/unit/collect/live.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/prctl.h>
#include <sys/wait.h>

/* argv[0] is searched in PATH; output goes to /dev/null. The child dies with us. */
static inline pid_t server_spawn(const char *const argv[])
{
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (!freopen("/dev/null", "w", stdout) || !freopen("/dev/null", "w", stderr)) {
            _exit(126);
        }
        execvp(argv[0], (char *const *)(uintptr_t)argv); /* execvp() changes nothing, its type is older than const */
        _exit(127);
    }
    return pid;
}

static inline int server_wait(pid_t pid)
{
    int status = 0;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    return status;
}

static inline void server_kill(pid_t pid)
{
    if (pid > 0) {
        kill(pid, SIGKILL);
        server_wait(pid);
    }
}

static inline bool port_answers(int port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in addr = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    bool ok = connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0;
    close(fd);
    return ok;
}

static inline void wait_for_port(int port)
{
    int64_t end = clock_mono_ms() + LIVE_PATIENCE_MS;
    while (!port_answers(port)) {
        if (clock_mono_ms() > end) {
            fail_msg("nothing listens on port %d", port);
        }
        live_nap();
    }
}

/* A server on a thread that answers each packet with `first` once, then with `then`, and closes if `then` is NULL. */
struct false_server {
    int fd, port;
    const char *first, *then;
    atomic_bool stop;
    atomic_int connections;
    pthread_t thread;
};

static inline void false_talk(struct false_server *server, int fd)
{
    char buffer[4096];
    const char *next = server->first;
    while (!atomic_load(&server->stop)) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        if (poll(&p, 1, 20) == 0) {
            continue;
        }
        if (read(fd, buffer, sizeof(buffer)) <= 0 || !next || send(fd, next, strlen(next), MSG_NOSIGNAL) < 0) {
            return;
        }
        if (next == server->then || !server->then) {
            return;
        }
        next = server->then;
    }
}

static inline void *false_main(void *arg)
{
    struct false_server *server = arg;
    while (!atomic_load(&server->stop)) {
        struct pollfd p = {.fd = server->fd, .events = POLLIN};
        if (poll(&p, 1, 20) <= 0) {
            continue;
        }
        int fd = accept(server->fd, NULL, NULL);
        atomic_fetch_add(&server->connections, 1);
        false_talk(server, fd);
        close(fd);
    }
    return NULL;
}

static inline void false_start(struct false_server *server, const char *first, const char *then)
{
    *server = (struct false_server){.first = first, .then = then};
    server->fd = listen_free(&server->port);
    assert_int_equal(pthread_create(&server->thread, NULL, false_main, server), 0);
}

static inline void false_end(struct false_server *server)
{
    atomic_store(&server->stop, true);
    pthread_join(server->thread, NULL);
    close(server->fd);
}
