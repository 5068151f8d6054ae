/*
 * Small records for the state store: fixed little-endian integers and length-prefixed texts, one after the other.
 *
 * Label values may hold any byte, so this is binary, not JSON. A reader past the end turns `bad` and gives zeros; check
 * it once at the end. Records begin with a version byte that their owner writes.
 */
#pragma once
#include "src/base/buf.h"
#include "src/model/labels.h"

void record_put_u8(struct buf *out, uint8_t v);
void record_put_u64(struct buf *out, uint64_t v);
void record_put_str(struct buf *out, struct str s);
void record_put_labels(struct buf *out, struct labels labels);

struct record_reader {
    struct str rest;
    bool bad;
};
uint8_t record_get_u8(struct record_reader *r);
uint64_t record_get_u64(struct record_reader *r);
struct str record_get_str(struct record_reader *r); /* borrowed */
/* At most LABELS_MAX pairs; texts borrowed, the array in the arena. */
struct labels record_get_labels(struct record_reader *r, struct arena *arena);

/* A copy of a label set in one block of memory, and its end. */
struct labels labels_clone(struct labels labels);
void labels_clone_free(struct labels *labels);
