/*
 * builtin.c - the kind "code": the miners of code.h, by name
 */
#include "miners/core/kinds.h"

#include <stdlib.h>

#include "corpora/base/jsonw.h"
#include "corpora/base/mem.h"
#include "corpora/base/nearest.h"
#include "miners/code/code.h"

#define NAMES_MAX 256 // number of names that a misspelt one is compared with

static int ctx_new(void **ctx, const void *self, struct err *err)
{
    (void)self;
    *ctx = mem_zero(1, sizeof(struct code_scratch));
    return *ctx ? 0 : err_nomem(err, "a miner's memory");
}

static void ctx_free(void *ctx)
{
    if (ctx) {
        code_scratch_free(ctx);
        free(ctx);
    }
}

static int label(const void *self, void *ctx, const struct tokens *doc, uint8_t *labels,
                 enum miner_verdict *verdict, struct err *err)
{
    const struct code_miner *code = self;
    *verdict = MINER_DONE;
    return code->label(doc, labels, ctx, err);
}

static int answer(const void *self, void *ctx, const struct tokens *doc, uint8_t *labels,
                  uint32_t *answers, enum miner_verdict *verdict, struct err *err)
{
    const struct code_miner *code = self;
    *verdict = MINER_DONE;
    return code->answer(doc, labels, answers, ctx, err);
}

static const struct miner_kind kind = {
    .name = "code",
    .needs_text = true,
    .shares_ctx = true,
    .ctx_new = ctx_new,
    .ctx_free = ctx_free,
    .label = label,
    .answer = answer,
};

static int unknown(const char *name, struct err *err)
{
    const char *names[NAMES_MAX];
    size_t n = 0;
    struct buf list = {0};
    int rc = 0;
    for (const struct code_miner *c; n < NAMES_MAX && (c = code_at(n)) && !rc; n++) {
        names[n] = c->name;
        rc = buf_printf(&list, err, "%s%s", n > 0 ? ", " : "", c->name);
    }
    const struct nearest near = nearest_names(name, "", names, n);
    if (!rc && *near.text) {
        rc = err_set(err, ERR_FORMAT, "no code miner %s%s", name, near.text);
    } else if (!rc) {
        rc = err_set(err, ERR_FORMAT, "no code miner %s; there are: %.*s", name, (int)list.len,
                     list.len ? list.data : "");
    }
    buf_free(&list);
    return rc;
}

int code_miner(struct miner *m, const char *name, struct err *err)
{
    const struct code_miner *code = code_named(name);
    if (!code) {
        return unknown(name, err);
    }
    struct buf spec = {0};
    const int rc = buf_printf(&spec, err, "{\"code\":\"%s\"}", name);
    if (rc) {
        buf_free(&spec);
        return rc;
    }
    // The table is const and nobody frees it; 'self' is not const because other kinds free theirs.
    *m = (struct miner){.kind = &kind,
                        .self = (void *)(uintptr_t)code,
                        .spec = spec.data,
                        .answers_itself = code->answer != NULL,
                        .windows = code->windows};
    return 0;
}
