/* Properties: what parses can be redacted; the redacted form parses and holds no password; encode and decode undo each
 * other. */
#include "src/base/thread.h"
#include "src/base/url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    auto_arena arena;
    arena_init(&arena);
    struct str text = str_make((const char *)data, size);
    struct url url, shown_url;
    struct error err = {0};
    int rc = url_parse(text, &arena, &url, &err);
    struct str shown = url_redact(text, &arena);
    invariant(rc == 0 || err.text[0] != '\0');
    if (rc == 0) {
        invariant(url_parse(shown, &arena, &shown_url, NULL) == 0);
        invariant(str_eq(url.host, shown_url.host) && url.port == shown_url.port);
        invariant(shown_url.password.len == 0 || str_is(shown_url.password, "***"));
        (void)url_query_get(&url, STR("db"), &arena);
    }
    invariant(str_eq(url_decode(url_encode(text, &arena), true, &arena), text));
    return 0;
}
