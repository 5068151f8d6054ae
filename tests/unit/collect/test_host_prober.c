#include "src/collect/host/host_prober.h"
#include "tests/support/test.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>

/* Any path that begins with /dead hangs until it is let go. */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static bool let_go;
static int hanging;

static int fake_statfs(const char *path, struct host_fs *out)
{
    pthread_mutex_lock(&mutex);
    if (strncmp(path, "/dead", 5) == 0) {
        hanging++;
        pthread_cond_broadcast(&changed);
        while (!let_go) {
            pthread_cond_wait(&changed, &mutex);
        }
        hanging--;
        pthread_cond_broadcast(&changed);
    }
    pthread_mutex_unlock(&mutex);
    if (strcmp(path, "/missing") == 0) {
        return -ENOENT;
    }
    out->size = (double)strlen(path);
    return 0;
}

static int setup(void **state)
{
    (void)state;
    let_go = false;
    return 0;
}

static void release_hanging(void)
{
    pthread_mutex_lock(&mutex);
    let_go = true;
    pthread_cond_broadcast(&changed);
    while (hanging) {
        pthread_cond_wait(&changed, &mutex);
    }
    pthread_mutex_unlock(&mutex);
}

static void answers_and_errors_come_back(void **state)
{
    (void)state;
    struct host_fs fs = {0};
    struct host_prober *prober = host_prober_new(fake_statfs);
    assert_int_equal(host_prober_ask(prober, "/four", 5000, &fs), 0);
    assert_true(fs.size == 5);
    assert_int_equal(host_prober_ask(prober, "/missing", 5000, &fs), -ENOENT);
    host_prober_free(prober);
}

static void a_dead_mount_harms_only_itself(void **state)
{
    (void)state;
    struct host_fs fs = {0};
    struct host_prober *prober = host_prober_new(fake_statfs);
    assert_int_equal(host_prober_ask(prober, "/dead", 20, &fs), ERR_TIMEOUT);
    assert_int_equal(host_prober_ask(prober, "/alive", 5000, &fs), 0);
    assert_true(fs.size == 6);
    /* known as stuck: answered without another thread */
    assert_int_equal(host_prober_ask(prober, "/dead", 5000, &fs), ERR_TIMEOUT);
    pthread_mutex_lock(&mutex);
    assert_int_equal(hanging, 1);
    pthread_mutex_unlock(&mutex);
    release_hanging();
    int rc = ERR_TIMEOUT;
    for (int i = 0; i < 100000 && rc == ERR_TIMEOUT; i++) { /* its helper reports back in its own time */
        rc = host_prober_ask(prober, "/dead", 5000, &fs);
        sched_yield();
    }
    assert_int_equal(rc, 0);
    host_prober_free(prober);
}

static void threads_left_behind_are_bounded(void **state)
{
    (void)state;
    struct host_fs fs = {0};
    struct host_prober *prober = host_prober_new(fake_statfs);
    char path[32];
    for (int i = 0; i < HOST_STUCK_MAX; i++) {
        snprintf(path, sizeof(path), "/dead/%d", i);
        assert_int_equal(host_prober_ask(prober, path, 1, &fs), ERR_TIMEOUT);
    }
    assert_int_equal(host_prober_ask(prober, "/alive", 5000, &fs), ERR_TIMEOUT);
    host_prober_free(prober); /* with all of them hanging */
    release_hanging();
}

static void the_real_root_has_a_size(void **state)
{
    (void)state;
    struct host_fs fs = {0};
    struct host_prober *prober = host_prober_new(NULL);
    assert_int_equal(host_prober_ask(prober, "/", 5000, &fs), 0);
    assert_true(fs.size > 0);
    assert_int_equal(host_prober_ask(prober, "/nonexistent", 5000, &fs), -ENOENT);
    host_prober_free(prober);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(answers_and_errors_come_back, setup),
        cmocka_unit_test_setup(a_dead_mount_harms_only_itself, setup),
        cmocka_unit_test_setup(threads_left_behind_are_bounded, setup),
        cmocka_unit_test_setup(the_real_root_has_a_size, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
