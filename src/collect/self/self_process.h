/* The process_* metrics of every Prometheus client, for this process, from /proc/self. */
#pragma once
#include "src/model/sample.h"

void self_process_read(struct batch *batch);

struct self_stat {
    double cpu_ticks, start_ticks, virtual_bytes, resident_pages, threads;
};
/* The text of /proc/<pid>/stat; false if it is not one. The command's name may hold blanks and parentheses. */
bool self_stat_parse(struct str text, struct self_stat *out);
