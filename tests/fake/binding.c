/*
 * A VBoxXPCOMC.so that is of another VirtualBox: its table of functions has the edition and the version that it is compiled with, and its
 * objects say that they have no interface that they are asked for.
 */
#include <stddef.h>
#include <stdint.h>

#ifndef EDITION
#define EDITION 0x00040001u
#endif
#ifndef VERSION
#define VERSION 7002022u
#endif

static uint32_t no_interface(void *object, const void *id, void **result)
{
    *result = NULL;
    return 0x80004002u;
}

static uint32_t count(void *object)
{
    return 1;
}

static uint32_t never(void *object)
{
    /* A method was called of an interface that is not there. */
    __builtin_trap();
}

static void *const methods[] = {no_interface, count, count, never, never, never, never, never};
static void *const *object = methods;

static unsigned version(void)
{
    return VERSION;
}

static uint32_t initialize(const char *id, void **client)
{
    *client = &object;
    return 0;
}

static void nothing(void)
{
}

static uint32_t exception(void **result)
{
    *result = NULL;
    return 0;
}

static const struct {
    unsigned size, edition;
    const void *functions[40];
} table = {
    sizeof table,
    EDITION,
    {[0] = version, [2] = initialize, [5] = nothing, [8] = nothing, [21] = exception, [22] = nothing},
};

const void *VBoxGetXPCOMCFunctions(unsigned edition)
{
    return edition >> 16 == EDITION >> 16 ? &table : NULL;
}
