/* Property: whatever the text, what the writer makes of it is JSON; valid UTF-8 comes back as it was. */
#include "src/base/codec.h"
#include "src/base/json_writer.h"
#include "src/base/thread.h"

#include <jansson.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = str_make((const char *)data, size);
    auto_buf out;
    struct json_writer w;
    double number = 0;
    memcpy(&number, data, size < sizeof(number) ? size : sizeof(number));
    buf_init(&out, size * 12 + 1000);
    json_init(&w, &out);
    json_begin_array(&w);
    json_str(&w, text);
    json_begin_object(&w);
    json_key(&w, text);
    json_double(&w, number);
    json_end_object(&w);
    json_sample_value(&w, number);
    json_seconds(&w, (int64_t)size);
    json_end_array(&w);
    invariant(!out.failed);

    json_error_t error;
    json_t *root = json_loadb(out.p, out.len, JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, &error);
    /* jansson refuses NUL in keys: its limit, not ours. */
    if (!root) {
        invariant(str_find_char(text, '\0') >= 0);
        return 0;
    }
    const json_t *first = json_array_get(root, 0);
    struct str back = str_make(json_string_value(first), json_string_length(first));
    invariant(utf8_valid(back));
    invariant(!utf8_valid(text) || str_eq(back, text));
    json_decref(root);
    return 0;
}
