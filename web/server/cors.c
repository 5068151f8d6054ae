#include "web/server/cors.h"

#include "src/base/regex.h"

struct cors {
    struct regex *origin;
    bool any;
};

int cors_new(struct str origin, struct cors **out, struct error *err)
{
    struct regex *regex = NULL;
    *out = NULL;
    if (origin.len == 0) {
        return 0;
    }
    int rc = regex_compile(origin, &regex, err);
    if (rc == 0) {
        *out = mem_zalloc(sizeof(**out));
        **out = (struct cors){.origin = regex, .any = str_is(origin, ".*")};
    }
    return rc;
}

void cors_free(struct cors *cors)
{
    if (cors) {
        regex_free(cors->origin);
        mem_free(cors);
    }
}

void cors_allow(const struct cors *cors, struct http_request *r)
{
    struct str origin = http_header(r, "Origin");
    if (!cors || origin.len == 0) {
        return;
    }
    http_set_header(r, "Access-Control-Allow-Headers", STR("Accept, Authorization, Content-Type, Origin"));
    http_set_header(r, "Access-Control-Allow-Methods", STR("GET, POST, OPTIONS"));
    http_set_header(r, "Access-Control-Expose-Headers", STR("Date"));
    http_set_header(r, "Vary", STR("Origin"));
    if (cors->any || regex_matches(cors->origin, origin)) {
        http_set_header(r, "Access-Control-Allow-Origin", cors->any ? STR("*") : origin);
    }
}
