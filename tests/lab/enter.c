/*
 * Runs a program of the laboratory as if it were installed here.
 *
 * Called as VBoxManage or VBoxSVC it becomes that program of /usr/lib/virtualbox inside the laboratory's root; called
 * as `enter /PATH/OF/PROGRAM ARGUMENT...` it becomes any program there, and called as `bring /PATH/OF/PROGRAM ARGUMENT...`
 * a program of out here, with the libraries of in there: it needs no newer ones than those. Environment, open files and
 * process id stay, and so does the working directory where it exists inside. What VBOX_APP_HOME says is said of inside.
 *
 * Its cost is part of every measurement, hence no C library: system calls alone take 0.04 ms, a static program with
 * glibc takes 0.7 ms, and a shell script several.
 *
 * NAMESPACE and ROOT are given by tests/lab/setup.sh, which compiles it.
 */
#include <asm/unistd.h>
#include <linux/fcntl.h>
#include <linux/limits.h>
#include <linux/sched.h>

#define PROGRAMS "/usr/lib/virtualbox/"

static long call(long number, long a, long b, long c)
{
    long result;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c)
                     : "rcx", "r11", "memory");
    return result;
}

static long call5(long number, long a, long b, long c, long d, long e)
{
    long result;
    register long fourth __asm__("r10") = d;
    register long fifth __asm__("r8") = e;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(fourth), "r"(fifth)
                     : "rcx", "r11", "memory");
    return result;
}

static long length(const char *text)
{
    long n = 0;
    while (text[n])
        n++;
    return n;
}

static void say(const char *text)
{
    call(__NR_write, 2, (long)text, length(text));
}

static void fail(const char *what)
{
    say("lab: cannot enter ");
    say(what);
    say(" (run tests/lab/setup.sh)\n");
    call(__NR_exit_group, 126, 0, 0);
}

static int begins(const char *text, const char *with)
{
    while (*with)
        if (*text++ != *with++)
            return 0;
    return 1;
}

static void become(const char *path, char **arguments, char **environment)
{
    call(__NR_execve, (long)path, (long)arguments, (long)environment);
    fail(path);
}

__attribute__((used)) static void start(long *stack)
{
    long count = *stack;
    char **arguments = (char **)(stack + 1), **environment = arguments + count + 1;
    char directory[PATH_MAX], path[sizeof PROGRAMS + NAME_MAX] = PROGRAMS;

    const char *name = arguments[0];
    for (const char *at = name; *at; at++)
        if (*at == '/')
            name = at + 1;

    long brought = -1;
    if (name[0] == 'b' && count > 1) {
        brought = call(__NR_open, (long)arguments[1], O_RDONLY | O_CLOEXEC, 0);
        if (brought < 0)
            fail(arguments[1]);
        for (char **variable = environment; *variable; variable++)
            if (begins(*variable, "VBOX_APP_HOME="))
                *variable = "VBOX_APP_HOME=" PROGRAMS;
    }

    long here = call(__NR_getcwd, (long)directory, sizeof directory, 0);
    long mounts = call(__NR_open, (long)NAMESPACE, O_RDONLY | O_CLOEXEC, 0);
    if (mounts < 0 || call(__NR_setns, mounts, CLONE_NEWNS, 0) < 0)
        fail(NAMESPACE);
    if (call(__NR_chroot, (long)ROOT, 0, 0) < 0)
        fail(ROOT);
    if (here <= 0 || directory[0] != '/' || call(__NR_chdir, (long)directory, 0, 0) < 0)
        call(__NR_chdir, (long)"/", 0, 0);

    if (brought >= 0) {
        call5(__NR_execveat, brought, (long)"", (long)(arguments + 1), (long)environment, AT_EMPTY_PATH);
        fail(arguments[1]);
    }
    if (name[0] == 'e' && count > 1)
        become(arguments[1], arguments + 1, environment);

    long end = sizeof PROGRAMS - 1;
    for (long i = 0; name[i] && i < NAME_MAX; i++)
        path[end++] = name[i];
    path[end] = 0;
    arguments[0] = path;
    become(path, arguments, environment);
}

__asm__(".globl _start\n"
        "_start:\n"
        "    xor %ebp, %ebp\n"
        "    mov %rsp, %rdi\n"
        "    and $-16, %rsp\n"
        "    call start\n");
