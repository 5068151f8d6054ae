/*
 * For the tests of src/loop: turning the loop until something happened, temporary folders, child processes, and small
 * servers that misbehave on purpose.
 */
#pragma once
#include "src/base/clock.h"
#include "src/base/mem.h"
#include "src/loop/loop.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

#define UNUSED_HELPER __attribute__((unused))

/* Turns the loop until *flag is set; false after `limit_ms`, which only a test that fails ever reaches. */
static UNUSED_HELPER void nothing(void *ctx)
{
    (void)ctx;
}

static UNUSED_HELPER bool turn_until(struct loop *loop, const bool *flag, int64_t limit_ms)
{
    loop_assert();
    int64_t end = clock_mono_ms() + limit_ms;
    struct loop_timer *tick = loop_timer_start(loop, 10, 10, nothing, NULL);
    while (!*flag && clock_mono_ms() < end) {
        uv_run(loop_uv(loop), UV_RUN_ONCE);
    }
    loop_timer_stop(tick);
    return *flag;
}

/* Lets callbacks come that should not. */
static UNUSED_HELPER void turn_for(struct loop *loop, int64_t ms)
{
    bool never = false;
    (void)turn_until(loop, &never, ms);
}

static UNUSED_HELPER int bind_loopback(int *port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(addr);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&addr, &len), 0);
    *port = ntohs(addr.sin_port);
    return fd;
}

/* A port that nobody listens on (until the next who asks gets it). */
static UNUSED_HELPER int free_port(void)
{
    int port, fd = bind_loopback(&port);
    close(fd);
    return port;
}

static UNUSED_HELPER void make_temp_dir(char path[64])
{
    snprintf(path, 64, "/tmp/cloche-test-XXXXXX");
    assert_non_null(mkdtemp(path));
    assert_int_equal(chmod(path, 0755), 0); /* servers may run as another user */
}

static UNUSED_HELPER void remove_dir(const char *path)
{
    pid_t pid = fork();
    if (pid == 0) {
        execlp("rm", "rm", "-rf", "--", path, (char *)NULL);
        _exit(127);
    }
    waitpid(pid, NULL, 0);
}

/* Starts a program with its output thrown away; it ends with us. */
static UNUSED_HELPER pid_t spawn(const char *const argv[])
{
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that fails half-way leaves nothing behind */
        FILE *sink = freopen("/dev/null", "w", stdout);
        sink = sink ? freopen("/dev/null", "w", stderr) : NULL;
        execvp(argv[0], (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    return pid;
}

static UNUSED_HELPER int run_program(const char *const argv[])
{
    int status = -1;
    waitpid(spawn(argv), &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static UNUSED_HELPER void end_process(pid_t pid, int signum)
{
    if (pid > 0) {
        kill(pid, signum);
        waitpid(pid, NULL, 0);
    }
}

static UNUSED_HELPER bool can_connect(int port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in addr = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons((uint16_t)port)};
    bool ok = connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0;
    close(fd);
    return ok;
}

static UNUSED_HELPER bool wait_for_port(int port)
{
    for (int i = 0; i < 1000 && !can_connect(port); i++) {
        usleep(10000);
    }
    return can_connect(port);
}

/* A server in a thread: accepts one connection after the other and gives each to `serve`, which returns when it is
 * done with it. */
struct fake_server {
    int fd, port, peer;
    void (*serve)(struct fake_server *server, int fd);
    const void *data;
    size_t len;
    pthread_t thread;
};

static UNUSED_HELPER void *fake_server_run(void *arg)
{
    struct fake_server *server = arg;
    for (;;) {
        int fd = accept4(server->fd, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0) {
            return NULL;
        }
        server->serve(server, fd);
        close(fd);
    }
}

static UNUSED_HELPER void fake_server_start(struct fake_server *server, void (*serve)(struct fake_server *, int))
{
    signal(SIGPIPE, SIG_IGN);
    server->fd = bind_loopback(&server->port);
    server->serve = serve;
    assert_int_equal(listen(server->fd, 16), 0);
    assert_int_equal(pthread_create(&server->thread, NULL, fake_server_run, server), 0);
}

static UNUSED_HELPER void fake_server_stop(struct fake_server *server)
{
    shutdown(server->fd, SHUT_RDWR); /* wakes accept() */
    pthread_join(server->thread, NULL);
    close(server->fd);
}

/* Until the client goes away. */
static UNUSED_HELPER void serve_silence(struct fake_server *server, int fd)
{
    (void)server;
    char bytes[4096];
    while (read(fd, bytes, sizeof(bytes)) > 0) {
    }
}

/* Waits for the first bytes, sends `data`, then is silent. */
static UNUSED_HELPER void serve_data(struct fake_server *server, int fd)
{
    char bytes[4096];
    if (read(fd, bytes, sizeof(bytes)) > 0) {
        for (size_t sent = 0; sent < server->len;) {
            ssize_t n = write(fd, (const char *)server->data + sent, server->len - sent);
            if (n <= 0) {
                return;
            }
            sent += (size_t)n;
        }
        serve_silence(server, fd);
    }
}
