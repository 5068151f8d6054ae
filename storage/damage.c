#include "storage/damage.h"

#include "src/base/counter.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct damage {
    pthread_mutex_t lock;
    uint64_t count;
    char texts[DAMAGE_TEXTS][DAMAGE_TEXT];
};

struct damage *damage_new(void)
{
    struct damage *damage = mem_zalloc(sizeof(*damage));
    pthread_mutex_init(&damage->lock, NULL);
    return damage;
}

void damage_free(struct damage *damage)
{
    if (damage) {
        pthread_mutex_destroy(&damage->lock);
        mem_free(damage);
    }
}

void damage_note(struct damage *damage, const char *fmt, ...)
{
    char text[DAMAGE_TEXT];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    self_add(SELF_CORRUPTIONS, 1);
    pthread_mutex_lock(&damage->lock);
    uint64_t kept = damage->count < DAMAGE_TEXTS ? damage->count : DAMAGE_TEXTS;
    bool known = false;
    for (uint64_t i = 0; i < kept && !known; i++) {
        known = strcmp(damage->texts[i], text) == 0;
    }
    if (!known) {
        memcpy(damage->texts[damage->count++ % DAMAGE_TEXTS], text, sizeof(text));
    }
    pthread_mutex_unlock(&damage->lock);
}

uint64_t damage_count(struct damage *damage)
{
    pthread_mutex_lock(&damage->lock);
    uint64_t count = damage->count;
    pthread_mutex_unlock(&damage->lock);
    return count;
}

void damage_text(struct damage *damage, uint64_t i, char out[DAMAGE_TEXT])
{
    pthread_mutex_lock(&damage->lock);
    bool kept = i < damage->count && damage->count - i <= DAMAGE_TEXTS;
    if (kept) {
        memcpy(out, damage->texts[i % DAMAGE_TEXTS], DAMAGE_TEXT);
    } else {
        out[0] = '\0';
    }
    pthread_mutex_unlock(&damage->lock);
}
