/* Property: any file of hypotheses with plugins and programs, whatever these answer, gives an error
 * with its place or miners that label documents with 0s and 1s, give them up, or end with a reason.
 *
 * The input: the YAML, a NUL, a byte of flags, and what the plugin is and the programs answer, one
 * answer a document up to a NUL.  No object is loaded and no program is run: in place of those
 * functions stand some that answer with the input.  The folder holds p.so, whose bytes are the
 * answers, and prog, an empty program. */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "corpora/base/mem.h"
#include "miners/hypotheses.h"
#include "miners/kinds/child.h"
#include "miners/kinds/plugin.h"
#include "miners/labeller.h"

#define DOCS 7 // more than may go without an answer

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
void *__wrap_dlopen(const char *path, int mode);
void *__wrap_dlsym(void *object, const char *name);
void *__real_dlsym(void *object, const char *name);
int __wrap_dlclose(void *object);
int __wrap_child_start(struct child *c, char *const *argv, const char *folder, struct err *err);
ssize_t __wrap_child_write(const struct child *c, const char *data, size_t len);
bool __wrap_child_wait(const struct child *c, int ms);
int __wrap_child_end(struct child *c);

enum flags {
    NO_OBJECT = 1,
    NO_SYMBOL = 2,
    OTHER_VERSION = 4,
    NO_LABEL = 8,
    HAS_STATE = 16,
    NO_STATE = 32,
    NO_START = 64,
    NO_END = 128,
};

static char folder[] = "/tmp/gapscope-fuzz-XXXXXX";
static char plugin_path[64], program_path[64];
static uint8_t flags;
static const uint8_t *answers, *answers_end;
static size_t n_children, n_states;

static void check(int holds)
{
    if (!holds) {
        abort();
    }
}

/* The next answer; an empty one at the end. */
static const uint8_t *next_answer(size_t *len)
{
    const uint8_t *from = answers;
    const uint8_t *end = from < answers_end ? memchr(from, 0, (size_t)(answers_end - from)) : NULL;
    *len = (size_t)((end ? end : answers_end) - from);
    answers = end ? end + 1 : answers_end;
    return from;
}

// --- a plugin -----------------------------------------------------------------------------------

static void *state_new(void)
{
    n_states += !(flags & NO_STATE);
    return flags & NO_STATE ? NULL : &n_states;
}

static void state_free(void *state)
{
    check(state == &n_states && n_states > 0);
    n_states--;
}

/* The first byte is the result, the others are labels. */
static int label(void *state, const struct gapscope_plugin_doc *doc, uint8_t *labels)
{
    size_t len;
    const uint8_t *answer = next_answer(&len);
    check(!!state == !!(flags & HAS_STATE) && doc->n > 0 && doc->ends[doc->n - 1] == doc->len);
    for (size_t i = 0; i < doc->n; i++) {
        check(labels[i] == GAPSCOPE_PLUGIN_UNSET);
        if (i + 1 < len) {
            labels[i] = (uint8_t)(answer[i + 1] - '0');
        }
    }
    return len > 0 ? answer[0] - '0' : GAPSCOPE_PLUGIN_FAILED;
}

static struct gapscope_plugin plugin;

void *__wrap_dlopen(const char *path, int mode)
{
    check(path[0] == '/' && mode != 0);
    return flags & NO_OBJECT ? NULL : &plugin;
}

static void *find_symbol(const char *name)
{
    check(strcmp(name, "gapscope_plugin") == 0);
    plugin = (struct gapscope_plugin){
        .version = flags & OTHER_VERSION ? 7 : GAPSCOPE_PLUGIN_VERSION,
        .state_new = flags & HAS_STATE ? state_new : NULL,
        .state_free = flags & HAS_STATE ? state_free : NULL,
        .label = flags & NO_LABEL ? NULL : label,
    };
    return flags & NO_SYMBOL ? NULL : &plugin;
}

/* The runtime of clang's sanitizers comes here too, before it can be used itself. */
#if defined(__clang__)
__attribute__((disable_sanitizer_instrumentation, no_sanitize("coverage")))
#endif
void *
__wrap_dlsym(void *object, const char *name)
{
    return object == &plugin ? find_symbol(name) : __real_dlsym(object, name);
}

int __wrap_dlclose(void *object)
{
    check(object == &plugin);
    return 0;
}

// --- a program ----------------------------------------------------------------------------------

/* Its output is a file in memory, to which each request appends an answer. */
int __wrap_child_start(struct child *c, char *const *argv, const char *in, struct err *err)
{
    check(argv[0] && in && c->pid == 0);
    if (flags & NO_START) {
        return err_set(err, ERR_IO, "%s: does not start", argv[0]);
    }
    *c = (struct child){.pid = getpid(),
                        .in = open("/dev/null", O_WRONLY | O_CLOEXEC),
                        .out = memfd_create("answers", MFD_CLOEXEC),
                        .life = -1};
    check(c->in >= 0 && c->out >= 0);
    n_children++;
    return 0;
}

ssize_t __wrap_child_write(const struct child *c, const char *data, size_t len)
{
    size_t n;
    check(c->pid > 0 && len > 0 && data[len - 1] == '\n');
    const uint8_t *answer = next_answer(&n);
    const off_t read_to = lseek(c->out, 0, SEEK_CUR), end = lseek(c->out, 0, SEEK_END);
    check(read_to >= 0 && end >= 0 && write(c->out, answer, n) == (ssize_t)n);
    check(lseek(c->out, read_to, SEEK_SET) == read_to);
    return (ssize_t)len;
}

bool __wrap_child_wait(const struct child *c, int ms)
{
    check(c->pid > 0 && ms > 0);
    return !(flags & NO_END);
}

int __wrap_child_end(struct child *c)
{
    if (c->pid > 0) {
        close(c->out);
        if (c->in >= 0) {
            close(c->in);
        }
        n_children--;
    }
    *c = CHILD_NONE;
    return flags & HAS_STATE ? 9 : 0; // by a signal, or by itself with 0
}

// --- a file of hypotheses -----------------------------------------------------------------------

static void clean(void)
{
    unlink(plugin_path);
    unlink(program_path);
    rmdir(folder);
}

static void write_file(const char *path, const uint8_t *data, size_t size)
{
    FILE *f = fopen(path, "wb");
    check(f && fwrite(data, 1, size, f) == size && fclose(f) == 0);
}

static void make_folder(void)
{
    check(mkdtemp(folder) != NULL);
    snprintf(plugin_path, sizeof plugin_path, "%s/p.so", folder);
    snprintf(program_path, sizeof program_path, "%s/prog", folder);
    atexit(clean);
    write_file(program_path, (const uint8_t *)"", 0);
    check(chmod(program_path, 0700) == 0 && setenv("PATH", folder, 1) == 0);
}

static uint32_t token_id(const void *context, const char *text, size_t len)
{
    (void)context;
    return len == 1 ? (uint32_t)(unsigned char)text[0] : UINT32_MAX;
}

static void label_documents(const struct hypotheses *h)
{
    uint32_t ids[] = {'a', 'b', 195, 169, ' ', '1'}, ends[] = {1, 2, 3, 4, 5, 6};
    const struct tokens doc = {
        .ids = ids, .ends = ends, .n = 6, .cap = 6, .text = "ab\xc3\xa9 1", .text_len = 6};
    struct labeller *l = NULL;
    struct err err = {0};
    if (labeller_new(&l, h, &err)) {
        check(!l && err.code == ERR_NOMEM && (flags & NO_STATE));
        return;
    }
    for (size_t at = 0; at < DOCS * h->n && !err.code; at++) {
        uint8_t labels[6];
        enum miner_verdict verdict = MINER_DONE;
        const int rc = labeller_run(l, at % h->n, &doc, labels, &verdict, &err);
        check((unsigned)rc == err.code && (!rc || err.msg[0]));
        for (size_t k = 0; k < doc.n && !rc; k++) {
            check(labels[k] <= (verdict == MINER_DONE));
        }
    }
    labeller_free(l);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct hypotheses_options options = {.token_id = token_id};
    const uint8_t *nul = size > 0 ? memchr(data, 0, size) : NULL;
    const size_t len = nul ? (size_t)(nul - data) : size;
    struct hypotheses h = {0};
    struct err err = {0};
    if (!plugin_path[0]) {
        make_folder();
    }
    flags = len + 1 < size ? data[len + 1] : 0;
    answers = data + (len + 2 < size ? len + 2 : size);
    answers_end = data + size;
    write_file(plugin_path, answers, (size_t)(answers_end - answers));
    const int rc = hypotheses_parse(&h, (const char *)data, len, "fuzz", folder, &options, &err);
    if (rc) {
        unsigned line = 0, column = 0;
        check(h.n == 0 && (unsigned)rc == err.code);
        check(rc == ERR_NOMEM || rc == ERR_LIMIT ||
              (sscanf(err.msg, "fuzz: line %u, column %u: ", &line, &column) == 2 && line > 0 &&
               column > 0));
    } else {
        check(h.n > 0 && h.n <= HYPOTHESES_MAX);
        label_documents(&h);
    }
    hypotheses_free(&h);
    check(n_children == 0 && n_states == 0);
    return 0;
}
