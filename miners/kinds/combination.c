/*
 * combination.c - the kinds "all" and "any": what every one of several rules labels, or one of them
 *
 * Where one of them gives up on a document, so does the whole: its labels are not known there.
 */
#include "miners/core/kinds.h"

#include <stdlib.h>
#include <string.h>

#include "corpora/base/mem.h"

struct combination {
    struct miner *parts; // [n]
    size_t n;
};

struct combination_ctx {
    const struct combination *of;
    void **parts; // [of->n]
    size_t n;     // made so far
    uint8_t *labels;
    size_t cap;
    const char *why; // of the part that gave up
};

static void ctx_free(void *ctx)
{
    struct combination_ctx *c = ctx;
    if (!c) {
        return;
    }
    for (size_t i = 0; i < c->n; i++) {
        const struct miner_kind *kind = c->of->parts[i].kind;
        if (kind->ctx_free) {
            kind->ctx_free(c->parts[i]);
        }
    }
    free(c->parts);
    free(c->labels);
    free(c);
}

static int ctx_new(void **ctx, const void *self, struct err *err)
{
    const struct combination *of = self;
    struct combination_ctx *c = mem_zero(1, sizeof *c);
    int rc = c ? 0 : err_nomem(err, "a miner's memory");
    if (rc) {
        return rc;
    }
    c->of = of;
    c->parts = mem_zero(of->n, sizeof *c->parts);
    rc = c->parts ? 0 : err_nomem(err, "a miner's memory");
    for (; c->n < of->n && !rc; c->n += !rc) {
        const struct miner *m = &of->parts[c->n];
        if (m->kind->ctx_new) {
            rc = m->kind->ctx_new(&c->parts[c->n], m->kind->shares_ctx ? NULL : m->self, err);
        }
    }
    if (rc) {
        ctx_free(c);
        return rc;
    }
    *ctx = c;
    return 0;
}

static void ctx_watch(void *ctx, const atomic_int *stop)
{
    struct combination_ctx *c = ctx;
    for (size_t i = 0; i < c->n; i++) {
        const struct miner_kind *kind = c->of->parts[i].kind;
        if (kind->ctx_watch) {
            kind->ctx_watch(c->parts[i], stop);
        }
    }
}

static const char *why(const void *ctx)
{
    return ((const struct combination_ctx *)ctx)->why;
}

static int label(const struct combination *of, struct combination_ctx *c, bool all,
                 const struct tokens *doc, uint8_t *labels, enum miner_verdict *verdict,
                 struct err *err)
{
    int rc = mem_reserve(&c->labels, &c->cap, doc->n, 1, "labels", err);
    *verdict = MINER_DONE;
    if (!rc) {
        memset(labels, all ? 1 : 0, doc->n);
    }
    for (size_t i = 0; i < of->n && !rc; i++) {
        const struct miner *m = &of->parts[i];
        memset(c->labels, 0, doc->n);
        rc = m->kind->label(m->self, c->parts[i], doc, c->labels, verdict, err);
        if (!rc && *verdict == MINER_GAVE_UP) {
            c->why = m->kind->why ? m->kind->why(c->parts[i]) : NULL;
            return 0;
        }
        for (size_t t = 0; t < doc->n && !rc; t++) {
            labels[t] =
                all ? (uint8_t)(labels[t] & c->labels[t]) : (uint8_t)(labels[t] | c->labels[t]);
        }
    }
    return rc;
}

static int label_all(const void *self, void *ctx, const struct tokens *doc, uint8_t *labels,
                     enum miner_verdict *verdict, struct err *err)
{
    return label(self, ctx, true, doc, labels, verdict, err);
}

static int label_any(const void *self, void *ctx, const struct tokens *doc, uint8_t *labels,
                     enum miner_verdict *verdict, struct err *err)
{
    return label(self, ctx, false, doc, labels, verdict, err);
}

static void combination_free(void *self)
{
    struct combination *of = self;
    if (!of) {
        return;
    }
    for (size_t i = 0; i < of->n; i++) {
        miner_free(&of->parts[i]);
    }
    free(of->parts);
    free(of);
}

#define KIND(word, text)                                                                           \
    {                                                                                              \
        .name = #word, .needs_text = text, .ctx_new = ctx_new, .ctx_watch = ctx_watch,             \
        .ctx_free = ctx_free, .label = label_##word, .why = why, .free = combination_free          \
    }

/* Where no part needs text, the whole does not: [all][text]. */
static const struct miner_kind kinds[2][2] = {{KIND(any, false), KIND(any, true)},
                                              {KIND(all, false), KIND(all, true)}};

int combination_miner(struct miner *m, bool all, struct miner *parts, size_t n, struct err *err)
{
    struct buf spec = {0};
    bool text = false;
    struct combination *of = mem_zero(1, sizeof *of);
    int rc = of ? buf_printf(&spec, err, "{\"%s\":[", all ? "all" : "any")
                : err_nomem(err, "a combination");
    for (size_t i = 0; i < n && !rc; i++) {
        rc = buf_printf(&spec, err, "%s%s", i > 0 ? "," : "", parts[i].spec);
        text = text || parts[i].kind->needs_text;
    }
    rc = rc ? rc : buf_printf(&spec, err, "]}");
    if (!rc) {
        of->parts = mem_new(n, sizeof *parts);
        rc = of->parts ? 0 : err_nomem(err, "a combination");
    }
    if (rc) {
        buf_free(&spec);
        free(of);
        return rc;
    }
    memcpy(of->parts, parts, n * sizeof *parts);
    memset(parts, 0, n * sizeof *parts);
    of->n = n;
    *m = (struct miner){.kind = &kinds[all][text], .self = of, .spec = spec.data};
    return 0;
}
