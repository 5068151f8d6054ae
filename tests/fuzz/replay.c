/* Runs a fuzz target over the files of a corpus folder (and built-in edge inputs), for compilers without libFuzzer. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    if (!f) {
        return -1;
    }
    static uint8_t data[1 << 20];
    size_t n = fread(data, 1, sizeof(data), f);
    fclose(f);
    uint8_t *copy = malloc(n ? n : 1); /* exact size, so that ASan sees reads past the end */
    if (!copy) {
        return -1;
    }
    for (size_t i = 0; i < n; i++) {
        copy[i] = data[i];
    }
    LLVMFuzzerTestOneInput(copy, n);
    /* Each prefix is an input too: truncation is the commonest damage. */
    for (size_t cut = 1; cut < n && cut < 4096; cut += 1 + n / 64) {
        LLVMFuzzerTestOneInput(copy, cut);
    }
    free(copy);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: %s CORPUS_DIR\n", argv[0]);
        return 2;
    }
    uint8_t none = 0;
    LLVMFuzzerTestOneInput(&none, 0);
    DIR *dir = opendir(argv[1]);
    if (!dir) {
        perror(argv[1]);
        return 2;
    }
    int count = 0;
    for (struct dirent *entry; (entry = readdir(dir));) {
        char path[4096];
        if (entry->d_name[0] == '.' ||
            snprintf(path, sizeof(path), "%s/%s", argv[1], entry->d_name) >= (int)sizeof(path)) {
            continue;
        }
        if (replay_file(path) == 0) {
            count++;
        }
    }
    closedir(dir);
    printf("%d inputs replayed\n", count);
    return count == 0;
}
