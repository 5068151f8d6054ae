#include "web/server/embed.h"

const struct embedded_file *embedded_find(struct str path)
{
    for (size_t i = 0; i < embedded_file_count; i++) {
        if (str_is(path, embedded_files[i].path)) {
            return &embedded_files[i];
        }
    }
    return NULL;
}
