/* The files in the binary: built pages and shipped dashboards, compressed when built (web/embed.cmake). */
#pragma once
#include "src/base/str.h"

struct embedded_file {
    const char *path; /* "index.html", "assets/main-ABC.js", "dashboards/redis.json" */
    const char *content_type;
    const char *etag;       /* of the uncompressed bytes, without quotes */
    const char *gzip, *end; /* compressed bytes */
};
extern const struct embedded_file embedded_files[];
extern const size_t embedded_file_count;

static inline struct str embedded_bytes(const struct embedded_file *file)
{
    return str_make(file->gzip, (size_t)(file->end - file->gzip));
}
/* NULL if there is none. */
const struct embedded_file *embedded_find(struct str path);
