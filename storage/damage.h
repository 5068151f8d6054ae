/*
 * What was found damaged: a count, and the newest texts that name the place, for the status, the page and the log.
 *
 * Threads: any; a mutex of its own.
 */
#pragma once
#include "src/base/mem.h"
#include "storage/store.h"

#include <stdint.h>

#define DAMAGE_TEXTS 16
#define DAMAGE_TEXT  STORE_DAMAGE_TEXT

struct damage;
struct damage *damage_new(void);
void damage_free(struct damage *damage);
/* Counts it (SELF_CORRUPTIONS, too). The same text again is counted only. */
void damage_note(struct damage *damage, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* How many texts there were since the start; text number i (from 0) into out, "" when it is not kept any more. */
uint64_t damage_count(struct damage *damage);
void damage_text(struct damage *damage, uint64_t i, char out[DAMAGE_TEXT]);
