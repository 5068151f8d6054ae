/*
 * Request parameters: form text to pairs, then each value as time, duration and limit.
 * Properties: pairs written out encoded and read again are the same; a duration printed and read again is the same;
 * every time accepted can be added to another without overflow.
 */
#include "src/base/buf.h"
#include "src/base/clock.h"
#include "src/base/thread.h"
#include "src/base/url.h"
#include "web/api/param.h"
#include "web/server/form.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_round_trip(const struct form *form, struct arena *arena)
{
    auto_buf text;
    buf_init(&text, 64u << 20);
    for (size_t i = 0; i < form->pairs.len; i++) {
        const struct form_pair *pair = &form->pairs.p[i];
        buf_add(&text, url_encode(pair->name, arena));
        buf_add_char(&text, '=');
        buf_add(&text, url_encode(pair->value, arena));
        buf_add_char(&text, '&');
    }
    struct form again = {0};
    invariant(form_parse(buf_str(&text), arena, &again, NULL) == 0);
    invariant(again.pairs.len == form->pairs.len);
    for (size_t i = 0; i < again.pairs.len; i++) {
        invariant(str_eq(again.pairs.p[i].name, form->pairs.p[i].name));
        invariant(str_eq(again.pairs.p[i].value, form->pairs.p[i].value));
    }
    form_release(&again);
}

static void check_duration(struct str text)
{
    int64_t ms, again;
    if (param_duration(text, &ms, NULL)) {
        return;
    }
    invariant(ms > TIME_MIN_MS && ms < TIME_MAX_MS);
    if (ms >= 0) {
        auto_buf printed;
        buf_init(&printed, 256);
        duration_format(ms, &printed);
        invariant(duration_parse(buf_str(&printed), &again) && again == ms);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    auto_arena arena;
    arena_init(&arena);
    struct form form = {0};
    struct error err = {0};
    int rc = form_parse(str_make((const char *)data, size), &arena, &form, &err);
    invariant(rc == 0 || err.text[0]);
    if (rc == 0) {
        check_round_trip(&form, &arena);
    }
    for (size_t i = 0; i < form.pairs.len; i++) {
        const struct form_pair *pair = &form.pairs.p[i];
        int64_t ms;
        uint64_t limit;
        if (param_time(pair->value, &ms, &err) == 0) {
            invariant(ms >= TIME_MIN_MS && ms <= TIME_MAX_MS);
        }
        (void)!param_limit(pair->value, &limit, &err);
        check_duration(pair->value);
    }
    form_release(&form);
    return 0;
}
