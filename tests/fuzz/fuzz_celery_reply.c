/* Replies of workers: the first byte chooses the method. Texts are UTF-8, lists keep their limits. */
#include "src/base/codec.h"
#include "src/base/thread.h"
#include "src/collect/celery/celery_queues.h"
#include "src/collect/celery/celery_reply.h"

static void check(void *ctx, const struct celery_reply *reply)
{
    size_t *visits = ctx;
    (*visits)++;
    invariant(reply->node.len > 0 && utf8_valid(reply->node) && utf8_valid(reply->pool));
    invariant(reply->queue_count <= CELERY_REPLY_QUEUES_MAX && reply->task_count <= CELERY_REPLY_TASKS_MAX);
    invariant(reply->step_count <= CELERY_STEPS_MAX);
    for (size_t i = 0; i < reply->queue_count; i++) {
        invariant(reply->queues[i].len > 0 && utf8_valid(reply->queues[i]));
    }
    for (size_t i = 0; i < reply->task_count; i++) {
        invariant(reply->tasks[i].uuid.len >= 1 && reply->tasks[i].uuid.len <= 255);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    struct str body = str_make((const char *)data + 1, size - 1);
    size_t visits = 0;
    auto_arena arena;
    arena_init(&arena);
    enum celery_fault fault =
        celery_reply_parse((enum celery_method)(data[0] % CELERY_METHOD_COUNT), body, &arena, check, &visits);
    invariant(fault == CELERY_OK || visits == 0);
    struct str queue = celery_binding_queue(body);
    invariant(queue.len == 0 || str_ends(body, queue));
    return 0;
}
