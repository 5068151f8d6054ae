/*
 * Which windows have blocks on disk, by tier: a few hundred numbers, kept in memory so that nobody has to look.
 *
 * A window of a coarser tier is built when its points tell of every sample there is; it is no more once late samples of
 * its time came into blocks, until it has been built anew.
 *
 * Threads: none of its own; struct metrics' lock guards the store's, a snapshot has a copy.
 */
#pragma once
#include "src/base/vec.h"
#include "storage/read.h"

struct disk_window {
    int64_t start_ms;
    bool built;         /* of a coarser tier */
    bool is_filled;     /* it has blocks; a window may be built and turn out to have no points */
    int64_t touched_ms; /* monotonic: when late samples made it unbuilt; 0: they did not */
};
struct disk {
    vec(struct disk_window) tiers[TIER_COUNT]; /* ascending */
};

void disk_release(struct disk *disk);
void disk_copy(struct disk *to, const struct disk *from);
/* NULL: not there. */
struct disk_window *disk_find(struct disk *disk, enum tier tier, int64_t start_ms);
struct disk_window *disk_add(struct disk *disk, enum tier tier, int64_t start_ms); /* or the one that is there */
void disk_remove(struct disk *disk, enum tier tier, int64_t start_ms);
/* Start of the first and end of the last window; INT64_MAX and INT64_MIN when there is none. begins: of those with
 * blocks. */
int64_t disk_oldest_ms(const struct disk *disk, enum tier tier);
int64_t disk_begins_ms(const struct disk *disk, enum tier tier);
int64_t disk_newest_ms(const struct disk *disk, enum tier tier);
int64_t disk_oldest_of_all_ms(const struct disk *disk);

/* Length of the windows of a tier, and the start of the one that t_ms lies in. Raw windows hold [start, start +
 * length), those of coarser tiers buckets that end in (start, start + length]. */
int64_t tier_window_ms(enum tier tier);
int64_t tier_window_start(enum tier tier, int64_t t_ms);
