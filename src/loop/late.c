#include "src/loop/late.h"

#include <dlfcn.h>
#include <string.h>

int late_open(struct late_library *library, void *functions, struct error *err)
{
    if (library->open) {
        return 0;
    }
    void *handle = dlopen(library->file, RTLD_NOW | RTLD_LOCAL);
    if (!handle) {
        return error_set(err, ERR_UNSUPPORTED, "a library is missing, install Debian's package %s: %s",
                         library->package, dlerror());
    }
    for (size_t i = 0; i < library->count; i++) {
        const struct late_function *function = &library->functions[i];
        void *p = dlsym(handle, function->name);
        if (!p) {
            dlclose(handle);
            return error_set(err, ERR_UNSUPPORTED, "%s has no %s: install Debian's package %s", library->file,
                             function->name, library->package);
        }
        memcpy((char *)functions + function->offset, &p, sizeof(p));
    }
    library->open = true;
    return 0;
}
