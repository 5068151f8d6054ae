#include "src/collect/celery/celery_words.h"

#include "src/base/arena.h"
#include "src/base/vec.h"

#define uthash_malloc(size)  mem_alloc(size)
#define uthash_free(p, size) mem_free(p)
#include <uthash.h>

struct entry {
    uint32_t word;
    UT_hash_handle hh;
};

struct celery_words {
    struct arena arena;
    vec(struct str) texts;
    struct entry *entries; /* by text */
};

struct celery_words *celery_words_new(void)
{
    struct celery_words *words = mem_zalloc(sizeof(*words));
    arena_init(&words->arena);
    vec_push(&words->texts, (struct str){0});
    vec_push(&words->texts, STR("(other)"));
    return words;
}

void celery_words_free(struct celery_words *words)
{
    if (words) {
        HASH_CLEAR(hh, words->entries);
        vec_release(&words->texts);
        arena_release(&words->arena);
        mem_free(words);
    }
}

uint32_t celery_words_add(struct celery_words *words, struct str text)
{
    struct entry *entry;
    if (text.len == 0) {
        return 0;
    }
    HASH_FIND(hh, words->entries, text.p, text.len, entry);
    if (entry) {
        return entry->word;
    }
    if (words->texts.len >= CELERY_WORDS_MAX) {
        return CELERY_WORD_OTHER;
    }
    struct str copy = arena_dup(&words->arena, text);
    entry = arena_new(&words->arena, struct entry);
    entry->word = (uint32_t)words->texts.len;
    HASH_ADD_KEYPTR(hh, words->entries, copy.p, copy.len, entry);
    vec_push(&words->texts, copy);
    return entry->word;
}

struct str celery_words_text(const struct celery_words *words, uint32_t word)
{
    return word < words->texts.len ? words->texts.p[word] : (struct str){0};
}
