#include "storage/disk.h"

#include "storage/head.h"

void disk_release(struct disk *disk)
{
    for (int tier = 0; tier < TIER_COUNT; tier++) {
        vec_release(&disk->tiers[tier]);
    }
}

void disk_copy(struct disk *to, const struct disk *from)
{
    for (int tier = 0; tier < TIER_COUNT; tier++) {
        size_t n = from->tiers[tier].len;
        vec_clear(&to->tiers[tier]);
        if (n) {
            vec_reserve(&to->tiers[tier], n);
            memcpy(to->tiers[tier].p, from->tiers[tier].p, n * sizeof(struct disk_window));
            to->tiers[tier].len = n;
        }
    }
}

/* Where it is or belongs; from the end, where most is asked for. */
static size_t place(const struct disk *disk, enum tier tier, int64_t start_ms)
{
    size_t at = disk->tiers[tier].len;
    while (at > 0 && disk->tiers[tier].p[at - 1].start_ms >= start_ms) {
        at--;
    }
    return at;
}

struct disk_window *disk_find(struct disk *disk, enum tier tier, int64_t start_ms)
{
    size_t at = place(disk, tier, start_ms);
    bool found = at < disk->tiers[tier].len && disk->tiers[tier].p[at].start_ms == start_ms;
    return found ? &disk->tiers[tier].p[at] : NULL;
}

struct disk_window *disk_add(struct disk *disk, enum tier tier, int64_t start_ms)
{
    struct disk_window *found = disk_find(disk, tier, start_ms);
    if (found) {
        return found;
    }
    size_t at = place(disk, tier, start_ms);
    vec_push(&disk->tiers[tier], ((struct disk_window){0}));
    struct disk_window *v = disk->tiers[tier].p;
    memmove(v + at + 1, v + at, (disk->tiers[tier].len - 1 - at) * sizeof(*v));
    v[at] = (struct disk_window){.start_ms = start_ms};
    return v + at;
}

void disk_remove(struct disk *disk, enum tier tier, int64_t start_ms)
{
    struct disk_window *found = disk_find(disk, tier, start_ms);
    if (found) {
        size_t at = (size_t)(found - disk->tiers[tier].p);
        memmove(found, found + 1, (disk->tiers[tier].len - 1 - at) * sizeof(*found));
        disk->tiers[tier].len--;
    }
}

int64_t disk_oldest_ms(const struct disk *disk, enum tier tier)
{
    return disk->tiers[tier].len ? disk->tiers[tier].p[0].start_ms : INT64_MAX;
}

int64_t disk_begins_ms(const struct disk *disk, enum tier tier)
{
    vec_each (const struct disk_window *, it, &disk->tiers[tier]) {
        if (it->is_filled) {
            return it->start_ms;
        }
    }
    return INT64_MAX;
}

int64_t disk_newest_ms(const struct disk *disk, enum tier tier)
{
    return disk->tiers[tier].len ? vec_last(&disk->tiers[tier]).start_ms + tier_window_ms(tier) : INT64_MIN;
}

int64_t disk_oldest_of_all_ms(const struct disk *disk)
{
    int64_t oldest_ms = INT64_MAX;
    for (int tier = 0; tier < TIER_COUNT; tier++) {
        int64_t it = disk_oldest_ms(disk, (enum tier)tier);
        oldest_ms = it < oldest_ms ? it : oldest_ms;
    }
    return oldest_ms;
}

int64_t tier_window_ms(enum tier tier)
{
    static const int64_t day_ms = (int64_t)24 * 3600 * 1000;
    return tier == TIER_RAW ? WINDOW_MS : tier == TIER_5M ? day_ms : 8 * day_ms; /* about 300 and 200 points */
}

int64_t tier_window_start(enum tier tier, int64_t t_ms)
{
    int64_t length = tier_window_ms(tier), rest = t_ms % length;
    return t_ms - (rest < 0 ? rest + length : rest);
}
