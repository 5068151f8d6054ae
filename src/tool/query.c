/* cloche query: options, and the way from a call to its answer. */
#include "src/tool/query.h"

#include "src/base/clock.h"
#include "src/tool/query_when.h"
#include "src/tool/remote.h"
#include "src/tool/table.h"
#include "web/api/param.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define WIDTH_DEFAULT 120
#define OUTPUT_MAX    (2u << 30)

int query_refused(const struct query_call *call, struct str text)
{
    auto_buf out;
    buf_init(&out, 1 << 20);
    bool parse = query_print_error(str_of(call->expr), text, &out);
    fprintf(stderr, "cloche: " STR_FMT, STR_ARG(buf_str(&out)));
    return parse ? 2 : 1;
}

/* -- options -- */

struct query_times {
    const char *time, *start, *end, *since, *step;
};

static int read_instant(const struct query_times *times, int64_t now_ms, struct query_call *call)
{
    struct error err = {0};
    call->has_time = times->time != NULL;
    if (call->has_time && when_parse(str_of(times->time), now_ms, &call->time_ms, &err)) {
        return tool_fail(2, "--time: %s", err.text);
    }
    return 0;
}

static int read_start(const struct query_times *times, int64_t now_ms, struct query_view *view)
{
    struct error err = {0};
    int64_t since_ms;
    if (times->start) {
        return when_parse(str_of(times->start), now_ms, &view->start_ms, &err) ? tool_fail(2, "--start: %s", err.text)
                                                                               : 0;
    }
    if (param_duration(str_of(times->since), &since_ms, &err) || since_ms <= 0) {
        return tool_fail(2, "--since: \"%.64s\" is no duration; give 1h, 90m or seconds", times->since);
    }
    view->start_ms = view->end_ms - since_ms;
    return 0;
}

static int read_range(const struct query_times *times, int64_t now_ms, struct query_view *view)
{
    struct error err = {0};
    view->end_ms = now_ms;
    if (times->end && when_parse(str_of(times->end), now_ms, &view->end_ms, &err)) {
        return tool_fail(2, "--end: %s", err.text);
    }
    int status = read_start(times, now_ms, view);
    if (status) {
        return status;
    }
    if (view->end_ms < view->start_ms) {
        return tool_fail(2, "the range ends before it starts");
    }
    view->step_ms = when_step_ms(view->end_ms - view->start_ms);
    if (times->step && (param_duration(str_of(times->step), &view->step_ms, &err) || view->step_ms <= 0)) {
        return tool_fail(2, "--step: \"%.64s\" is no duration above 0; give 15s, 5m or seconds", times->step);
    }
    return 0;
}

static int read_times(const struct query_times *times, struct query_call *call)
{
    int64_t now_ms = clock_wall_ms();
    if (times->time && (times->start || times->end || times->since || times->step)) {
        return tool_fail(2, "--time is for one point in time, --since, --start, --end and --step are for a range");
    }
    if (times->start && times->since) {
        return tool_fail(2, "either --start or --since");
    }
    if (times->start || times->since) {
        return read_range(times, now_ms, &call->view);
    }
    if (times->end || times->step) {
        return tool_fail(2, "a range needs --since or --start");
    }
    return read_instant(times, now_ms, call);
}

static int finish_options(int argc, char **argv, const struct query_times *times, struct query_call *call)
{
    if (optind != argc - 1) {
        return tool_fail(2, "query takes one expression; put it in quotes");
    }
    if (call->url && call->data) {
        return tool_fail(2, "either --data DIR (cloche is stopped) or --url URL (it runs)");
    }
    call->url = call->url ? call->url : REMOTE_URL;
    call->expr = argv[optind];
    return read_times(times, call);
}

static int parse_options(int argc, char **argv, struct query_call *call)
{
    static const struct option options[] = {
        {"url", required_argument, NULL, 'u'},
        {"data", required_argument, NULL, 'd'},
        {"time", required_argument, NULL, 't'},
        {"start", required_argument, NULL, 's'},
        {"end", required_argument, NULL, 'e'},
        {"since", required_argument, NULL, 'l'},
        {"step", required_argument, NULL, 'p'},
        {"format", required_argument, NULL, 'f'},
        {"json", no_argument, NULL, 'j'},
        {"no-header", no_argument, NULL, 'n'},
        {"enable-feature", required_argument, NULL, 'x'},
        {0},
    };
    struct query_times times = {0};
    optind = 1;
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        const char **to = c == 'u'   ? &call->url
                          : c == 'd' ? &call->data
                          : c == 't' ? &times.time
                          : c == 's' ? &times.start
                          : c == 'e' ? &times.end
                          : c == 'l' ? &times.since
                          : c == 'p' ? &times.step
                                     : NULL;
        if (to) {
            *to = optarg;
        } else if (c == 'j') {
            call->view.format = FORMAT_JSON;
        } else if (c == 'n') {
            call->view.header = false;
        } else if (c == 'x') {
            if (tool_enable_feature(optarg)) {
                return 2;
            }
        } else if (c != 'f') {
            return tool_fail(2, "see cloche --help; an expression that begins with - stands behind --");
        } else if (!query_format_parse(str_of(optarg), &call->view.format)) {
            return tool_fail(2, "--format is table, sparkline, json or csv, not \"%.64s\"", optarg);
        }
    }
    return finish_options(argc, argv, &times, call);
}

/* -- output -- */

static int screen_width(void)
{
    struct winsize size = {0};
    int64_t columns = 0;
    const char *set = getenv("COLUMNS");
    if (set && str_to_int64(str_of(set), &columns) && columns > 0) {
        return columns < VIEW_WIDTH_MAX ? (int)columns : VIEW_WIDTH_MAX;
    }
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
        return size.ws_col < VIEW_WIDTH_MAX ? size.ws_col : VIEW_WIDTH_MAX;
    }
    return WIDTH_DEFAULT;
}

static void tell_notes(const char *kind, const struct str *texts, size_t n)
{
    auto_arena arena;
    arena_init(&arena);
    for (size_t i = 0; i < n; i++) {
        fprintf(stderr, "cloche: %s: " STR_FMT "\n", kind, STR_ARG(text_visible(texts[i], &arena)));
    }
}

/* A reader that has seen enough (head, less) is no failure. */
static int write_output(struct str text)
{
    bool written = fwrite(text.p ? text.p : "", 1, text.len, stdout) == text.len && fflush(stdout) == 0;
    return written || errno == EPIPE ? 0 : tool_fail(1, "standard output: %s", strerror(errno));
}

static int tell(const struct query_call *call, const struct query_result *result)
{
    bool series = result->type == VALUE_VECTOR || result->type == VALUE_MATRIX;
    auto_buf out;
    buf_init(&out, OUTPUT_MAX);
    query_print(result, &call->view, &out);
    tell_notes("warning", result->warnings, result->warning_count);
    tell_notes("info", result->infos, result->info_count);
    if (out.failed) {
        return tool_fail(1, "the answer is larger than 2 GiB; narrow the query or take a longer --step");
    }
    if (series && result->n == 0) {
        fputs("cloche: no data\n", stderr);
    }
    return write_output(buf_str(&out));
}

int tool_query(int argc, char **argv)
{
    struct query_call call = {.view = {.header = true, .width = screen_width()}};
    int status = parse_options(argc, argv, &call);
    if (status) {
        return status;
    }
    signal(SIGPIPE, SIG_IGN);
    auto_arena arena;
    arena_init(&arena);
    struct query_result result = {0};
    status = call.data ? query_local(&call, &arena, &result) : query_remote(&call, &arena, &result);
    return status ? status : tell(&call, &result);
}
