/*
 * /api/ui/dashboards: shipped dashboards (in the binary) and those of the configured folder, which is read again for
 * every list, so that a dropped file shows at once.
 *
 * A file that cannot be read is listed with the reason. On equal uids the folder's file wins: a shipped dashboard is
 * changed by a copy of it. Limits: 4 MiB a file, 500 files.
 */
#include "web/api/endpoints.h"
#include "web/api/ui.h"
#include "web/server/embed.h"
#include "web/server/gunzip.h"

#include <dirent.h>
#include <errno.h>
#include <jansson.h>

#define FILE_MAX  (4u << 20)
#define FILES_MAX 500

struct dashboard {
    json_t *root; /* unwrapped; NULL: error says why */
    char uid[128], source[256], error[256];
};
struct dashboards {
    vec(struct dashboard) list;
};

static void dashboards_release(struct dashboards *all)
{
    vec_each (struct dashboard *, d, &all->list) {
        json_decref(d->root);
    }
    vec_release(&all->list);
}

/* Exports of Grafana's API wrap the dashboard; its newest format is another model. */
static json_t *unwrap(json_t *file, struct dashboard *d)
{
    json_t *inner = json_object_get(file, "dashboard");
    const char *version = json_string_value(json_object_get(file, "apiVersion"));
    if (!json_is_object(inner) && version) {
        inner = strstr(version, "/v1") || strstr(version, "/v0") ? json_object_get(file, "spec") : NULL;
        if (!inner) {
            (void)snprintf(d->error, sizeof(d->error),
                           "apiVersion %.60s is not understood: export it in the classic JSON model", version);
            return NULL;
        }
    }
    json_t *root = json_is_object(inner) ? inner : file;
    if (!json_is_array(json_object_get(root, "panels")) && !json_is_array(json_object_get(root, "rows"))) {
        (void)snprintf(d->error, sizeof(d->error), "this is not a Grafana dashboard: it has neither panels nor rows");
        return NULL;
    }
    return root;
}

/* The uid, or one made of the file's name: links must not change between readings. */
static void set_uid(struct dashboard *d)
{
    const char *uid = json_string_value(json_object_get(d->root, "uid"));
    if (uid && uid[0]) {
        (void)snprintf(d->uid, sizeof(d->uid), "%.127s", uid);
        return;
    }
    struct str name = str_of(d->source);
    if (str_ends(name, STR(".json"))) {
        name.len -= 5;
    }
    (void)snprintf(d->uid, sizeof(d->uid), "%.*s", (int)(name.len < 127 ? name.len : 127), name.p);
}

static void parse(struct dashboards *all, const char *source, struct str text)
{
    struct dashboard d = {0};
    json_error_t where;
    (void)snprintf(d.source, sizeof(d.source), "%s", source);
    json_t *file = json_loadb(text.p, text.len, 0, &where);
    if (!file) {
        (void)snprintf(d.error, sizeof(d.error), "line %d, column %d: %.160s", where.line, where.column, where.text);
    } else {
        d.root = json_incref(unwrap(file, &d));
    }
    set_uid(&d);
    json_decref(file);
    vec_push(&all->list, d);
}

static void read_embedded(struct dashboards *all)
{
    for (size_t i = 0; i < embedded_file_count; i++) {
        if (!str_starts(str_of(embedded_files[i].path), STR("dashboards/"))) {
            continue;
        }
        auto_buf text;
        buf_init(&text, FILE_MAX);
        struct error err = {0};
        if (gunzip(embedded_bytes(&embedded_files[i]), FILE_MAX - 1, &text, &err) == 0) {
            parse(all, embedded_files[i].path, buf_str(&text));
        }
    }
}

static void fail(struct dashboards *all, const char *name, const char *why)
{
    struct dashboard d = {0};
    (void)snprintf(d.source, sizeof(d.source), "%s", name);
    (void)snprintf(d.error, sizeof(d.error), "%s", why);
    set_uid(&d);
    vec_push(&all->list, d);
}

static void read_file(struct dashboards *all, const char *path, const char *name)
{
    FILE *f = fopen(path, "re");
    if (!f) {
        fail(all, name, error_text(-errno));
        return;
    }
    auto_buf text;
    buf_init(&text, FILE_MAX + 1);
    char *to = buf_reserve(&text, FILE_MAX);
    text.len = fread(to, 1, FILE_MAX, f);
    bool whole = text.len < FILE_MAX;
    (void)fclose(f);
    if (whole) {
        parse(all, name, buf_str(&text));
    } else {
        fail(all, name, "larger than 4 MiB");
    }
}

static int is_json(const struct dirent *entry)
{
    return entry->d_name[0] != '.' && str_ends(str_of(entry->d_name), STR(".json"));
}

static void read_folder(struct http_request *r, struct dashboards *all, struct str dir)
{
    struct dirent **entries = NULL;
    if (dir.len == 0) {
        return;
    }
    int n = scandir(arena_cstr(http_arena(r), dir), &entries, is_json, alphasort);
    if (n < 0) {
        fail(all, "dashboards folder", error_text(-errno));
        return;
    }
    for (int i = 0; i < n; i++) {
        if (i < FILES_MAX) {
            struct str path = arena_printf(http_arena(r), STR_FMT "/%s", STR_ARG(dir), entries[i]->d_name);
            read_file(all, arena_cstr(http_arena(r), path), entries[i]->d_name);
        }
        free(entries[i]);
    }
    free(entries);
}

/* The newest of that uid: the folder comes after the shipped ones. */
static const struct dashboard *find(const struct dashboards *all, struct str uid)
{
    const struct dashboard *found = NULL;
    vec_each (const struct dashboard *, d, &all->list) {
        if (str_is(uid, d->uid)) {
            found = d;
        }
    }
    return found;
}

static void read_all(struct http_request *r, const struct api_context *api, struct dashboards *all)
{
    read_embedded(all);
    read_folder(r, all, api->dashboards_dir);
}

static void write_entry(struct json_writer *w, const struct dashboard *d)
{
    const char *title = json_string_value(json_object_get(d->root, "title"));
    json_begin_object(w);
    json_field(w, "uid", json_str, str_of(d->uid));
    json_field(w, "title", json_str, str_of(title ? title : d->uid));
    json_key(w, STR("tags"));
    json_begin_array(w);
    json_t *tags = json_object_get(d->root, "tags"), *tag;
    size_t i;
    json_array_foreach(tags, i, tag)
    {
        if (json_is_string(tag)) {
            json_str(w, str_of(json_string_value(tag)));
        }
    }
    json_end_array(w);
    bool shipped = str_starts(str_of(d->source), STR("dashboards/"));
    json_field(w, "source", json_str, shipped ? STR("built-in") : str_of(d->source));
    if (d->error[0]) {
        json_field(w, "error", json_str, str_of(d->error));
    }
    json_end_object(w);
}

void ui_dashboards(struct http_request *r, void *ctx)
{
    struct dashboards all = {0};
    read_all(r, ctx, &all);
    auto_buf out;
    buf_init(&out, 4u << 20);
    struct json_writer w;
    json_init(&w, &out);
    json_begin_array(&w);
    vec_each (const struct dashboard *, d, &all.list) {
        if (find(&all, str_of(d->uid)) == d) {
            write_entry(&w, d);
        }
    }
    json_end_array(&w);
    dashboards_release(&all);
    ui_answer(r, &out);
}

void ui_dashboard(struct http_request *r, void *ctx)
{
    struct dashboards all = {0};
    struct str uid = http_path_param(r, "uid");
    read_all(r, ctx, &all);
    const struct dashboard *d = find(&all, uid);
    char *text = d && d->root ? json_dumps(d->root, JSON_COMPACT) : NULL;
    if (text) {
        http_set_header(r, "Cache-Control", STR("no-store"));
        http_respond(r, 200, "application/json", str_of(text));
    } else if (d) {
        ui_error(r, 422, "%s: %s", d->source, d->error);
    } else {
        ui_error(r, 404, "no dashboard has the uid '" STR_FMT "'", STR_ARG(str_slice(uid, 0, 64)));
    }
    free(text);
    dashboards_release(&all);
}
