#include "storage/env_length.h"

#include "src/base/mem.h"
#include "storage/bytes.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define META_SIZE                                                                                                      \
    152 /* page head 16, magic 4, version 4, address 8, map size 8, two databases of 48, last page 8, txn 8 */
#define META_MAGIC  0xbeefc0deu
#define PAGE_HEAD   16 /* number 8, padding 2, flags 2, lower 2, upper 2; then the places of the nodes, 2 each */
#define NODE_HEAD   8  /* size of the data, or a branch's page: low 2, high 2; flags 2; size of the key 2 */
#define PAGE_BRANCH 1
#define PAGE_LEAF   2
#define NODE_BIG    1 /* the data stands in pages of its own: their first number */
#define DEPTH_MAX   32

struct meta {
    uint64_t psize, free_root, last_page, txn;
};

/* What is looked through. */
struct list {
    int fd;
    uint64_t psize, pages, present; /* pages: as many as were given out; present: those that the file has */
    uint64_t missing_free;          /* free pages that the file does not have */
    uint64_t visited;               /* damage may lead round in circles */
};

static bool read_meta(int fd, uint64_t at, struct meta *out)
{
    uint8_t p[META_SIZE];
    if (pread(fd, p, sizeof(p), (off_t)at) != (ssize_t)sizeof(p) || bytes_load_le(p + 16, 4) != META_MAGIC) {
        return false;
    }
    *out = (struct meta){.psize = bytes_load_le(p + 40, 4),
                         .free_root = bytes_load_le(p + 80, 8),
                         .last_page = bytes_load_le(p + 136, 8),
                         .txn = bytes_load_le(p + 144, 8)};
    return out->psize >= 512 && out->psize <= 65536;
}

static bool read_bytes(const struct list *l, uint64_t at, uint8_t *p, uint64_t n)
{
    return at <= l->present * l->psize && n <= l->present * l->psize - at &&
           pread(l->fd, p, n, (off_t)at) == (ssize_t)n;
}

/* How many, then their numbers; 8 bytes each. */
static bool count_numbers(struct list *l, const uint8_t *p, uint64_t size)
{
    uint64_t n = size >= 8 ? bytes_load_le(p, 8) : 0;
    if (size < 8 || n > size / 8 - 1) {
        return false;
    }
    for (uint64_t i = 1; i <= n; i++) {
        l->missing_free += bytes_load_le(p + 8 * i, 8) >= l->present;
    }
    return true;
}

static bool count_big(struct list *l, uint64_t page, uint64_t size)
{
    if (page >= l->present || size > (l->pages + 1) * 8) {
        return false;
    }
    auto_free uint8_t *p = mem_alloc(size);
    return read_bytes(l, page * l->psize + PAGE_HEAD, p, size) && count_numbers(l, p, size);
}

static bool count_leaf_node(struct list *l, const uint8_t *page, uint64_t at)
{
    const uint8_t *node = page + at;
    uint64_t size = bytes_load_le(node, 4), data = at + NODE_HEAD + bytes_load_le(node + 6, 2);
    bool big = bytes_load_le(node + 4, 2) & NODE_BIG;
    if (data > l->psize || (big ? 8 : size) > l->psize - data) {
        return false;
    }
    return big ? count_big(l, bytes_load_le(page + data, 8), size) : count_numbers(l, page + data, size);
}

static bool count_page(struct list *l, uint64_t number, unsigned depth) /* NOLINT(misc-no-recursion): bounded */
{
    auto_free uint8_t *page = mem_alloc(l->psize);
    if (depth > DEPTH_MAX || number >= l->present || l->visited++ > l->present ||
        !read_bytes(l, number * l->psize, page, l->psize)) {
        return false;
    }
    uint64_t flags = bytes_load_le(page + 10, 2), lower = bytes_load_le(page + 12, 2);
    bool sound = (flags & (PAGE_BRANCH | PAGE_LEAF)) && lower >= PAGE_HEAD && lower <= l->psize;
    for (uint64_t i = PAGE_HEAD; sound && i + 2 <= lower; i += 2) {
        uint64_t at = bytes_load_le(page + i, 2);
        sound =
            at + NODE_HEAD <= l->psize &&
            (flags & PAGE_LEAF ? count_leaf_node(l, page, at) : count_page(l, bytes_load_le(page + at, 6), depth + 1));
    }
    return sound;
}

static int check_file(int fd, const char *path, struct error *err)
{
    struct meta meta, second;
    struct stat st;
    if (!read_meta(fd, 0, &meta) || fstat(fd, &st)) {
        return 0;
    }
    if (read_meta(fd, meta.psize, &second) && second.txn > meta.txn) {
        meta = second;
    }
    uint64_t pages = meta.last_page < UINT64_MAX / 65536 ? meta.last_page + 1 : UINT64_MAX / 65536;
    struct list list = {.fd = fd, .psize = meta.psize, .pages = pages, .present = (uint64_t)st.st_size / meta.psize};
    if (list.present >= pages || (count_page(&list, meta.free_root, 0) && list.missing_free == pages - list.present)) {
        return 0;
    }
    return error_set(err, ERR_CORRUPT,
                     "%s/data.mdb has lost its end: it holds %lld bytes of %llu; restore a backup, or move the folder "
                     "away",
                     path, (long long)st.st_size, (unsigned long long)(pages * meta.psize));
}

int env_check_length(const char *path, struct error *err)
{
    char name[PATH_MAX];
    if (snprintf(name, sizeof(name), "%s/data.mdb", path) >= (int)sizeof(name)) {
        return error_set(err, -ENAMETOOLONG, "the data directory's name is too long");
    }
    int fd = open(name, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return 0;
    }
    int rc = check_file(fd, path, err);
    close(fd);
    return rc;
}
