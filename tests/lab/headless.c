/*
 * VBoxHeadless without the kernel driver.
 *
 * The packaged VBoxHeadless is a hardened start-up stub that insists on /dev/vboxdrv; the program itself is
 * VBoxHeadless.so. This one does what VirtualBox's own unit tests do: it initialises the runtime in driverless mode,
 * in which the CPU is interpreted, and calls the program. tests/lab/setup.sh puts it in the stub's place, inside the
 * laboratory's root only.
 */
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>

#define HOME "/usr/lib/virtualbox/"

/* SUPR3INIT_F_UNRESTRICTED, SUPR3INIT_F_DRIVERLESS, SUPR3INIT_F_DRIVERLESS_IEM_ALLOWED (VBox/sup.h) */
enum { UNRESTRICTED = 1, DRIVERLESS = 4, IEM_ALLOWED = 8 };

static void *symbol(void *library, const char *name)
{
    void *found = library ? dlsym(library, name) : NULL;
    if (!found)
        fprintf(stderr, "VBoxHeadless: %s\n", dlerror());
    return found;
}

int main(int argc, char **argv, char **envp)
{
    void *runtime = dlopen(HOME "VBoxRT.so", RTLD_NOW | RTLD_GLOBAL);
    int (*init)(int, char ***, uint32_t) = symbol(runtime, "RTR3InitExe");
    int (*support)(uint32_t, void **) = symbol(runtime, "SUPR3InitEx");
    if (!init || !support)
        return 1;
    int rc = init(argc, &argv, 0);
    void *session = NULL;
    if (rc >= 0)
        rc = support(UNRESTRICTED | DRIVERLESS | IEM_ALLOWED, &session);
    if (rc < 0) {
        fprintf(stderr, "VBoxHeadless: driverless start-up failed: %d\n", rc);
        return 1;
    }
    void *program = dlopen(HOME "VBoxHeadless.so", RTLD_NOW | RTLD_GLOBAL);
    int (*trusted_main)(int, char **, char **) = symbol(program, "TrustedMain");
    return trusted_main ? trusted_main(argc, argv, envp) : 1;
}
