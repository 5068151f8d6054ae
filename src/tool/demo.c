/* Starts and ends the demo stack. */
#include "src/tool/demo.h"

#include "src/base/buf.h"
#include "src/base/clock.h"
#include "src/base/mem.h"
#include "src/tool/demo_files.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PORT_COUNT = 3, PORT_REDIS = 0, PORT_POSTGRES, PORT_SINK };

struct demo {
    char dir[64];
    char config[96];
    char data[96];
    char sink_url[64];
    int ports[PORT_COUNT];
    pid_t pid;
    bool reported;
};

/* All ports are held open until every one is chosen, so that no two are the same. */
static int choose_ports(int ports[PORT_COUNT], struct error *err)
{
    int fds[PORT_COUNT];
    int rc = 0;
    for (int i = 0; i < PORT_COUNT; i++) {
        struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
        socklen_t len = sizeof(addr);
        fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fds[i] < 0 || bind(fds[i], (struct sockaddr *)(void *)&addr, len) ||
            getsockname(fds[i], (struct sockaddr *)(void *)&addr, &len)) {
            rc = error_set(err, -errno, "no free port on 127.0.0.1: %s", error_text(-errno));
        }
        ports[i] = ntohs(addr.sin_port);
    }
    for (int i = 0; i < PORT_COUNT; i++) {
        if (fds[i] >= 0) {
            close(fds[i]);
        }
    }
    return rc;
}

static int write_file(const char *dir, const char *name, struct str content, struct error *err)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    FILE *f = fopen(path, "we");
    if (!f) {
        return error_set(err, -errno, "%s: %s", path, error_text(-errno));
    }
    size_t n = fwrite(content.p, 1, content.len, f);
    if (fclose(f) || n != content.len) {
        return error_set(err, -EIO, "%s: cannot be written", path);
    }
    return 0;
}

static int write_config(const struct demo *d, struct error *err)
{
    auto_buf text = {0};
    buf_init(&text, 1 << 14);
    buf_addf(
        &text,
        "# Written by cloche serve --demo.\n"
        "scrape_interval: 5s\n"
        "scrape_timeout: 4s\n"
        "evaluation_interval: 5s\n"
        "targets:\n"
        "  celery: {url: 'redis://127.0.0.1:%d/0', workers: ['%s', '%s']}\n"
        "  redis: {url: 'redis://127.0.0.1:%d/0'}\n"
        "  postgres: {url: 'postgresql://postgres@127.0.0.1:%d/shop'}\n"
        "  host: {}\n"
        "receivers:\n"
        "  - name: demo-sink\n"
        "    webhook_configs: [{url: 'http://127.0.0.1:%d/webhook'}]\n"
        "    slack_configs: [{api_url: 'http://127.0.0.1:%d/slack'}]\n"
        "route: {receiver: demo-sink, group_by: [alertname], group_wait: 2s, group_interval: 10s, repeat_interval: "
        "1h}\n",
        d->ports[PORT_REDIS], "web@shop", "batch@shop", d->ports[PORT_REDIS], d->ports[PORT_POSTGRES],
        d->ports[PORT_SINK], d->ports[PORT_SINK]);
    return write_file(d->dir, "cloche.yaml", buf_str(&text), err);
}

static void exec_supervisor(const struct demo *d, pid_t parent)
{
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent) { /* died before the line above */
        _exit(1);
    }
    setpgid(0, 0);
    char text[PORT_COUNT][16];
    for (int i = 0; i < PORT_COUNT; i++) {
        snprintf(text[i], sizeof(text[i]), "%d", d->ports[i]);
    }
    if (chdir(d->dir)) {
        _exit(1);
    }
    int log = open("demo.log", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (log < 0 || null < 0 || dup2(null, 0) < 0 || dup2(log, 1) < 0 || dup2(log, 2) < 0) {
        _exit(1);
    }
    /* Debian's Python has Debian's celery; another python3 may come first in PATH. */
    const char *python = access("/usr/bin/python3", X_OK) == 0 ? "/usr/bin/python3" : "python3";
    execlp(python, python, "demo.py", "--redis-port", text[PORT_REDIS], "--postgres-port", text[PORT_POSTGRES],
           "--sink-port", text[PORT_SINK], (char *)NULL);
    _exit(127);
}

static int spawn(struct demo *d, struct error *err)
{
    pid_t parent = getpid();
    d->pid = fork();
    if (d->pid < 0) {
        return error_set(err, -errno, "cannot start the demo: %s", error_text(-errno));
    }
    if (d->pid == 0) {
        exec_supervisor(d, parent);
    }
    return 0;
}

int demo_start(struct demo **out, struct error *err)
{
    struct demo *d = mem_zalloc(sizeof(*d));
    snprintf(d->dir, sizeof(d->dir), "/tmp/cloche-demo-XXXXXX");
    if (!mkdtemp(d->dir)) {
        int rc = error_set(err, -errno, "no temporary folder under /tmp: %s", error_text(-errno));
        mem_free(d);
        return rc;
    }
    chmod(d->dir, 0711); /* the private PostgreSQL runs as another user when we are root */
    snprintf(d->config, sizeof(d->config), "%s/cloche.yaml", d->dir);
    snprintf(d->data, sizeof(d->data), "%s/data", d->dir);
    int rc = choose_ports(d->ports, err);
    snprintf(d->sink_url, sizeof(d->sink_url), "http://127.0.0.1:%d/", d->ports[PORT_SINK]);
    for (size_t i = 0; i < demo_file_count && !rc; i++) {
        const struct demo_file *f = &demo_files[i];
        rc = write_file(d->dir, f->name, str_make(f->begin, (size_t)(f->end - f->begin)), err);
    }
    rc = rc ? rc : write_config(d, err);
    rc = rc ? rc : spawn(d, err);
    if (rc) {
        demo_stop(d);
        return rc;
    }
    *out = d;
    return 0;
}

const char *demo_config_file(const struct demo *demo)
{
    return demo->config;
}

const char *demo_data_dir(const struct demo *demo)
{
    return demo->data;
}

const char *demo_sink_url(const struct demo *demo)
{
    return demo->sink_url;
}

static void read_log_tail(const struct demo *d, struct error *reason)
{
    char path[96];
    snprintf(path, sizeof(path), "%s/demo.log", d->dir);
    char tail[160] = "";
    FILE *f = fopen(path, "re");
    if (f) {
        if (fseek(f, -(long)(sizeof(tail) - 1), SEEK_END)) {
            rewind(f);
        }
        tail[fread(tail, 1, sizeof(tail) - 1, f)] = '\0';
        fclose(f);
    }
    error_set(reason, ERR_CLOSED, "the demo stack has ended: %s", tail);
}

bool demo_has_died(struct demo *demo, struct error *reason)
{
    if (!demo || demo->reported || demo->pid <= 0 || waitpid(demo->pid, NULL, WNOHANG) != demo->pid) {
        return false;
    }
    demo->reported = true;
    demo->pid = 0;
    read_log_tail(demo, reason);
    return true;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    (void)remove(path); /* go on with what can be removed */
    return 0;
}

/* The supervisor ends its children on SIGTERM; what has not ended in a second is killed with its group. */
static void end_supervisor(struct demo *d)
{
    if (d->pid <= 0) {
        return;
    }
    kill(d->pid, SIGTERM);
    int64_t deadline = clock_mono_ms() + 1000;
    while (clock_mono_ms() < deadline) {
        if (waitpid(d->pid, NULL, WNOHANG) != 0) {
            d->pid = 0;
            return;
        }
        usleep(10000);
    }
    kill(-d->pid, SIGKILL);
    waitpid(d->pid, NULL, 0);
    d->pid = 0;
}

void demo_stop(struct demo *demo)
{
    if (!demo) {
        return;
    }
    end_supervisor(demo);
    /* What initdb had started may write for a moment after its end. */
    for (int i = 0; i < 50 && access(demo->dir, F_OK) == 0; i++) {
        nftw(demo->dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
        usleep(i ? 10000 : 0);
    }
    mem_free(demo);
}
