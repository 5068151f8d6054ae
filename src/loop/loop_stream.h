/*
 * A byte stream to a server on the loop: TCP or unix socket, TLS over either. Base of loop_redis.
 *
 * stream_open() resolves the name, tries its addresses in turn, shakes hands, then calls on_open. on_end comes once,
 * with the reason, and nothing after it. After stream_close() nothing comes at all; both close what is open.
 *
 * Threads: loop only. Errors: without the address; the owner puts it before.
 */
#pragma once
#include "src/base/buf.h"
#include "src/loop/loop.h"
#include "src/loop/loop_tls.h"

#define STREAM_READ_BYTES 65536 /* on_data never gets more at once */

struct stream_options {
    struct str host; /* name or literal address; ignored with unix_path */
    int port;
    struct str unix_path;
    const struct tls_context *tls; /* NULL: plain. Must outlive the stream. */
    size_t max_queued_bytes;       /* of writes that the peer does not take */
};

struct stream_callbacks {
    void (*on_open)(void *ctx);
    void (*on_data)(void *ctx, const char *p, size_t n);
    void (*on_end)(void *ctx, const struct error *reason);
};

struct stream;
struct stream *stream_open(struct loop *loop, const struct stream_options *options,
                           const struct stream_callbacks *callbacks, void *ctx) LOOP_ONLY;
/* For a time-out's text: what has not come yet. */
const char *stream_waits_for(const struct stream *stream);
void stream_close(struct stream *stream) LOOP_ONLY; /* NULL is fine */
/* Copied and queued, sent from the loop; false: not open, or the queue is full, and nothing was taken. */
bool stream_write(struct stream *stream, struct str bytes) LOOP_ONLY;
/* What was read already (at most STREAM_READ_BYTES) still arrives. */
void stream_pause(struct stream *stream, bool paused) LOOP_ONLY;
