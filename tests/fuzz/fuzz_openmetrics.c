/* Exposition text, first byte: the format. What was read can be written, and reads back to the same samples. */
#include "src/base/thread.h"
#include "src/model/openmetrics.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_again(const struct text_line *line)
{
    struct text_reader second;
    struct text_line again = {0};
    struct buf series, text;
    struct error err = {0};
    text_reader_init(&second, TEXT_OPENMETRICS);
    buf_init(&series, TEXT_LINE_MAX);
    buf_init(&text, TEXT_LINE_MAX + 128);
    if (line->kind == TEXT_SAMPLE) {
        text_write_series(line->labels, &series);
        text_write_sample(buf_str(&series), line->t_ms, line->value, &text);
        invariant(text.len && !text.failed);
        invariant(memchr(text.p, '\n', text.len) == text.p + text.len - 1);
        invariant(text_reader_line(&second, str_slice(buf_str(&text), 0, text.len - 1), &again, &err) == 0);
        invariant(again.kind == TEXT_SAMPLE && labels_eq(again.labels, line->labels));
        invariant(again.t_ms == line->t_ms && sample_bits(again.value) == sample_bits(line->value));
    } else if (line->kind == TEXT_HELP && line->help.len) {
        text_write_family(line->name, METRIC_GAUGE, line->help, &text);
        struct str rest = buf_str(&text);
        (void)str_split(&rest, '\n');
        invariant(text_reader_line(&second, str_split(&rest, '\n'), &again, &err) == 0);
        invariant(again.kind == TEXT_HELP && str_eq(again.name, line->name) && str_eq(again.help, line->help));
    }
    buf_release(&series);
    buf_release(&text);
    text_reader_release(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    struct str text = str_make((const char *)data + 1, size - 1);
    struct text_reader reader;
    text_reader_init(&reader, (enum text_format)(data[0] % 3));
    while (text.len) {
        struct text_line line = {0};
        struct error err = {0};
        struct str one = str_split(&text, '\n');
        if (one.len < 65536 && text_reader_line(&reader, one, &line, &err) == 0) {
            check_again(&line);
        }
    }
    text_reader_release(&reader);
    return 0;
}
