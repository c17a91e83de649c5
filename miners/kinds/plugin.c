#include "miners/kinds/plugin.h"

#include <dlfcn.h>
#include <elf.h>
#include <inttypes.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

#include "corpora/base/file.h"
#include "corpora/base/mem.h"
#include "miners/core/kinds.h"

struct plugin {
    void *object; // from dlopen()
    const struct gapscope_plugin *functions;
};

/* The state of one thread. */
struct ctx {
    const struct gapscope_plugin *functions;
    void *state;
    uint32_t *zeros; // [zeros_cap] windows of a document that is one
    size_t zeros_cap;
};

static void ctx_free(void *ctx)
{
    struct ctx *r = ctx;
    if (r && r->state && r->functions->state_free) {
        r->functions->state_free(r->state);
    }
    if (r) {
        free(r->zeros);
    }
    free(r);
}

static int ctx_new(void **ctx, const void *self, struct err *err)
{
    const struct plugin *p = self;
    struct ctx *r = mem_zero(1, sizeof *r);
    if (!r) {
        return err_nomem(err, "a plugin's state");
    }
    r->functions = p->functions;
    if (p->functions->state_new && !(r->state = p->functions->state_new())) {
        ctx_free(r);
        return err_set(err, ERR_NOMEM, "the plugin's state_new() failed");
    }
    *ctx = r;
    return 0;
}

/* What the tokens that it labels are followed by, it says in answers; NULL: it only labels. */
static int ask(const struct plugin *p, const struct ctx *r, const struct tokens *doc,
               uint8_t *labels, uint32_t *answers, enum miner_verdict *verdict, struct err *err)
{
    const struct gapscope_plugin_doc d = {.text = doc->text,
                                          .len = doc->text_len,
                                          .ids = doc->ids,
                                          .ends = doc->ends,
                                          .n = doc->n,
                                          .window_begin =
                                              doc->window_begin ? doc->window_begin : r->zeros};
    memset(labels, GAPSCOPE_PLUGIN_UNSET, doc->n);
    const int said = answers ? p->functions->answer(r->state, &d, labels, answers)
                             : p->functions->label(r->state, &d, labels);
    if (said == GAPSCOPE_PLUGIN_GAVE_UP) {
        *verdict = MINER_GAVE_UP;
        return 0;
    }
    if (said != GAPSCOPE_PLUGIN_DONE) {
        return err_set(err, ERR_IO, "the plugin's %s() returned %d: the run cannot go on",
                       answers ? "answer" : "label", said);
    }
    for (size_t i = 0; i < doc->n; i++) {
        if (labels[i] > 1) {
            return err_set(err, ERR_FORMAT,
                           labels[i] == GAPSCOPE_PLUGIN_UNSET
                               ? "the plugin labelled no token %zu of %zu"
                               : "the plugin's label of token %zu of %zu is neither 0 nor 1",
                           i, doc->n);
        }
    }
    *verdict = MINER_DONE;
    return 0;
}

/* r->zeros become as many as the document has tokens: it is one window. */
static int make_zeros(struct ctx *r, const struct tokens *doc, struct err *err)
{
    const size_t before = r->zeros_cap;
    const int rc = doc->window_begin ? 0
                                     : mem_reserve(&r->zeros, &r->zeros_cap, doc->n,
                                                   sizeof *r->zeros, "windows", err);
    for (size_t i = before; i < r->zeros_cap && !rc; i++) {
        r->zeros[i] = 0;
    }
    return rc;
}

static int label(const void *self, void *ctx, const struct tokens *doc, uint8_t *labels,
                 enum miner_verdict *verdict, struct err *err)
{
    const int rc = make_zeros(ctx, doc, err);
    return rc ? rc : ask(self, ctx, doc, labels, NULL, verdict, err);
}

static int answer(const void *self, void *ctx, const struct tokens *doc, uint8_t *labels,
                  uint32_t *answers, enum miner_verdict *verdict, struct err *err)
{
    int rc = make_zeros(ctx, doc, err);
    for (size_t i = 0; i < doc->n; i++) {
        answers[i] = UINT32_MAX; // none that it forgets is taken for one
    }
    return rc ? rc : ask(self, ctx, doc, labels, answers, verdict, err);
}

static void plugin_free(void *self)
{
    struct plugin *p = self;
    if (p && p->object) {
        dlclose(p->object);
    }
    free(p);
}

static const struct miner_kind kind = {
    .name = "plugin",
    .needs_text = true,
    .ctx_new = ctx_new,
    .ctx_free = ctx_free,
    .label = label,
    .answer = answer,
    .free = plugin_free,
};

/* Why dlopen() or dlsym() failed, without the path if the text begins with it. */
static const char *why(const char *path)
{
    const char *text = dlerror();
    const size_t n = strlen(path);
    text = text ? text : "not a shared object";
    return strncmp(text, path, n) == 0 && strncmp(text + n, ": ", 2) == 0 ? text + n + 2 : text;
}

static int load(struct plugin *p, const char *path, struct err *err)
{
    p->object = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!p->object) {
        return err_set(err, ERR_FORMAT, "%s: cannot be loaded: %s", path, why(path));
    }
    p->functions = dlsym(p->object, "gapscope_plugin");
    if (!p->functions) {
        return err_set(
            err, ERR_FORMAT,
            "%s: has no symbol gapscope_plugin; miners/kinds/plugin.h says what a plugin is", path);
    }
    if (p->functions->version < 1 || p->functions->version > GAPSCOPE_PLUGIN_VERSION) {
        return err_set(err, ERR_FORMAT,
                       "%s: is for version %" PRIu32
                       " of the interface, this gapscope has 1 to %d; "
                       "compile it with this one's miners/kinds/plugin.h",
                       path, p->functions->version, GAPSCOPE_PLUGIN_VERSION);
    }
    if (!p->functions->label) {
        return err_set(err, ERR_FORMAT, "%s: its gapscope_plugin has no label()", path);
    }
    return 0;
}

/* Checks that all parts that dlopen() maps are in the file: where one is not, reading it later ends
 * the program.  What is no ELF file of this machine's word size is left to dlopen() to refuse. */
static int check_whole(const struct file_map *map, const char *path, struct err *err)
{
    ElfW(Ehdr) head;
    ElfW(Phdr) part;
    if (map->len < sizeof head || memcmp(map->data, ELFMAG, SELFMAG) != 0) {
        return 0;
    }
    memcpy(&head, map->data, sizeof head);
    bool whole =
        head.e_phoff <= map->len && head.e_phnum <= (map->len - head.e_phoff) / sizeof part;
    for (size_t i = 0; i < head.e_phnum && whole; i++) {
        memcpy(&part, map->data + head.e_phoff + i * sizeof part, sizeof part);
        whole = part.p_type != PT_LOAD ||
                (part.p_offset <= map->len && part.p_filesz <= map->len - part.p_offset);
    }
    return whole ? 0
                 : err_set(err, ERR_TRUNCATED,
                           "%s: cannot be loaded: the file ends too early (%zu bytes): an "
                           "interrupted copy?",
                           path, map->len);
}

/* The spec has the file's hash, since its path says nothing about its labels. */
static int make_spec(struct buf *spec, const char *path, struct err *err)
{
    struct file_map map;
    int rc = file_map(&map, path, err);
    if (rc) {
        return rc;
    }
    rc = check_whole(&map, path, err);
    if (!rc) {
        rc = buf_printf(spec, err, "{\"plugin\":\"xxh3:%016" PRIx64 "\"}",
                        (uint64_t)XXH3_64bits(map.len ? map.data : NULL, map.len));
    }
    file_unmap(&map);
    return rc;
}

int plugin_miner(struct miner *m, const char *path, struct err *err)
{
    struct buf spec = {0};
    char *here = strchr(path, '/') ? NULL : file_join(".", path); // dlopen() searches other folders
    struct plugin *p = mem_zero(1, sizeof *p);
    path = here ? here : path;
    int rc = p ? make_spec(&spec, path, err) : err_nomem(err, "a plugin");
    rc = rc ? rc : load(p, path, err);
    free(here);
    if (rc) {
        buf_free(&spec);
        plugin_free(p);
        return rc;
    }
    const bool can_answer = p->functions->version >= 2; // before, the struct ends with label
    *m = (struct miner){.kind = &kind,
                        .self = p,
                        .spec = spec.data,
                        .answers_itself = can_answer && p->functions->answer,
                        .windows = can_answer && p->functions->windows};
    return 0;
}
