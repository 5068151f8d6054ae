/*
 * Celery's messages: the quick way through the envelope and the full one agree; events keep their limits; what comes
 * out can be merged and printed as valid UTF-8.
 */
#include "src/base/codec.h"
#include "src/base/thread.h"
#include "src/collect/celery/celery_event.h"

static void check_task(const struct task_event *event)
{
    invariant(event->uuid.len >= 1 && event->uuid.len <= CELERY_UUID_MAX);
    invariant(event->hostname.len >= 1 && event->hostname.len <= CELERY_NAME_MAX);
    invariant(event->args.len <= CELERY_TEXT_MAX && event->traceback.len <= CELERY_TRACEBACK_MAX);
    invariant(event->retries >= -1);
    struct task task = {0};
    struct json_writer w;
    auto_buf out;
    buf_init(&out, 16u << 20);
    json_init(&w, &out);
    task_merge(&task, event);
    task_merge(&task, event);
    invariant(task.attempt_count <= TASK_ATTEMPTS_MAX);
    task_to_json(&task, true, &w);
    invariant(!out.failed && utf8_valid(buf_str(&out)));
}

/* The quick way does not look where body_encoding stands: where it is in a wrong place, the full one gives the body as
 * it came. */
static bool same_body(const struct celery_envelope *quick, const struct celery_envelope *full)
{
    auto_buf decoded;
    buf_init(&decoded, CELERY_BODY_MAX);
    return str_eq(buf_str(&quick->body), buf_str(&full->body)) ||
           (base64_decode(buf_str(&full->body), &decoded) && str_eq(buf_str(&quick->body), buf_str(&decoded)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str payload = str_make((const char *)data, size);
    struct celery_envelope quick, full;
    struct celery_inbox inbox;
    size_t bad = 0;
    celery_envelope_init(&quick);
    celery_envelope_init(&full);
    celery_inbox_init(&inbox);
    enum celery_fault a = celery_envelope_read(&quick, payload, false);
    enum celery_fault b = celery_envelope_read(&full, payload, true);
    if (a == CELERY_OK && b == CELERY_OK) {
        invariant(same_body(&quick, &full));
    }
    if (a == CELERY_OK) {
        celery_event_parse(&inbox, buf_str(&quick.body), STR("fuzz"), 1700000000000, &bad);
    } else {
        celery_event_parse(&inbox, payload, STR("fuzz"), 1700000000000, &bad); /* as a body */
    }
    vec_each (const struct task_event *, event, &inbox.tasks) {
        check_task(event);
    }
    vec_each (const struct celery_worker_event *, event, &inbox.workers) {
        invariant(event->hostname.len >= 1 && event->hostname.len <= CELERY_NAME_MAX);
        invariant(event->active >= -1 || event->active < 0);
    }
    celery_inbox_release(&inbox);
    celery_envelope_release(&quick);
    celery_envelope_release(&full);
    return 0;
}
