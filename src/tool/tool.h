/*
 * The verbs of the command line. Each gets the arguments behind its name (argv[0] is the verb) and returns the exit
 * status: 0 fine, 1 failed (the reason is on stderr), 2 wrong usage.
 */
#pragma once
#include "config/config.h"

int tool_serve(int argc, char **argv);
int tool_check(int argc, char **argv);
int tool_query(int argc, char **argv);
int tool_export(int argc, char **argv);
int tool_import(int argc, char **argv);
int tool_backup(int argc, char **argv);

/* Experimental parts of PromQL, from --enable-feature (0 or 2, told on stderr) and from the configuration. Before any
 * thread starts (src/query/features.h). */
int tool_enable_feature(const char *list);
int tool_enable_features(const struct config *config, struct error *err) MUST_USE;

/* "cloche: text" on stderr; returns status. */
int tool_fail(int status, const char *fmt, ...) PRINTF_LIKE(2, 3);
