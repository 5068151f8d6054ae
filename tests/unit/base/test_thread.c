#include "src/base/thread.h"
#include "tests/support/test.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* Runs fn in a process of its own; the signal that ended it, or 0. */
static int signal_of(void (*fn)(void))
{
    pid_t pid = fork();
    if (pid == 0) {
        setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
        close(STDERR_FILENO);
        signal(SIGABRT, SIG_DFL);
        fn();
        _exit(0);
    }
    int status = 0;
    waitpid(pid, &status, 0);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void assert_unclaimed(void)
{
    loop_assert();
}

static void assert_own(void)
{
    loop_claim();
    loop_assert();
}

static void *assert_on_thread(void *arg)
{
    loop_assert();
    return arg;
}

static void assert_foreign(void)
{
    pthread_t thread;
    loop_claim();
    pthread_create(&thread, NULL, assert_on_thread, NULL);
    pthread_join(thread, NULL);
}

static void break_invariant(void)
{
    invariant(1 + 1 == 3);
}

static void only_the_thread_that_claimed_the_loop_passes(void **state)
{
    (void)state;
    assert_int_equal(signal_of(assert_unclaimed), 0);
    assert_int_equal(signal_of(assert_own), 0);
    assert_int_equal(signal_of(assert_foreign), SIGABRT);
}

static void a_broken_invariant_ends_the_process(void **state)
{
    (void)state;
    assert_int_equal(signal_of(break_invariant), SIGABRT);
}

static void thread_names_are_cut_to_what_linux_takes(void **state)
{
    (void)state;
    char name[32] = "";
    thread_set_name("a-name-longer-than-fifteen");
    assert_int_equal(pthread_getname_np(pthread_self(), name, sizeof(name)), 0);
    assert_string_equal(name, "a-name-longer-t");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_the_thread_that_claimed_the_loop_passes),
        cmocka_unit_test(a_broken_invariant_ends_the_process),
        cmocka_unit_test(thread_names_are_cut_to_what_linux_takes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
