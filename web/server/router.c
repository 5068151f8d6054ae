#include "web/server/router.h"

#include "src/base/thread.h"

void router_release(struct router *router)
{
    vec_release(&router->routes);
    vec_release(&router->traits);
}

/* Segments of what follows the leading slash; "/" has one empty segment. More than max: the last holds all the rest. */
static size_t split_path(struct str path, struct str *out, size_t max)
{
    struct str rest = str_slice(path, 1, path.len);
    size_t n = 0;
    for (;;) {
        if (n + 1 == max) {
            out[n++] = rest;
            return n;
        }
        bool last = str_find_char(rest, '/') < 0;
        out[n++] = str_split(&rest, '/');
        if (last) {
            return n;
        }
    }
}

static bool is_param(struct str segment)
{
    return segment.len > 2 && segment.p[0] == '{';
}

static bool is_rest(struct str segment)
{
    return is_param(segment) && segment.p[segment.len - 2] == '*';
}

void router_add(struct router *router, unsigned methods, const char *pattern, http_handler_fn fn, void *ctx)
{
    invariant(pattern[0] == '/');
    struct route route = {.methods = methods, .pattern = pattern, .fn = fn, .ctx = ctx};
    route.count = split_path(str_of(pattern), route.segments, ROUTE_SEGMENTS_MAX);
    route.rest = is_rest(route.segments[route.count - 1]);
    vec_push(&router->routes, route);
}

struct route_traits *router_set_traits(struct router *router, const char *pattern)
{
    vec_each (struct route_traits *, traits, &router->traits) {
        if (strcmp(traits->pattern, pattern) == 0) {
            return traits;
        }
    }
    vec_push(&router->traits, (struct route_traits){.pattern = pattern});
    return &vec_last(&router->traits);
}

/* Number of literal segments + 1, or 0 if it does not match. */
static size_t match_score(const struct route *route, const struct str *path, size_t count)
{
    if (route->rest ? count < route->count : count != route->count) {
        return 0;
    }
    size_t score = 1;
    for (size_t i = 0; i < route->count; i++) {
        if (!is_param(route->segments[i])) {
            if (!str_eq(route->segments[i], path[i])) {
                return 0;
            }
            score++;
        } else if (path[i].len == 0) {
            return 0; /* a parameter is never empty */
        }
    }
    return score;
}

void router_match(const struct router *router, struct str path, unsigned method, struct route_match *out)
{
    *out = (struct route_match){0};
    out->count = split_path(path, out->segments, ROUTE_SEGMENTS_MAX);
    size_t best = 0, best_any = 0;
    vec_each (const struct route *, route, &router->routes) {
        size_t score = match_score(route, out->segments, out->count);
        if (score == 0 || score < best_any) {
            continue;
        }
        if (score > best_any) { /* a more literal pattern owns the path: others' methods do not count */
            best_any = score;
            out->owner = route;
            out->allowed = 0;
            out->route = NULL;
            best = 0;
        }
        out->allowed |= route->methods;
        if ((route->methods & method) && score > best) {
            best = score;
            out->route = route;
        }
    }
    if (out->route && out->route->rest) { /* join what the last parameter covers */
        size_t last = out->route->count - 1;
        const char *end = path.p + path.len;
        out->segments[last] = str_make(out->segments[last].p, (size_t)(end - out->segments[last].p));
        out->count = out->route->count;
    }
}

struct str route_param(const struct route_match *match, struct str name)
{
    for (size_t i = 0; match->route && i < match->route->count; i++) {
        struct str segment = match->route->segments[i];
        if (!is_param(segment)) {
            continue;
        }
        size_t tail = is_rest(segment) ? 2 : 1;
        if (str_eq(str_slice(segment, 1, segment.len - tail), name)) {
            return match->segments[i];
        }
    }
    return (struct str){0};
}

struct route_traits router_traits(const struct router *router, const struct route *route)
{
    vec_each (const struct route_traits *, traits, &router->traits) {
        if (strcmp(traits->pattern, route->pattern) == 0) {
            return *traits;
        }
    }
    return (struct route_traits){.pattern = route->pattern};
}

void route_methods_print(unsigned methods, bool head, struct buf *out)
{
    const struct {
        bool is;
        const char *text;
    } names[] = {{methods & HTTP_DELETE, "DELETE"},    {methods & HTTP_GET, "GET"},
                 {head && methods & HTTP_GET, "HEAD"}, {true, "OPTIONS"},
                 {methods & HTTP_POST, "POST"},        {methods & HTTP_PUT, "PUT"}};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (names[i].is) {
            buf_addf(out, "%s%s", out->len ? ", " : "", names[i].text);
        }
    }
}
