/* /api/ui/events: the feed as a stream of server-sent events. */
#include "src/base/clock.h"
#include "web/api/endpoints.h"
#include "web/api/ui.h"

#define WAIT_MS    1000  /* how soon a closed tab or a stop is noticed */
#define PING_MS    15000 /* a comment line keeps proxies from closing an idle stream */
#define EVENTS_MAX 256
#define BUFFER_MAX (4u << 20)

/* From Last-Event-ID (a browser that reconnects), or after=, else from now. */
static bool read_position(struct http_request *r, const struct api_context *api, uint64_t *after)
{
    struct str text = http_header(r, "Last-Event-ID");
    text = text.len ? text : http_param(r, "after");
    *after = feed_last(api->feed);
    uint64_t asked;
    if (text.len == 0) {
        return true;
    }
    if (!str_to_uint64(text, &asked)) {
        ui_error(r, 400, "after and Last-Event-ID are numbers of events");
        return false;
    }
    /* A greater one is of an earlier run of the server: its numbers began anew. */
    *after = asked <= *after ? asked : 0;
    return true;
}

static bool wanted(struct str types, struct str block)
{
    ptrdiff_t at = str_find(block, STR("event: "));
    struct str rest = at < 0 ? block : str_slice(block, (size_t)at + 7, block.len);
    struct str type = str_split(&rest, '\n');
    while (types.len) {
        if (str_eq(str_trim(str_split(&types, ',')), type)) {
            return true;
        }
    }
    return false;
}

/* Blocks end with an empty line; JSON has no line ends. */
static void keep_wanted(struct str types, struct str blocks, struct buf *out)
{
    while (blocks.len) {
        ptrdiff_t end = str_find(blocks, STR("\n\n"));
        size_t len = end < 0 ? blocks.len : (size_t)end + 2;
        struct str block = str_slice(blocks, 0, len);
        if (types.len == 0 || wanted(types, block)) {
            buf_add(out, block);
        }
        blocks = str_slice(blocks, len, blocks.len);
    }
}

void ui_events(struct http_request *r, void *ctx)
{
    const struct api_context *api = ctx;
    struct str types = http_param(r, "types");
    uint64_t after;
    if (!read_position(r, api, &after) || !http_stream_begin(r, "text/event-stream")) {
        return;
    }
    auto_buf events, out;
    buf_init(&events, BUFFER_MAX);
    buf_init(&out, BUFFER_MAX + 1024);
    bool open = http_stream_write(r, STR("retry: 2000\n\n"));
    int64_t last_ms = clock_mono_ms();
    while (open && !feed_closed(api->feed) && !http_client_gone(r)) {
        uint64_t missed = 0;
        buf_clear(&events);
        buf_clear(&out);
        (void)feed_wait(api->feed, &after, WAIT_MS, EVENTS_MAX, &events, &missed);
        if (missed) {
            buf_addf(&out, "event: missed\ndata: {\"count\":%llu}\n\n", (unsigned long long)missed);
        }
        keep_wanted(types, buf_str(&events), &out);
        if (out.len == 0 && clock_mono_ms() - last_ms >= PING_MS) {
            buf_add(&out, STR(": still here\n\n"));
        }
        if (out.len) {
            open = http_stream_write(r, buf_str(&out));
            last_ms = clock_mono_ms();
        }
    }
}
