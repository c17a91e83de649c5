/*
 * fail_nth.c - a library for LD_PRELOAD: the Nth call of a kind fails in an unchanged program
 *
 *     FAIL_KIND=alloc FAIL_NTH=17 FAIL_LOG=calls LD_PRELOAD=.../fail_nth.so gapscope top run.db
 *
 * FAIL_KIND names what fails, and how:
 *
 *     alloc    malloc, calloc, realloc, aligned_alloc, posix_memalign; also those of libraries
 *     thread   pthread_create (EAGAIN)          mmap    mmap of a file (ENOMEM)
 *     write    write, pwrite, writev (ENOSPC)   short   the same write half of what they are given
 *     read     read, pread, readdir (EIO)             sync    fsync, fdatasync (EIO)
 *     create   open for writing, mkdir (EACCES) open    open for reading (EMFILE)
 *     rename   rename (EIO)                     unlink  unlink (EIO)
 *     truncate ftruncate (EIO)                  close   close (EIO; the file is closed)
 *
 * Or nothing fails, and a signal comes: SIGTERM, SIGINT; its calls are those of alloc.
 *
 * FAIL_NTH=N fails the Nth call, FAIL_NTH=N+ that and all that follow, 0 none.  Calls are counted
 * over all threads from the start of main().  FAIL_LOG is a file: struct fail_log, kept up to date
 * as the program runs, so that it also tells about one that crashed.  FAIL_SITES=1 fills in the
 * numbers of calls that came from a place in the program (a stack) which none before it came from.
 *
 * System calls are caught by a seccomp filter, so those of stdio, SQLite and zlib fail as well.
 * Writes to standard error never fail.  Without a filter (a kernel that has none, another
 * processor) the program exits with status 77.
 */
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <link.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <ucontext.h>
#include <unistd.h>

enum { MAX_SITES = 1 << 16, MAX_FRAMES = 48, OWN_FRAMES = 6 };

struct fail_log {
    _Atomic uint64_t calls;  // of this kind
    _Atomic uint64_t failed; // how many of them
    _Atomic uint64_t n_sites;
    uint64_t site[MAX_SITES]; // numbers of calls, ascending
};

static struct fail_log private_log, *fails = &private_log;
static uint64_t nth;
static bool from_nth_on, want_sites, trace;
static const char *kind = "";
static atomic_bool started;
static __thread bool inside; // what backtrace() itself allocates is not counted

static bool is(const char *name)
{
    return strcmp(kind, name) == 0;
}

// --- which call this is -------------------------------------------------------------------------

static _Atomic uint64_t stacks[4 * MAX_SITES]; // hashes; a table with open addressing

static uintptr_t program_begin, program_end, library_begin, library_end;

/* Where the program and this library lie in memory. */
static int find_object(struct dl_phdr_info *info, size_t size, void *n_seen)
{
    (void)size;
    int *n = n_seen;
    uintptr_t begin = UINTPTR_MAX, end = 0;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *h = &info->dlpi_phdr[i];
        if (h->p_type == PT_LOAD) {
            const uintptr_t from = info->dlpi_addr + h->p_vaddr;
            begin = from < begin ? from : begin;
            end = from + h->p_memsz > end ? from + h->p_memsz : end;
        }
    }
    if ((*n)++ == 0) { // the program comes first
        program_begin = begin;
        program_end = end;
    } else if (begin <= (uintptr_t)find_object && (uintptr_t)find_object < end) {
        library_begin = begin;
        library_end = end;
    }
    return 0;
}

/* A place is the function that calls, and the innermost functions of the program behind it. */
static void note_site(uint64_t number)
{
    void *frames[MAX_FRAMES];
    const int n = backtrace(frames, MAX_FRAMES);
    uint64_t hash = 14695981039346656037u;
    int own = 0;
    bool leaf = true; // who calls this library
    for (int i = 1; i < n && own < OWN_FRAMES; i++) {
        const uintptr_t at = (uintptr_t)frames[i];
        const bool of_program = at - program_begin < program_end - program_begin;
        if (at - library_begin < library_end - library_begin || (!leaf && !of_program)) {
            continue;
        }
        leaf = false;
        own += of_program;
        hash = (hash ^ at) * 1099511628211u;
        hash ^= hash >> 29;
    }
    hash |= 1; // 0 is an empty place
    for (size_t i = 0; i < 4 * MAX_SITES; i++) {
        _Atomic uint64_t *at = &stacks[(hash + i) % (4 * MAX_SITES)];
        uint64_t there = 0;
        if (atomic_compare_exchange_strong(at, &there, hash)) {
            const uint64_t k = fails->n_sites++;
            if (k < MAX_SITES) {
                fails->site[k] = number;
            }
            return;
        }
        if (there == hash) {
            return;
        }
    }
}

/* Counts a call; whether it has to fail. */
static bool count_call(void)
{
    if (!started || inside) {
        return false;
    }
    const uint64_t number = ++fails->calls;
    if (want_sites) {
        inside = true;
        note_site(number);
        inside = false;
    }
    const bool fail = nth && (number == nth || (from_nth_on && number > nth));
    if (fail) {
        fails->failed++;
        if (trace) {
            inside = true;
            void *frames[MAX_FRAMES];
            backtrace_symbols_fd(frames, backtrace(frames, MAX_FRAMES), STDERR_FILENO);
            inside = false;
        }
    }
    return fail;
}

// --- allocations --------------------------------------------------------------------------------

static void *(*next_malloc)(size_t);
static void *(*next_calloc)(size_t, size_t);
static void *(*next_realloc)(void *, size_t);
static void *(*next_aligned_alloc)(size_t, size_t);
static int (*next_posix_memalign)(void **, size_t, size_t);
static void (*next_free)(void *);
static bool fail_allocations;
static int signal_number; // that comes in place of a failure, or 0

// dlsym() may allocate before it has found malloc().
static _Alignas(64) unsigned char early[1 << 16];
static size_t early_used;

static void *early_alloc(size_t size)
{
    const size_t at = (early_used + 63) / 64 * 64;
    if (size > sizeof early - at) {
        abort();
    }
    early_used = at + size;
    return early + at;
}

static bool is_early(const void *p)
{
    return (uintptr_t)p >= (uintptr_t)early && (uintptr_t)p < (uintptr_t)(early + sizeof early);
}

#define FIND(name)                                                                                 \
    do {                                                                                           \
        void *symbol = dlsym(RTLD_NEXT, #name);                                                    \
        memcpy(&next_##name, &symbol, sizeof symbol);                                              \
    } while (0)

static bool found(void)
{
    static bool looking;
    if (next_malloc || looking) {
        return next_malloc != NULL;
    }
    looking = true;
    FIND(calloc);
    FIND(realloc);
    FIND(aligned_alloc);
    FIND(posix_memalign);
    FIND(free);
    FIND(malloc);
    return next_malloc != NULL;
}

static bool out_of_memory(void)
{
    if (!fail_allocations || !count_call()) {
        return false;
    }
    if (signal_number) {
        kill(getpid(), signal_number);
        return false;
    }
    errno = ENOMEM;
    return true;
}

void *malloc(size_t size)
{
    if (!found()) {
        return early_alloc(size);
    }
    return out_of_memory() ? NULL : next_malloc(size);
}

void *calloc(size_t n, size_t size)
{
    if (!found()) {
        return early_alloc(n * size); // static memory is zero
    }
    return out_of_memory() ? NULL : next_calloc(n, size);
}

void *realloc(void *p, size_t size)
{
    if (!found() || is_early(p)) {
        void *bigger = malloc(size);
        const size_t left = p ? (size_t)(early + sizeof early - (unsigned char *)p) : 0;
        if (bigger && p) {
            memcpy(bigger, p, size < left ? size : left);
        }
        return bigger;
    }
    return out_of_memory() ? NULL : next_realloc(p, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    found();
    return out_of_memory() ? NULL : next_aligned_alloc(alignment, size);
}

int posix_memalign(void **p, size_t alignment, size_t size)
{
    found();
    return out_of_memory() ? ENOMEM : next_posix_memalign(p, alignment, size);
}

void free(void *p)
{
    if (p && !is_early(p)) {
        next_free(p);
    }
}

// --- threads, mappings --------------------------------------------------------------------------

int pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *), void *arg)
{
    static int (*next_pthread_create)(pthread_t *, const pthread_attr_t *, void *(*)(void *),
                                      void *);
    FIND(pthread_create);
    if (is("thread") && count_call()) {
        return EAGAIN;
    }
    return next_pthread_create(thread, attr, run, arg);
}

void *mmap(void *at, size_t size, int prot, int flags, int fd, off_t offset)
{
    if (fd >= 0 && is("mmap") && count_call()) {
        errno = ENOMEM;
        return MAP_FAILED;
    }
    return (void *)syscall(SYS_mmap, at, size, prot, flags, fd, offset); // NOLINT
}

/* Threads may block all signals, but the filter's must arrive. */
int pthread_sigmask(int how, const sigset_t *set, sigset_t *old)
{
    static int (*next_pthread_sigmask)(int, const sigset_t *, sigset_t *);
    FIND(pthread_sigmask);
    sigset_t without;
    if (set && how != SIG_UNBLOCK) {
        without = *set;
        sigdelset(&without, SIGSYS);
        set = &without;
    }
    return next_pthread_sigmask(how, set, old);
}

// --- system calls -------------------------------------------------------------------------------

/* The filter lets calls through that carry this as their sixth argument, which none of the caught
 * calls has. */
#define PASS 0x6761707363ull

static long pass(long number, const long a[5])
{
    long result;
#if defined(__x86_64__)
    register long r10 __asm__("r10") = a[3];
    register long r8 __asm__("r8") = a[4];
    register long r9 __asm__("r9") = (long)PASS;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a[0]), "S"(a[1]), "d"(a[2]), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
#elif defined(__aarch64__)
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = a[0];
    register long x1 __asm__("x1") = a[1];
    register long x2 __asm__("x2") = a[2];
    register long x3 __asm__("x3") = a[3];
    register long x4 __asm__("x4") = a[4];
    register long x5 __asm__("x5") = (long)PASS;
    __asm__ volatile("svc 0"
                     : "+r"(x0)
                     : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
                     : "memory");
    result = x0;
#else
    (void)number, (void)a;
    result = -ENOSYS;
#endif
    return result; // or -errno
}

static bool is_write(long number)
{
    return number == SYS_write || number == SYS_pwrite64 || number == SYS_writev ||
           number == SYS_pwritev;
}

/* What a call that has to fail returns. */
static long failed_call(long number, long a[5])
{
    if (is("short") && (number == SYS_write || number == SYS_pwrite64) && a[2] > 1) {
        a[2] /= 2;
        return pass(number, a);
    }
    if (is("short")) {
        return pass(number, a);
    }
    if (is("close")) {
        pass(number, a);
    }
    return is("write") ? -ENOSPC : is("create") ? -EACCES : is("open") ? -EMFILE : -EIO;
}

static void on_caught(int signal_number, siginfo_t *info, void *context)
{
    (void)signal_number;
    const int before = errno;
    ucontext_t *uc = context;
#if defined(__x86_64__)
    greg_t *r = uc->uc_mcontext.gregs;
    long a[5] = {r[REG_RDI], r[REG_RSI], r[REG_RDX], r[REG_R10], r[REG_R8]};
    greg_t *result = &r[REG_RAX];
#elif defined(__aarch64__)
    unsigned long long *r = uc->uc_mcontext.regs;
    long a[5] = {(long)r[0], (long)r[1], (long)r[2], (long)r[3], (long)r[4]};
    unsigned long long *result = &r[0];
#else
    long a[5] = {0}, unused, *result = &unused;
    (void)uc;
#endif
    const long number = info->si_syscall;
    const bool counts = !inside && !(is_write(number) && a[0] == STDERR_FILENO);
    *result = counts && count_call() ? failed_call(number, a) : pass(number, a);
    errno = before;
}

static const long calls_of_write[] = {SYS_write, SYS_pwrite64, SYS_writev, SYS_pwritev, -1};
static const long calls_of_read[] = {SYS_read, SYS_pread64, SYS_readv, SYS_getdents64, -1};
static const long calls_of_sync[] = {SYS_fsync, SYS_fdatasync, -1};
static const long calls_of_open[] = {SYS_openat, -1};
#ifdef SYS_rename
static const long calls_of_rename[] = {SYS_rename, SYS_renameat, SYS_renameat2, -1};
static const long calls_of_unlink[] = {SYS_unlink, SYS_unlinkat, SYS_rmdir, -1};
static const long calls_of_create[] = {SYS_openat, SYS_mkdir, SYS_mkdirat, -1};
#else
static const long calls_of_rename[] = {SYS_renameat, SYS_renameat2, -1};
static const long calls_of_unlink[] = {SYS_unlinkat, -1};
static const long calls_of_create[] = {SYS_openat, SYS_mkdirat, -1};
#endif
static const long calls_of_truncate[] = {SYS_ftruncate, -1};
static const long calls_of_close[] = {SYS_close, -1};

static const struct {
    const char *kind;
    const long *calls; // ends with -1
} caught[] = {
    {"write", calls_of_write},   {"short", calls_of_write},       {"read", calls_of_read},
    {"sync", calls_of_sync},     {"open", calls_of_open},         {"create", calls_of_create},
    {"rename", calls_of_rename}, {"truncate", calls_of_truncate}, {"close", calls_of_close},
    {"unlink", calls_of_unlink},
};

static void give_up(void)
{
    static const char message[] = "fail_nth: no seccomp filter here\n";
    (void)!write(STDERR_FILENO, message, sizeof message - 1);
    _exit(77);
}

static void catch_calls(const long *calls)
{
#if defined(__x86_64__)
    enum { ARCH = AUDIT_ARCH_X86_64 };
#elif defined(__aarch64__)
    enum { ARCH = AUDIT_ARCH_AARCH64 };
#else
    enum { ARCH = 0 };
    give_up();
#endif
    const uint32_t sixth = offsetof(struct seccomp_data, args[5]);
    const uint32_t flags = offsetof(struct seccomp_data, args[2]); // of openat
    struct sock_filter code[64];
    unsigned short n = 0;
#define ADD(...) code[n++] = (struct sock_filter)__VA_ARGS__
#define LOAD(at) ADD(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (at)))
#define ALLOW() ADD(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW))
#define TRAP() ADD(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP))
#define UNLESS(value, skip) ADD(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)(value), 0, (skip)))
#define UNLESS_BITS(bits, skip)                                                                    \
    ADD(BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, (uint32_t)(bits), 0, (skip)))
    LOAD(offsetof(struct seccomp_data, arch));
    ADD(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)ARCH, 1, 0));
    ALLOW();
    LOAD(sixth);
    UNLESS(PASS & 0xffffffff, 3);
    LOAD(sixth + 4);
    UNLESS(PASS >> 32, 1);
    ALLOW();
    for (; *calls >= 0; calls++) {
        LOAD(offsetof(struct seccomp_data, nr));
        if (*calls == SYS_openat) { // open: for reading; create: for writing
            UNLESS(*calls, 4);
            LOAD(flags);
            UNLESS_BITS(O_ACCMODE | O_CREAT, 1);
            ADD(BPF_STMT(BPF_RET | BPF_K, is("open") ? SECCOMP_RET_ALLOW : SECCOMP_RET_TRAP));
            ADD(BPF_STMT(BPF_RET | BPF_K, is("open") ? SECCOMP_RET_TRAP : SECCOMP_RET_ALLOW));
        } else {
            UNLESS(*calls, 1);
            TRAP();
        }
    }
    ALLOW();
    const struct sock_fprog program = {.len = n, .filter = code};
    struct sigaction action = {.sa_sigaction = on_caught, .sa_flags = SA_SIGINFO | SA_NODEFER};
    if (sigaction(SIGSYS, &action, NULL) != 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
        give_up();
    }
}

static void on_crash(int number)
{
    void *frames[MAX_FRAMES];
    inside = true;
    backtrace_symbols_fd(frames, backtrace(frames, MAX_FRAMES), STDERR_FILENO);
    signal(number, SIG_DFL);
    raise(number);
}

__attribute__((constructor)) static void start(void)
{
    found();
    kind = getenv("FAIL_KIND");
    if (!kind) {
        kind = "";
        return;
    }
    if (getenv("FAIL_TRACE")) { // where, for whoever looks into it
        trace = true;
        signal(SIGSEGV, on_crash);
    }
    const char *number = getenv("FAIL_NTH");
    char *end = NULL;
    nth = number ? strtoull(number, &end, 10) : 0;
    from_nth_on = end && *end == '+';
    want_sites = getenv("FAIL_SITES") != NULL;
    const char *path = getenv("FAIL_LOG");
    const int fd = path ? open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600) : -1;
    if (fd >= 0 && ftruncate(fd, sizeof *fails) == 0) {
        void *map = (void *)syscall(SYS_mmap, NULL, sizeof *fails, PROT_READ | PROT_WRITE, // NOLINT
                                    MAP_SHARED, fd, 0);
        if (map != MAP_FAILED) {
            fails = map;
            *fails = (struct fail_log){0};
        }
    }
    if (fd >= 0) {
        close(fd);
    }
    int n_seen = 0;
    dl_iterate_phdr(find_object, &n_seen);
    void *frames[4];
    backtrace(frames, 4); // it loads a library the first time
    signal_number = is("SIGTERM") ? SIGTERM : is("SIGINT") ? SIGINT : 0;
    fail_allocations = is("alloc") || signal_number;
    for (size_t i = 0; i < sizeof caught / sizeof *caught; i++) {
        if (is(caught[i].kind)) {
            catch_calls(caught[i].calls);
        }
    }
    // Programs that this one starts run without it.
    unsetenv("LD_PRELOAD");
    started = true; // from here on calls are counted
}
