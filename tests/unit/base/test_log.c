#include "src/base/clock.h"
#include "src/base/log.h"
#include "src/base/mem.h"
#include "tests/support/test.h"

#include <stdio.h>
#include <unistd.h>

/* What `write_lines` sends to stderr. */
static char *capture(void (*write_lines)(void))
{
    int ends[2], saved = dup(STDERR_FILENO);
    assert_int_equal(pipe(ends), 0);
    dup2(ends[1], STDERR_FILENO);
    close(ends[1]);
    clock_fake(1700000000123, 0);
    write_lines();
    clock_real();
    dup2(saved, STDERR_FILENO);
    close(saved);
    char *text = mem_zalloc(65536);
    size_t len = 0;
    for (ssize_t n; (n = read(ends[0], text + len, 65535 - len)) > 0;) {
        len += (size_t)n;
    }
    close(ends[0]);
    return text;
}

static void write_pairs(void)
{
    log_warn("redis: connect failed", KV_STR("target", "main"), KV_INT("errno", 111), KV_DOUBLE("s", 0.25));
    log_info("x: y", KV_STR("a", "two words"), KV_STR("b", ""), KV_STR("c", "q\"\\\n\x01"), KV_S("d", STR("k=v")),
             KV_S("e", STR("\xff"
                           "é")),
             KV_STR("f", NULL));
    log_debug("not shown", KV_INT("n", 1));
}

static void lines_hold_time_level_message_and_pairs(void **state)
{
    (void)state;
    auto_free char *text = capture(write_pairs);
    assert_string_equal(text,
                        "2023-11-14T22:13:20.123Z warn redis: connect failed target=main errno=111 s=0.25\n"
                        "2023-11-14T22:13:20.123Z info x: y a=\"two words\" b=\"\" c=\"q\\\"\\\\\\n\\x01\" d=\"k=v\" "
                        "e=\"\\xffé\" f=\"\"\n");
}

static void write_long(void)
{
    char value[5000];
    memset(value, 'x', sizeof(value));
    value[4999] = '\0';
    log_error("long", KV_STR("a", value), KV_STR("b", value), KV_STR("c", value), KV_STR("d", value),
              KV_STR("e", value), KV_STR("f", value), KV_STR("g", value), KV_STR("h", value), KV_STR("i", value));
    log_error("next", KV_INT("n", 1));
}

static void long_lines_are_cut_and_still_end(void **state)
{
    (void)state;
    auto_free char *text = capture(write_long);
    char *second = strchr(text, '\n');
    assert_non_null(second);
    assert_true(second - text <= 8192);
    assert_non_null(strstr(second, "error next n=1\n"));
    assert_non_null(strstr(text, "xxx... b=xxx"));
}

static void levels_are_named(void **state)
{
    (void)state;
    enum log_level level = LOG_INFO;
    assert_true(log_level_parse(STR("debug"), &level) && level == LOG_DEBUG);
    assert_true(log_level_parse(STR("error"), &level) && level == LOG_ERROR);
    assert_false(log_level_parse(STR("loud"), &level));
    log_set_level(LOG_ERROR);
    auto_free char *text = capture(write_pairs);
    assert_string_equal(text, "");
    log_set_level(LOG_INFO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_hold_time_level_message_and_pairs),
        cmocka_unit_test(long_lines_are_cut_and_still_end),
        cmocka_unit_test(levels_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
