/* cloche export: samples as OpenMetrics text, of a data directory or of a running cloche. */
#include "src/transfer/export.h"

#include "src/query/query.h"
#include "src/tool/remote.h"
#include "web/api/param.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#define MATCH_MAX  64
#define PIECE_MAX  (2u << 20)
#define TAIL_BYTES 6 /* "# EOF\n" */

struct export_call {
    const char *data, *url, *start, *end, *output;
    const char *match[MATCH_MAX];
    size_t matches;
    char *partial; /* output is written here and renamed at the end */
    FILE *file;
    char tail[TAIL_BYTES]; /* of what was written */
    uint64_t bytes;
};

static bool write_out(void *ctx, struct str bytes)
{
    struct export_call *call = ctx;
    if (bytes.len && fwrite(bytes.p, 1, bytes.len, call->file) != bytes.len) {
        tool_fail(1, "%s: %s", call->output ? call->partial : "standard output", strerror(errno));
        return false;
    }
    size_t n = bytes.len < TAIL_BYTES ? bytes.len : TAIL_BYTES;
    memmove(call->tail, call->tail + n, TAIL_BYTES - n);
    memcpy(call->tail + TAIL_BYTES - n, bytes.p + bytes.len - n, n);
    call->bytes += bytes.len;
    return true;
}

/* -- from a data directory -- */

static int read_times(const struct export_call *call, struct export_options *options)
{
    struct error err = {0};
    options->start_ms = TIME_MIN_MS;
    options->end_ms = TIME_MAX_MS;
    if ((call->start && param_time(str_of(call->start), &options->start_ms, &err)) ||
        (call->end && param_time(str_of(call->end), &options->end_ms, &err))) {
        return tool_fail(2, "%s", err.text);
    }
    return 0;
}

static int read_selectors(const struct export_call *call, struct arena *arena, struct export_options *options)
{
    struct export_selector *selectors = arena_array(arena, struct export_selector, MATCH_MAX);
    options->selectors = selectors;
    for (size_t i = 0; i < call->matches; i++) {
        struct matcher *matchers = NULL;
        struct error err = {0};
        if (query_parse_selector(str_of(call->match[i]), arena, &matchers, &selectors[i].n, &err)) {
            return tool_fail(2, "--match %s: column %d: %s", call->match[i], err.column, err.text);
        }
        selectors[i].matchers = matchers;
        options->n++;
    }
    return 0; /* their regexes end with the process */
}

static int write_pieces(struct export_call *call, struct exporter *exporter)
{
    auto_buf piece;
    buf_init(&piece, PIECE_MAX);
    for (bool done = false; !done;) {
        int rc = exporter_next(exporter, &piece, &done);
        if (rc) {
            return tool_fail(1, "%s: %s", call->data, error_text(rc));
        }
        if (!write_out(call, buf_str(&piece))) {
            return 1;
        }
        buf_clear(&piece);
    }
    return 0;
}

static int export_directory(struct export_call *call)
{
    auto_arena arena;
    arena_init(&arena);
    struct export_options options = {0};
    int status = read_times(call, &options);
    status = status ? status : read_selectors(call, &arena, &options);
    status = status ? status : remote_open_store(call->data, true, &options.store);
    if (status) {
        return status;
    }
    struct exporter *exporter = exporter_new(&options);
    status = write_pieces(call, exporter);
    struct export_totals totals = exporter_totals(exporter);
    if (status == 0 && call->output) {
        fprintf(stderr, "%s: %llu samples of %llu series\n", call->output, (unsigned long long)totals.samples,
                (unsigned long long)totals.series);
    }
    exporter_free(exporter);
    store_close(options.store);
    return status;
}

/* -- from a running one -- */

static int export_remote(struct export_call *call)
{
    struct remote remote;
    remote_init(&remote, call->url);
    auto_buf url;
    buf_init(&url, 1 << 20);
    buf_addf(&url, "%s/api/v1/export", call->url);
    remote_param(&url, "start", call->start);
    remote_param(&url, "end", call->end);
    for (size_t i = 0; i < call->matches; i++) {
        remote_param(&url, "match[]", call->match[i]);
    }
    struct http_fetched answer = {0};
    struct http_fetch fetch = {.method = "GET", .url = buf_str(&url), .take = write_out, .ctx = call};
    int status = remote_ask(&remote, &fetch, &answer);
    if (status == 0 && answer.status != 200) {
        status = remote_refused(&answer, call->url);
    } else if (status == 0 && memcmp(call->tail, "# EOF\n", TAIL_BYTES) != 0) {
        status = tool_fail(1, "the export was cut short: it does not end with # EOF; see cloche's log");
    } else if (status == 0 && call->output) {
        fprintf(stderr, "%s: %.1f MB\n", call->output, (double)call->bytes / 1e6);
    }
    buf_release(&answer.body);
    remote_release(&remote);
    return status;
}

/* -- the output -- */

static int open_output(struct export_call *call)
{
    call->file = stdout;
    if (!call->output) {
        return 0;
    }
    size_t n = strlen(call->output) + sizeof(".partial");
    call->partial = mem_alloc(n);
    (void)snprintf(call->partial, n, "%s.partial", call->output);
    call->file = fopen(call->partial, "w");
    return call->file ? 0 : tool_fail(1, "%s: %s", call->partial, strerror(errno));
}

static int close_output(struct export_call *call, int status)
{
    bool flushed = call->file && fflush(call->file) == 0 && (!call->output || fsync(fileno(call->file)) == 0);
    if (status == 0 && !flushed) {
        status = tool_fail(1, "%s: %s", call->output ? call->partial : "standard output", strerror(errno));
    }
    if (call->output && call->file) {
        (void)fclose(call->file);
        if (status) {
            (void)unlink(call->partial);
        } else if (rename(call->partial, call->output)) {
            status = tool_fail(1, "%s: %s", call->output, strerror(errno));
        }
    }
    mem_free(call->partial);
    return status;
}

static int parse_options(int argc, char **argv, struct export_call *call)
{
    static const struct option options[] = {
        {"data", required_argument, NULL, 'd'},
        {"url", required_argument, NULL, 'u'},
        {"match", required_argument, NULL, 'm'},
        {"start", required_argument, NULL, 's'},
        {"end", required_argument, NULL, 'e'},
        {"output", required_argument, NULL, 'o'},
        {0},
    };
    optind = 1;
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        const char **to = c == 'd'   ? &call->data
                          : c == 'u' ? &call->url
                          : c == 's' ? &call->start
                          : c == 'e' ? &call->end
                          : c == 'o' ? &call->output
                                     : NULL;
        if (to) {
            *to = optarg;
        } else if (c == 'm' && call->matches < MATCH_MAX) {
            call->match[call->matches++] = optarg;
        } else {
            return tool_fail(2, c == 'm' ? "at most 64 --match" : "see cloche --help");
        }
    }
    if (optind != argc || (call->data && call->url)) {
        return tool_fail(2, optind != argc ? "export takes options only; see cloche --help"
                                           : "either --data DIR (cloche is stopped) or --url URL (it runs)");
    }
    call->url = call->url ? call->url : REMOTE_URL;
    return 0;
}

int tool_export(int argc, char **argv)
{
    struct export_call call = {0};
    int status = parse_options(argc, argv, &call);
    if (status) {
        return status;
    }
    signal(SIGPIPE, SIG_IGN);
    status = open_output(&call);
    if (status == 0) {
        status = call.data ? export_directory(&call) : export_remote(&call);
    }
    return close_output(&call, status);
}
