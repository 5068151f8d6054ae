/*
 * The demo: a private Redis, a private PostgreSQL and a sample Celery application, on free loopback ports in a
 * temporary folder.
 *
 * The files of packaging/demo/ are embedded; demo_start() writes them out, writes a configuration that watches the
 * stack, and starts the supervisor (demo.py), which dies with us, also by kill -9 (PR_SET_PDEATHSIG), and takes its
 * children along. Threads: main only.
 */
#pragma once
#include "src/base/error.h"

struct demo;
/* Needs python3, celery, redis-server and PostgreSQL; what is missing is named in err. */
int demo_start(struct demo **out, struct error *err) MUST_USE;
const char *demo_config_file(const struct demo *demo);
const char *demo_data_dir(const struct demo *demo); /* inside the temporary folder */
const char *demo_sink_url(const struct demo *demo); /* page of the webhook sink */
/* True once if the supervisor has ended although nobody asked; reason gets the end of its log. */
bool demo_has_died(struct demo *demo, struct error *reason);
void demo_stop(struct demo *demo); /* ends everything, removes the folder; NULL is fine */
