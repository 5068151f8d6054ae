#include "src/base/codec.h"
#include "src/base/error.h"
#include "tests/support/test.h"

#include <errno.h>

static void errors_carry_code_place_and_text(void **state)
{
    (void)state;
    struct error err = {0};
    assert_int_equal(error_set_at(&err, ERR_PARSE, 3, 14, "unknown key '%s'", "prot"), ERR_PARSE);
    assert_int_equal(err.line, 3);
    assert_int_equal(err.column, 14);
    assert_int_equal(error_prefix(&err, "rules/%s.yml", "redis"), ERR_PARSE);
    assert_string_equal(err.text, "rules/redis.yml: unknown key 'prot'");
    assert_int_equal(err.line, 3);
    assert_int_equal(error_set(&err, -EIO, "%s again", err.text), -EIO); /* its own text as argument */
    assert_string_equal(err.text, "rules/redis.yml: unknown key 'prot' again");
    assert_int_equal(err.line, 0);
    assert_int_equal(error_set(NULL, ERR_TYPE, "x"), ERR_TYPE);
    assert_int_equal(error_set_at(NULL, ERR_TYPE, 1, 1, "x"), ERR_TYPE);
    assert_int_equal(error_prefix(NULL, "x"), 0);
}

static void long_texts_are_cut_between_characters(void **state)
{
    (void)state;
    char text[400];
    for (size_t shift = 0; shift < 3; shift++) {
        memset(text, 'a', sizeof(text));
        for (size_t i = shift; i + 3 < sizeof(text); i += 3) {
            memcpy(text + i, "€", 3);
        }
        text[399] = '\0';
        struct error err;
        error_set(&err, ERR_PARSE, "%s", text);
        assert_in_range(strlen(err.text), 253, 255);
        assert_true(utf8_valid(str_of(err.text)));
        error_prefix(&err, "%s", "prefix");
        assert_true(utf8_valid(str_of(err.text)));
    }
}

static void every_code_has_a_text(void **state)
{
    (void)state;
    assert_string_equal(error_text(0), "success");
    assert_string_equal(error_text(ERR_TIMEOUT), "timed out");
    assert_string_equal(error_text(-ENOENT), "No such file or directory");
    assert_string_equal(error_text(-99999), "unknown error");
    assert_string_equal(error_text(-3000), "unknown error");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(errors_carry_code_place_and_text),
        cmocka_unit_test(long_texts_are_cut_between_characters),
        cmocka_unit_test(every_code_has_a_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
