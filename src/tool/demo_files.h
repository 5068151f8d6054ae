/* Files of packaging/demo/, embedded by the build (src/tool/CMakeLists.txt makes the table). */
#pragma once
#include <stddef.h>

struct demo_file {
    const char *name, *begin, *end;
};
extern const struct demo_file demo_files[];
extern const size_t demo_file_count;
