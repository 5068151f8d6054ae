#include "src/base/processors.h"
#include "tests/support/test.h"

#include <ftw.h>
#include <sys/stat.h>

static char folder[64];

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static int make_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof(folder), "/tmp/cloche-processors-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    return nftw(folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

static void write_file(const char *name, const char *text)
{
    char path[200];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void make(const char *name)
{
    char path[200];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    assert_int_equal(mkdir(path, 0700), 0);
}

static unsigned limit(const char *self)
{
    char path[200];
    write_file("self", self);
    snprintf(path, sizeof(path), "%s/self", folder);
    return processors_of_group(path, folder);
}

static void the_least_limit_on_the_way_up_counts(void **state)
{
    (void)state;
    assert_int_equal(limit("0::/\n"), 0);
    write_file("cpu.max", "max 100000\n"); /* in a container its own group is the root that it sees */
    assert_int_equal(limit("0::/\n"), 0);
    write_file("cpu.max", "250000 100000\n");
    assert_int_equal(limit("0::/\n"), 2);
    write_file("cpu.max", "50000 100000\n");
    assert_int_equal(limit("0::/\n"), 1);
    write_file("cpu.max", "800000 100000\n");
    make("system.slice");
    make("system.slice/cloche.service");
    write_file("system.slice/cpu.max", "300000 100000\n");
    assert_int_equal(limit("1:cpu:/x\n0::/system.slice/cloche.service\n"), 3);
    write_file("system.slice/cloche.service/cpu.max", "200000 100000\n");
    assert_int_equal(limit("0::/system.slice/cloche.service\n"), 2);
    write_file("system.slice/cloche.service/cpu.max", "max 100000\n");
    assert_int_equal(limit("0::/system.slice/cloche.service\n"), 3);
    assert_int_equal(limit("0::/gone/away"), 8);
}

static void nonsense_limits_nothing(void **state)
{
    (void)state;
    const char *const texts[] = {"", "\n", "max", "100000", "100000 0", "0 100000", "x y", "-"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        write_file("cpu.max", texts[i]);
        assert_int_equal(limit("0::/\n"), 0);
    }
    write_file("cpu.max", "100000 100000");
    assert_int_equal(limit("1:cpu:/\n"), 0); /* version 1 */
    assert_int_equal(limit(""), 0);
    assert_int_equal(processors_of_group("/nowhere", folder), 0);
}

static void there_is_always_one(void **state)
{
    (void)state;
    assert_true(processors_usable() >= 1);
    assert_int_equal(processors_usable(), processors_usable());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_least_limit_on_the_way_up_counts, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(nonsense_limits_nothing, make_folder, remove_folder),
        cmocka_unit_test(there_is_always_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
