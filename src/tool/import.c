/* cloche import: samples from text into a data directory or a running cloche. */
#include "src/transfer/import.h"

#include "src/base/clock.h"
#include "src/tool/remote.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define READ_BYTES     (256u << 10)
#define POST_BYTES     8000000u /* of one request: the server takes 8 MiB */
#define FULL_WAIT_MS   600000   /* a store that is full is waited for */
#define SYNC_WAIT_MS   600000
#define TERMINAL_MS    1000 /* between two lines of progress */
#define NO_TERMINAL_MS 10000

struct import_call {
    const char *data, *url;
    enum text_format format;
    bool skip_bad;
    struct store *store; /* of --data */
    struct remote remote;
};

/* One file on its way. */
struct input {
    struct import_call *call;
    const char *name;
    int fd;
    uint64_t size, read; /* size 0: not known */
    int64_t began_ms, told_ms;
    struct import_totals totals;
    struct importer *importer; /* --data */
    struct buf pending;        /* --url: not posted yet */
    int next_line;
};

/* -- progress -- */

static void tell_progress(struct input *in)
{
    bool terminal = isatty(STDERR_FILENO);
    int64_t now_ms = clock_mono_ms();
    if (now_ms - in->told_ms < (terminal ? TERMINAL_MS : NO_TERMINAL_MS)) {
        return;
    }
    in->told_ms = now_ms;
    double seconds = (double)(now_ms - in->began_ms) / 1000, mb = (double)in->read / 1e6;
    char of[40] = "";
    if (in->size) {
        (void)snprintf(of, sizeof(of), " of %.1f", (double)in->size / 1e6);
    }
    fprintf(stderr, "%s%s: %.1f%s MB, %llu samples, %.0f samples/s, %.1f MB/s%s", terminal ? "\r" : "", in->name, mb,
            of, (unsigned long long)in->totals.samples, (double)in->totals.samples / seconds, mb / seconds,
            terminal ? "\033[K" : "\n");
}

static void tell_summary(const struct input *in, bool complete)
{
    const struct import_totals *t = &in->totals;
    double seconds = (double)(clock_mono_ms() - in->began_ms) / 1000;
    if (isatty(STDERR_FILENO)) {
        fputs("\r\033[K", stderr);
    }
    if (!complete && !t->samples) {
        return;
    }
    fprintf(stderr, "%s: %llu samples", in->name, (unsigned long long)t->samples);
    if (t->series) {
        fprintf(stderr, " of %llu series", (unsigned long long)t->series);
    }
    fprintf(stderr, " in %.1f s (%.0f samples/s)\n", seconds, seconds > 0 ? (double)t->samples / seconds : 0.0);
    if (t->refused) {
        fprintf(stderr, "%s: %llu samples refused, the first because: %s\n", in->name, (unsigned long long)t->refused,
                t->first_refused.text);
    }
    if (t->bad_lines) {
        fprintf(stderr, "%s: %llu bad lines left out, the first: line %d, column %d: %s\n", in->name,
                (unsigned long long)t->bad_lines, t->first_bad.line, t->first_bad.column, t->first_bad.text);
    }
    if (complete && t->format == TEXT_OPENMETRICS && !t->ended) {
        fprintf(stderr, "%s: it does not end with # EOF: it may have been cut short\n", in->name);
    }
}

/* -- into a data directory -- */

static int tell_error(const struct input *in, const struct error *err)
{
    return err->line ? tool_fail(1, "%s:%d:%d: %s", in->name, err->line, err->column, err->text)
                     : tool_fail(1, "%s: %s", in->name, err->text);
}

static int feed_store(struct input *in, struct str text)
{
    struct error err = {0};
    int rc = importer_feed(in->importer, text, &err);
    in->totals = *importer_totals(in->importer);
    return rc ? tell_error(in, &err) : 0;
}

static int finish_store(struct input *in)
{
    struct error err = {0};
    int rc = importer_finish(in->importer, &err);
    in->totals = *importer_totals(in->importer);
    return rc ? tell_error(in, &err) : 0;
}

/* -- into a running one -- */

static void take_first(json_t *json, struct error *first)
{
    const char *text = json_string_value(json_object_get(json, "text"));
    if (text && first->code == 0) {
        error_set_at(first, ERR_LIMIT, (int)json_integer_value(json_object_get(json, "line")),
                     (int)json_integer_value(json_object_get(json, "column")), "%s", text);
    }
}

static uint64_t number(json_t *data, const char *name)
{
    return (uint64_t)json_integer_value(json_object_get(data, name));
}

static int take_answer(struct input *in, const struct http_fetched *answer)
{
    json_t *root = json_loadb(answer->body.p ? answer->body.p : "", answer->body.len, 0, NULL);
    json_t *data = json_object_get(root, "data");
    const char *format = json_string_value(json_object_get(data, "format"));
    struct import_totals *t = &in->totals;
    if (!format) {
        json_decref(root);
        return tool_fail(1, "%s: the answer is not that of a cloche", in->call->url);
    }
    t->samples += number(data, "samples");
    t->refused += number(data, "refused");
    t->bad_lines += number(data, "bad_lines");
    take_first(json_object_get(data, "first_refused"), &t->first_refused);
    take_first(json_object_get(data, "first_bad"), &t->first_bad);
    t->ended = json_is_true(json_object_get(data, "ended"));
    (void)text_format_parse(str_of(format), &t->format);
    json_decref(root);
    return 0;
}

/* The same text again is harmless: a full store is waited for. */
static int post(struct input *in, struct str text)
{
    char number_text[16];
    auto_buf url;
    buf_init(&url, 4096);
    buf_addf(&url, "%s/api/v1/import?summary=1", in->call->url);
    (void)snprintf(number_text, sizeof(number_text), "%d", in->next_line);
    remote_param(&url, "first_line", number_text);
    remote_param(&url, "format", text_format_name(in->totals.format));
    remote_param(&url, "skip_bad", in->call->skip_bad ? "1" : NULL);
    struct http_fetch fetch = {
        .method = "POST", .url = buf_str(&url), .content_type = "text/plain; charset=utf-8", .body = text};
    int64_t give_up_ms = clock_mono_ms() + FULL_WAIT_MS;
    for (;;) {
        struct http_fetched answer = {0};
        int status = remote_ask(&in->call->remote, &fetch, &answer);
        if (status) {
            return status;
        }
        bool again = answer.status == 503 && clock_mono_ms() < give_up_ms;
        if (!again) {
            status = answer.status == 200 ? take_answer(in, &answer) : remote_refused(&answer, in->name);
        }
        int64_t wait_ms = answer.retry_after_ms > 0 && answer.retry_after_ms < 60000 ? answer.retry_after_ms : 1000;
        buf_release(&answer.body);
        if (!again) {
            return status;
        }
        usleep((useconds_t)wait_ms * 1000);
    }
}

/* Up to where whole lines may be posted: a family's # lines stay together with its first sample. */
static size_t cut_of(struct str text)
{
    size_t cut = text.len;
    for (;;) {
        while (cut > 0 && text.p[cut - 1] != '\n') {
            cut--;
        }
        size_t begin = cut ? cut - 1 : 0;
        while (begin > 0 && text.p[begin - 1] != '\n') {
            begin--;
        }
        if (cut == 0 || text.p[begin] != '#') {
            return cut;
        }
        cut = begin;
    }
}

static int post_lines(struct input *in, size_t n)
{
    struct str text = str_slice(buf_str(&in->pending), 0, n);
    int status = n ? post(in, text) : 0;
    for (size_t i = 0; i < n; i++) {
        in->next_line += text.p[i] == '\n' && in->next_line < INT32_MAX;
    }
    buf_drop_front(&in->pending, n);
    return status;
}

static int feed_remote(struct input *in, struct str text)
{
    buf_add(&in->pending, text);
    if (in->pending.len < POST_BYTES) {
        return 0;
    }
    size_t cut = cut_of(str_slice(buf_str(&in->pending), 0, POST_BYTES));
    return cut ? post_lines(in, cut)
               : tool_fail(1, "%s: line %d is longer than 8 MB: is this text?", in->name, in->next_line);
}

/* -- a file -- */

/* The end of a file tells OpenMetrics before its first line is read. */
static bool ends_with_eof(int fd, uint64_t size)
{
    char tail[64];
    off_t at = size > sizeof(tail) ? (off_t)(size - sizeof(tail)) : 0;
    ssize_t n = pread(fd, tail, sizeof(tail), at);
    return n > 0 && str_ends(str_trim(str_make(tail, (size_t)n)), STR("# EOF"));
}

static int read_all(struct input *in)
{
    auto_free char *piece = mem_alloc(READ_BYTES);
    for (;;) {
        ssize_t n = read(in->fd, piece, READ_BYTES);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return tool_fail(1, "%s: %s", in->name, strerror(errno));
        }
        if (n == 0) {
            return in->importer ? finish_store(in) : post_lines(in, in->pending.len);
        }
        in->read += (uint64_t)n;
        struct str text = str_make(piece, (size_t)n);
        int status = in->importer ? feed_store(in, text) : feed_remote(in, text);
        if (status) {
            return status;
        }
        tell_progress(in);
    }
}

static int open_input(struct input *in)
{
    bool standard = strcmp(in->name, "-") == 0;
    in->fd = standard ? STDIN_FILENO : open(in->name, O_RDONLY | O_CLOEXEC);
    struct stat st;
    if (in->fd < 0 || fstat(in->fd, &st)) {
        return tool_fail(1, "%s: %s", in->name, strerror(errno));
    }
    in->size = S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0;
    if (in->totals.format == TEXT_AUTO && in->size && ends_with_eof(in->fd, in->size)) {
        in->totals.format = TEXT_OPENMETRICS;
    }
    in->name = standard ? "standard input" : in->name;
    return 0;
}

static int import_one(struct import_call *call, const char *name)
{
    struct input in = {.call = call, .name = name, .fd = -1, .next_line = 1, .totals.format = call->format};
    in.began_ms = in.told_ms = clock_mono_ms();
    int status = open_input(&in);
    buf_init(&in.pending, POST_BYTES + 2 * READ_BYTES);
    if (status == 0 && call->store) {
        in.importer = importer_new(&(struct import_options){
            .store = call->store, .format = in.totals.format, .skip_bad = call->skip_bad, .wait_ms = FULL_WAIT_MS});
    }
    if (status == 0) {
        status = read_all(&in);
        tell_summary(&in, status == 0);
        status = status || in.totals.refused ? 1 : 0;
    }
    importer_free(in.importer);
    buf_release(&in.pending);
    if (in.fd > STDIN_FILENO) {
        close(in.fd);
    }
    return status;
}

/* Acknowledged by the exit status only what is committed; blocks make the next start quick. */
static int settle(struct import_call *call)
{
    int rc = store_sync(call->store, SYNC_WAIT_MS);
    rc = rc ? rc : store_flush(call->store);
    return rc ? tool_fail(1, "%s: the samples are not committed: %s", call->data, error_text(rc)) : 0;
}

static int parse_options(int argc, char **argv, struct import_call *call)
{
    static const struct option options[] = {
        {"data", required_argument, NULL, 'd'},
        {"url", required_argument, NULL, 'u'},
        {"format", required_argument, NULL, 'f'},
        {"skip-bad", no_argument, NULL, 's'},
        {0},
    };
    optind = 1;
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (c == 'd') {
            call->data = optarg;
        } else if (c == 'u') {
            call->url = optarg;
        } else if (c == 's') {
            call->skip_bad = true;
        } else if (c != 'f') {
            return tool_fail(2, "see cloche --help");
        } else if (!text_format_parse(str_of(optarg), &call->format)) {
            return tool_fail(2, "--format is auto, openmetrics or prometheus");
        }
    }
    if (optind == argc) {
        return tool_fail(2, "import takes files, or - for standard input");
    }
    if (call->data && call->url) {
        return tool_fail(2, "either --data DIR (cloche is stopped) or --url URL (it runs)");
    }
    call->url = call->url ? call->url : REMOTE_URL;
    return 0;
}

int tool_import(int argc, char **argv)
{
    struct import_call call = {0};
    int status = parse_options(argc, argv, &call);
    if (status) {
        return status;
    }
    if (call.data) {
        status = remote_open_store(call.data, false, &call.store);
    } else {
        remote_init(&call.remote, call.url);
    }
    for (int i = optind; status == 0 && i < argc; i++) {
        status = import_one(&call, argv[i]);
    }
    if (call.store) {
        int settled = settle(&call);
        status = status ? status : settled;
    } else if (!call.data) {
        remote_release(&call.remote);
    }
    store_close(call.store);
    return status;
}
