#include "src/base/str.h"
#include "src/loop/late.h"
#include "src/loop/late_curl.h"
#include "src/loop/late_openssl.h"
#include "src/loop/late_pq.h"
#include "tests/support/test.h"

static void the_libraries_have_what_is_asked_of_them(void **state)
{
    (void)state;
    struct error err = {0};
    assert_int_equal(curl_open(&err), 0);
    assert_int_equal(pq_open(&err), 0);
    assert_int_equal(openssl_open(&err), 0);
    assert_int_equal(openssl_open(&err), 0);
    assert_non_null(curl.curl_easy_strerror(CURLE_OK));
    assert_int_equal(pq.PQstatus(NULL), CONNECTION_BAD);
    assert_non_null(openssl.TLS_client_method());
}

static void a_missing_library_names_its_package(void **state)
{
    (void)state;
    struct error err = {0};
    struct late_library library = {.file = "libnowhere.so.7", .package = "libnowhere7"};
    assert_int_equal(late_open(&library, NULL, &err), ERR_UNSUPPORTED);
    assert_true(str_starts(str_of(err.text), STR("a library is missing, install Debian's package libnowhere7: "
                                                 "libnowhere.so.7")));
}

static void a_library_without_a_function_is_refused(void **state)
{
    (void)state;
    struct error err = {0};
    void *pointers[2] = {0};
    const struct late_function functions[] = {{"strlen", 0}, {"no_such_function", sizeof(void *)}};
    struct late_library library = {"libc.so.6", "libc6", functions, 2, false};
    assert_int_equal(late_open(&library, pointers, &err), ERR_UNSUPPORTED);
    assert_string_equal(err.text, "libc.so.6 has no no_such_function: install Debian's package libc6");
    assert_false(library.open);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_libraries_have_what_is_asked_of_them),
        cmocka_unit_test(a_missing_library_names_its_package),
        cmocka_unit_test(a_library_without_a_function_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
