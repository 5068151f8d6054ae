/*
 * Texts that come again and again (task names, queues, hosts), kept once and named by a small number.
 *
 * Bounded: what does not fit any more is CELERY_WORD_OTHER, "(other)". Number 0 is the empty text.
 */
#pragma once
#include "src/base/str.h"

#include <stdint.h>

#define CELERY_WORDS_MAX  20000
#define CELERY_WORD_OTHER 1u

struct celery_words;
struct celery_words *celery_words_new(void);
void celery_words_free(struct celery_words *words);
uint32_t celery_words_add(struct celery_words *words, struct str text);
struct str celery_words_text(const struct celery_words *words, uint32_t word); /* lives as long as words */
