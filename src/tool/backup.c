/* cloche backup: a copy of the store as it is, of a data directory or of a running cloche on this machine. */
#include "src/base/clock.h"
#include "src/tool/remote.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#define TELL_MS   1000
#define COPY_STEP (64u << 20)
#define DEPTH_MAX 8

struct backup_call {
    const char *data, *url, *target;
    int64_t told_ms;
};

/* -- of a data directory -- */

static bool tell_progress(void *ctx, uint64_t done_bytes, uint64_t total_bytes)
{
    struct backup_call *call = ctx;
    int64_t now_ms = clock_mono_ms();
    if (isatty(STDERR_FILENO) && now_ms - call->told_ms >= TELL_MS) {
        call->told_ms = now_ms;
        fprintf(stderr, "\r%.1f of %.1f MB\033[K", (double)done_bytes / 1e6, (double)total_bytes / 1e6);
    }
    return true;
}

static int backup_directory(struct backup_call *call)
{
    struct store *store = NULL;
    int status = remote_open_store(call->data, true, &store);
    if (status) {
        return status;
    }
    struct error err = {0};
    int rc = store_backup(store, call->target, tell_progress, call, &err);
    store_close(store);
    if (isatty(STDERR_FILENO)) {
        fputs("\r\033[K", stderr);
    }
    return rc ? tool_fail(1, "%s", err.text) : 0;
}

/* -- of a running one: it makes a snapshot in its data directory, which is moved -- */

static int copy_bytes(int from, int to)
{
    for (;;) {
        ssize_t n = sendfile(to, from, NULL, COPY_STEP);
        if (n <= 0) {
            return n < 0 || fsync(to) ? -errno : 0;
        }
    }
}

static int copy_file(const char *from, const char *to, mode_t mode)
{
    int in = open(from, O_RDONLY | O_CLOEXEC);
    int out = in < 0 ? -1 : open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode & 0777);
    int rc = out < 0 ? -errno : copy_bytes(in, out);
    if (in >= 0) {
        close(in);
    }
    if (out >= 0 && close(out) && rc == 0) {
        rc = -errno;
    }
    return rc;
}

/* Copies, then removes what it copied, folder by folder; a store is two levels deep. */
static int move_tree(const char *from, const char *to, int depth)
{
    if (depth > DEPTH_MAX) {
        return -ELOOP;
    }
    DIR *dir = opendir(from);
    int rc = !dir || mkdir(to, 0700) ? -errno : 0;
    for (struct dirent *entry; rc == 0 && (entry = readdir(dir));) {
        char a[PATH_MAX], b[PATH_MAX];
        struct stat st;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) {
            continue;
        }
        if (snprintf(a, sizeof(a), "%s/%s", from, entry->d_name) >= (int)sizeof(a) ||
            snprintf(b, sizeof(b), "%s/%s", to, entry->d_name) >= (int)sizeof(b)) {
            rc = -ENAMETOOLONG;
        } else if (lstat(a, &st)) {
            rc = -errno;
        } else if (S_ISDIR(st.st_mode)) {
            rc = move_tree(a, b, depth + 1);
        } else if (S_ISREG(st.st_mode)) {
            rc = copy_file(a, b, st.st_mode);
            rc = rc == 0 && unlink(a) ? -errno : rc;
        }
    }
    if (dir) {
        closedir(dir);
    }
    return rc == 0 && rmdir(from) ? -errno : rc;
}

/* The string `name` of the "data" of an answer; NULL: told. mem_free(). */
static char *ask_text(struct remote *remote, const char *method, const char *path, const char *name)
{
    auto_buf url;
    buf_init(&url, 4096);
    buf_addf(&url, "%s%s", remote->url, path);
    struct http_fetched answer = {0};
    struct http_fetch fetch = {.method = method, .url = buf_str(&url), .content_type = "text/plain"};
    char *text = NULL;
    if (remote_ask(remote, &fetch, &answer) == 0) {
        json_t *root = json_loadb(answer.body.p ? answer.body.p : "", answer.body.len, 0, NULL);
        text = mem_strdup(json_string_value(json_object_get(json_object_get(root, "data"), name)));
        if (!text || answer.status != 200) {
            remote_refused(&answer, remote->url);
            mem_free(steal(text));
        }
        json_decref(root);
    }
    buf_release(&answer.body);
    return text;
}

static int move_snapshot(const struct backup_call *call, const char *from)
{
    if (access(from, F_OK)) {
        printf("the snapshot is %s on the machine of %s\n", from, call->url);
        return 0;
    }
    int rc = rename(from, call->target) ? -errno : 0;
    rc = rc == -EXDEV ? move_tree(from, call->target, 0) : rc;
    return rc ? tool_fail(1, "the snapshot %s cannot be moved to %s: %s", from, call->target, error_text(rc)) : 0;
}

static int backup_remote(struct backup_call *call)
{
    struct remote remote;
    remote_init(&remote, call->url);
    char path[PATH_MAX];
    int status = 1;
    auto_free char *dir = ask_text(&remote, "GET", "/api/v1/status/flags", "storage.tsdb.path");
    auto_free char *name = dir ? ask_text(&remote, "POST", "/api/v1/admin/tsdb/snapshot", "name") : NULL;
    if (name && (dir[0] != '/' || strchr(name, '/') || name[0] == '.')) {
        status = tool_fail(1, "%s names no snapshot below an absolute path", call->url);
    } else if (name) {
        status = snprintf(path, sizeof(path), "%s/snapshots/%s", dir, name) < (int)sizeof(path)
                     ? move_snapshot(call, path)
                     : tool_fail(1, "the data directory's name is too long");
    }
    remote_release(&remote);
    return status;
}

static int parse_options(int argc, char **argv, struct backup_call *call)
{
    static const struct option options[] = {
        {"data", required_argument, NULL, 'd'}, {"url", required_argument, NULL, 'u'}, {0}};
    optind = 1;
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (c == 'd') {
            call->data = optarg;
        } else if (c == 'u') {
            call->url = optarg;
        } else {
            return tool_fail(2, "see cloche --help");
        }
    }
    if (optind != argc - 1) {
        return tool_fail(2, "backup takes one folder, which does not exist yet");
    }
    if (call->data && call->url) {
        return tool_fail(2, "either --data DIR (cloche is stopped) or --url URL (it runs)");
    }
    call->url = call->url ? call->url : REMOTE_URL;
    call->target = argv[optind];
    return 0;
}

int tool_backup(int argc, char **argv)
{
    struct backup_call call = {0};
    struct stat st;
    int status = parse_options(argc, argv, &call);
    if (status) {
        return status;
    }
    if (lstat(call.target, &st) == 0) {
        return tool_fail(1, "%s exists: name a folder that does not", call.target);
    }
    return call.data ? backup_directory(&call) : backup_remote(&call);
}
