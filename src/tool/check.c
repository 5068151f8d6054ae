/* cloche check: configuration, rules and dashboards, every problem with its place; starts nothing. */
#include "alerts/alerts.h"
#include "src/tool/tool.h"

#include <dirent.h>
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>

static void print_problem(void *ctx, const struct error *problem)
{
    (void)ctx;
    fprintf(stderr, "%s\n", problem->text);
}

static size_t check_dashboard(const char *path)
{
    json_error_t reason;
    json_t *json = json_load_file(path, JSON_REJECT_DUPLICATES, &reason);
    size_t problems = 0;
    if (!json) {
        fprintf(stderr, "%s:%d:%d: %s\n", path, reason.line, reason.column, reason.text);
        problems = 1;
    } else if (!json_is_object(json) || (!json_object_get(json, "panels") && !json_object_get(json, "rows") &&
                                         !json_object_get(json, "dashboard") && !json_object_get(json, "spec"))) {
        fprintf(stderr, "%s: no Grafana dashboard: it has neither panels nor rows\n", path);
        problems = 1;
    }
    json_decref(json);
    return problems;
}

static size_t check_dashboards(const struct config *config, size_t *count)
{
    if (!config->dashboards_dir.len) {
        return 0;
    }
    char path[4096];
    snprintf(path, sizeof(path), STR_FMT, STR_ARG(config->dashboards_dir));
    DIR *dir = opendir(path);
    if (!dir) {
        fprintf(stderr, "%s: the folder of \"dashboards\" cannot be read\n", path);
        return 1;
    }
    size_t problems = 0;
    for (struct dirent *entry; (entry = readdir(dir));) {
        if (str_ends(str_of(entry->d_name), STR(".json")) &&
            snprintf(path, sizeof(path), STR_FMT "/%s", STR_ARG(config->dashboards_dir), entry->d_name) <
                (int)sizeof(path)) {
            problems += check_dashboard(path);
            (*count)++;
        }
    }
    closedir(dir);
    return problems;
}

/* Rule files named on the command line are checked beside those of the configuration. */
static void add_rule_files(struct config *config, char **files, size_t count)
{
    struct str *all = arena_array(&config->arena, struct str, config->rule_file_count + count + 1);
    for (size_t i = 0; i < config->rule_file_count; i++) {
        all[i] = config->rule_files[i];
    }
    for (size_t i = 0; i < count; i++) {
        all[config->rule_file_count + i] = str_of(files[i]);
    }
    config->rule_files = all;
    config->rule_file_count += count;
}

int tool_check(int argc, char **argv)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'}, {"enable-feature", required_argument, NULL, 'f'}, {0}};
    struct config_overrides overrides = {0};
    optind = 1;
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (c == 'c') {
            overrides.file = str_of(optarg);
        } else if (c != 'f') {
            return tool_fail(2, "check takes --config FILE and rule files; see cloche --help");
        } else if (tool_enable_feature(optarg)) {
            return 2;
        }
    }
    struct config *config = NULL;
    struct error err = {0};
    if (config_load(&overrides, &config, &err) || tool_enable_features(config, &err)) {
        fprintf(stderr, "%s\n", err.text);
        config_free(config);
        return 1;
    }
    add_rule_files(config, argv + optind, (size_t)(argc - optind));
    size_t rules = 0;
    size_t dashboards = 0;
    size_t problems = alerts_check(config, print_problem, NULL, &rules);
    problems += check_dashboards(config, &dashboards);
    if (problems) {
        fprintf(stderr, "%zu problem%s\n", problems, problems == 1 ? "" : "s");
    } else {
        printf("fine: %zu targets, %zu rules, %zu receivers, %zu dashboards\n", config->target_count, rules,
               config->receiver_count, dashboards);
    }
    config_free(config);
    return problems ? 1 : 0;
}
