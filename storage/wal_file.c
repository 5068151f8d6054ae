#include "storage/wal_file.h"

#include "src/base/vec.h"
#include "storage/bytes.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#define FILE_MAGIC  "clochwal"
#define FILE_FORMAT 2
#define FRAME_MAGIC 0x43455257u /* "WREC" */
#define NAME_LENGTH 20          /* 16 hexadecimal digits and ".wal" */

char *wal_file_dir(const char *data_dir)
{
    size_t n = strlen(data_dir) + sizeof("/wal");
    char *path = mem_alloc(n);
    snprintf(path, n, "%s/wal", data_dir);
    return path;
}

static void name_of(uint64_t first_seq, char out[NAME_LENGTH + 1])
{
    snprintf(out, NAME_LENGTH + 1, "%016llx.wal", (unsigned long long)first_seq);
}

static bool parse_name(const char *name, uint64_t *first_seq)
{
    if (strlen(name) != NAME_LENGTH || strcmp(name + 16, ".wal") != 0 || strspn(name, "0123456789abcdef") != 16) {
        return false;
    }
    *first_seq = strtoull(name, NULL, 16);
    return true;
}

static int compare_segments(const void *a, const void *b)
{
    uint64_t x = ((const struct wal_segment *)a)->first_seq, y = ((const struct wal_segment *)b)->first_seq;
    return (x > y) - (x < y);
}

int wal_file_list(int dir_fd, struct wal_segment **v, size_t *n)
{
    vec(struct wal_segment) found = {0};
    int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (!dir) {
        int rc = -errno;
        if (fd >= 0) {
            close(fd);
        }
        return rc;
    }
    for (const struct dirent *entry; (entry = readdir(dir));) { /* NOLINT(concurrency-mt-unsafe): a stream of our own */
        struct wal_segment segment = {0};
        struct stat st;
        if (parse_name(entry->d_name, &segment.first_seq) && fstatat(dir_fd, entry->d_name, &st, 0) == 0) {
            segment.bytes = (uint64_t)st.st_size;
            segment.begun_ms = (int64_t)st.st_mtim.tv_sec * 1000;
            vec_push(&found, segment);
        }
    }
    closedir(dir);
    if (found.len) {
        qsort(found.p, found.len, sizeof(*found.p), compare_segments);
    }
    *v = found.p;
    *n = found.len;
    return 0;
}

int wal_file_create(int dir_fd, uint64_t first_seq, int *fd)
{
    char name[NAME_LENGTH + 1];
    name_of(first_seq, name);
    uint8_t head[WAL_FILE_HEAD_SIZE] = FILE_MAGIC;
    bytes_store_le(head + 8, FILE_FORMAT, 4);
    int file = openat(dir_fd, name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (file < 0) {
        return -errno;
    }
    ssize_t n = pwrite(file, head, sizeof(head), 0);
    if (n != (ssize_t)sizeof(head)) {
        int rc = n < 0 ? -errno : -ENOSPC;
        close(file);
        (void)unlinkat(dir_fd, name, 0);
        return rc;
    }
    *fd = file;
    return 0;
}

void wal_file_remove(int dir_fd, uint64_t first_seq)
{
    char name[NAME_LENGTH + 1];
    name_of(first_seq, name);
    (void)unlinkat(dir_fd, name, 0); /* what stays is read again at the next start, and skipped as flushed */
}

/* magic 4, payload size 4, sequence number 8, checksum of the payload 8, checksum of these 24 bytes 8 */
void wal_frame_add(struct buf *out, uint64_t seq, struct str payload)
{
    uint8_t frame[WAL_FRAME_SIZE];
    bytes_store_le(frame, FRAME_MAGIC, 4);
    bytes_store_le(frame + 4, payload.len, 4);
    bytes_store64(frame + 8, seq);
    bytes_store64(frame + 16, XXH3_64bits(payload.p, payload.len));
    bytes_store64(frame + 24, XXH3_64bits(frame, 24));
    buf_add_bytes(out, frame, sizeof(frame));
    buf_add(out, payload);
}

struct frame {
    uint64_t seq, checksum;
    uint32_t size;
};

static bool read_frame(const uint8_t *p, size_t left, struct frame *out)
{
    if (left < WAL_FRAME_SIZE || bytes_load_le(p, 4) != FRAME_MAGIC || bytes_load64(p + 24) != XXH3_64bits(p, 24)) {
        return false;
    }
    *out = (struct frame){
        .size = (uint32_t)bytes_load_le(p + 4, 4), .seq = bytes_load64(p + 8), .checksum = bytes_load64(p + 16)};
    return out->size <= WAL_PAYLOAD_MAX;
}

struct reading {
    struct wal_segment *segment;
    wal_visit_fn visit;
    void *ctx;
    struct damage *damage;
};

static void say_damage(const struct reading *r, size_t at, const char *what)
{
    damage_note(r->damage, "wal/%016llx.wal: %s at byte %zu is damaged and was passed over",
                (unsigned long long)r->segment->first_seq, what, at);
}

/* The next place where a frame begins, at or after `at`; the end if there is none. */
static size_t find_frame(const uint8_t *p, size_t size, size_t at)
{
    struct frame frame;
    while (at < size && !read_frame(p + at, size - at, &frame)) {
        const uint8_t *next = memchr(p + at + 1, FRAME_MAGIC & 0xff, size - at - 1);
        at = next ? (size_t)(next - p) : size;
    }
    return at;
}

/* What was being written when the process or the power went: the beginning of a frame, or a hole. */
static bool is_torn(const uint8_t *p, size_t left)
{
    static const uint8_t nothing[WAL_FRAME_SIZE];
    return left < WAL_FRAME_SIZE || memcmp(p, nothing, WAL_FRAME_SIZE) == 0;
}

static int read_frames(const struct reading *r, const uint8_t *p, size_t size)
{
    struct wal_segment *segment = r->segment;
    size_t at = WAL_FILE_HEAD_SIZE;
    for (int rc = 0; at < size;) {
        struct frame frame;
        if (!read_frame(p + at, size - at, &frame)) {
            if (is_torn(p + at, size - at)) {
                return 0;
            }
            say_damage(r, at, "a frame");
            at = find_frame(p, size, at + 1);
            continue;
        }
        if (frame.size > size - at - WAL_FRAME_SIZE) {
            return 0; /* a torn end */
        }
        struct str payload = {(const char *)p + at + WAL_FRAME_SIZE, frame.size};
        segment->last_seq = frame.seq > segment->last_seq ? frame.seq : segment->last_seq;
        if (XXH3_64bits(payload.p, payload.len) != frame.checksum) {
            say_damage(r, at, "a record");
        } else if ((rc = r->visit(r->ctx, frame.seq, payload))) {
            return rc;
        }
        at += WAL_FRAME_SIZE + frame.size;
    }
    return 0;
}

static int check_head(const struct reading *r, const uint8_t *p, size_t size)
{
    if (size < WAL_FILE_HEAD_SIZE) {
        return ERR_NOT_FOUND; /* ended while it was begun: nothing in it was acknowledged */
    }
    if (memcmp(p, FILE_MAGIC, 8) != 0) {
        say_damage(r, 0, "the head of the file");
        return 0;
    }
    return bytes_load_le(p + 8, 4) > FILE_FORMAT ? ERR_VERSION : 0;
}

int wal_file_read(int dir_fd, struct wal_segment *segment, wal_visit_fn visit, void *ctx, struct damage *damage)
{
    const struct reading reading = {segment, visit, ctx, damage};
    char name[NAME_LENGTH + 1];
    name_of(segment->first_seq, name);
    int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC);
    struct stat st;
    if (fd < 0 || fstat(fd, &st)) {
        int rc = -errno;
        if (fd >= 0) {
            close(fd);
        }
        return rc;
    }
    size_t size = (size_t)st.st_size;
    void *map = size ? mmap(NULL, size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0) : NULL;
    close(fd);
    if (map == MAP_FAILED) {
        return -errno;
    }
    int rc = check_head(&reading, map, size);
    rc = rc ? rc : read_frames(&reading, map, size);
    if (map) {
        munmap(map, size);
    }
    return rc == ERR_NOT_FOUND ? 0 : rc;
}

static int copy_bytes(int from, int to, uint64_t bytes)
{
    auto_free char *piece = mem_alloc((size_t)1 << 20);
    for (uint64_t at = 0; at < bytes;) {
        size_t want = bytes - at < (uint64_t)1 << 20 ? (size_t)(bytes - at) : (size_t)1 << 20;
        ssize_t n = pread(from, piece, want, (off_t)at);
        if (n <= 0) {
            return n < 0 ? -errno : -EIO;
        }
        for (ssize_t done = 0; done < n;) {
            ssize_t k = write(to, piece + done, (size_t)(n - done));
            if (k < 0) {
                return -errno;
            }
            done += k;
        }
        at += (uint64_t)n;
    }
    return fsync(to) ? -errno : 0;
}

int wal_file_copy(int dir_fd, const struct wal_segment *v, size_t n, const char *dir, struct error *err)
{
    char *path = wal_file_dir(dir);
    int rc = mkdir(path, 0700) && errno != EEXIST ? -errno : 0;
    int to_dir = rc ? -1 : open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    rc = rc ? rc : to_dir < 0 ? -errno : 0;
    for (size_t i = 0; rc == 0 && i < n; i++) {
        char name[NAME_LENGTH + 1];
        name_of(v[i].first_seq, name);
        int from = openat(dir_fd, name, O_RDONLY | O_CLOEXEC);
        int to = openat(to_dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        rc = from < 0 || to < 0 ? -errno : copy_bytes(from, to, v[i].bytes);
        if (from >= 0) {
            close(from);
        }
        if (to >= 0) {
            close(to);
        }
    }
    if (to_dir >= 0) {
        close(to_dir);
    }
    rc = rc ? error_set(err, rc, "%s cannot be written: %s", path, error_text(rc)) : 0;
    mem_free(path);
    return rc;
}

void wal_file_remove_copy(const char *dir)
{
    char *path = wal_file_dir(dir);
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct wal_segment *v = NULL;
    size_t n = 0;
    if (fd >= 0 && wal_file_list(fd, &v, &n) == 0) {
        for (size_t i = 0; i < n; i++) {
            wal_file_remove(fd, v[i].first_seq);
        }
    }
    if (fd >= 0) {
        close(fd);
    }
    mem_free(v);
    (void)rmdir(path);
    mem_free(path);
}
