#include "src/base/board.h"

#include "src/base/clock.h"
#include "src/base/mem.h"

#include <pthread.h>
#include <stdatomic.h>

struct version {
    struct board_doc doc; /* first: readers hold a pointer to it */
    atomic_size_t refs;   /* the board's own, and one a reader */
    char text[];
};

struct slot {
    struct slot *next;
    char *name;
    struct version *current;
};

struct board {
    pthread_mutex_t lock; /* guards the list and which version is current */
    struct slot *slots;
};

struct board *board_new(void)
{
    struct board *board = mem_zalloc(sizeof(*board));
    pthread_mutex_init(&board->lock, NULL);
    return board;
}

static void version_unref(struct version *version)
{
    if (atomic_fetch_sub_explicit(&version->refs, 1, memory_order_acq_rel) == 1) {
        mem_free(version);
    }
}

void board_free(struct board *board)
{
    if (!board) {
        return;
    }
    while (board->slots) {
        struct slot *slot = board->slots;
        board->slots = slot->next;
        version_unref(slot->current);
        mem_free(slot->name);
        mem_free(slot);
    }
    pthread_mutex_destroy(&board->lock);
    mem_free(board);
}

static struct slot *find_slot(struct board *board, const char *name)
{
    struct slot *slot = board->slots;
    while (slot && strcmp(slot->name, name) != 0) {
        slot = slot->next;
    }
    return slot;
}

static struct version *version_new(struct str json)
{
    struct version *version = mem_alloc(sizeof(*version) + json.len + 1);
    if (json.len) {
        memcpy(version->text, json.p, json.len);
    }
    version->text[json.len] = '\0';
    version->doc = (struct board_doc){str_make(version->text, json.len), 1, clock_wall_ms()};
    atomic_init(&version->refs, 1);
    return version;
}

void board_publish(struct board *board, const char *name, struct str json)
{
    struct version *version = version_new(json), *old = NULL;
    pthread_mutex_lock(&board->lock);
    struct slot *slot = find_slot(board, name);
    if (slot) {
        old = slot->current;
        version->doc.version = old->doc.version + 1;
        slot->current = version;
    } else {
        slot = mem_alloc(sizeof(*slot));
        *slot = (struct slot){.next = board->slots, .name = mem_strdup(name), .current = version};
        board->slots = slot;
    }
    pthread_mutex_unlock(&board->lock);
    if (old) {
        version_unref(old);
    }
}

const struct board_doc *board_read(struct board *board, const char *name)
{
    struct version *version = NULL;
    pthread_mutex_lock(&board->lock);
    struct slot *slot = find_slot(board, name);
    if (slot) {
        version = slot->current;
        atomic_fetch_add_explicit(&version->refs, 1, memory_order_relaxed);
    }
    pthread_mutex_unlock(&board->lock);
    return version ? &version->doc : NULL;
}

void board_unref(const struct board_doc *doc)
{
    if (doc) {
        version_unref((struct version *)(uintptr_t)doc); /* away with the const: only readers see it */
    }
}
