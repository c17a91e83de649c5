#include "miners/labeller.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "corpora/base/mem.h"

struct labeller {
    const struct hypotheses *h;
    void **ctxs; // [h->n]; miners of a kind that shares its ctx have the same one
    size_t n;    // number of ctxs made so far
};

/* The first miner that has the same ctx as miner i; i itself if it is the first. */
static size_t ctx_owner(const struct labeller *l, size_t i)
{
    const struct miner_kind *kind = l->h->items[i].kind;
    for (size_t k = 0; kind->shares_ctx && k < i; k++) {
        if (l->h->items[k].kind == kind) {
            return k;
        }
    }
    return i;
}

int labeller_new(struct labeller **out, const struct hypotheses *h, struct err *err)
{
    struct labeller *l = mem_zero(1, sizeof *l);
    void **ctxs = mem_zero(h->n, sizeof *ctxs);
    int rc = l && ctxs ? 0 : err_nomem(err, "a labeller");
    if (rc) {
        free(ctxs);
        free(l);
        return rc;
    }
    l->h = h;
    l->ctxs = ctxs;
    for (; l->n < h->n && !rc; l->n++) {
        const struct miner *m = &h->items[l->n];
        const size_t owner = ctx_owner(l, l->n);
        if (owner < l->n) {
            ctxs[l->n] = ctxs[owner];
        } else if (m->kind->ctx_new) {
            rc = m->kind->ctx_new(&ctxs[l->n], m->kind->shares_ctx ? NULL : m->self, err);
            if (rc) {
                err_prefix(err, "hypothesis %s", m->name);
            }
        }
    }
    if (rc) {
        labeller_free(l);
        return rc;
    }
    *out = l;
    return 0;
}

void labeller_free(struct labeller *l)
{
    if (!l) {
        return;
    }
    for (size_t i = 0; i < l->n; i++) {
        const struct miner_kind *kind = l->h->items[i].kind;
        if (kind->ctx_free && ctx_owner(l, i) == i) {
            kind->ctx_free(l->ctxs[i]);
        }
    }
    free(l->ctxs);
    free(l);
}

void labeller_watch(struct labeller *l, const atomic_int *stop)
{
    for (size_t i = 0; i < l->n; i++) {
        const struct miner_kind *kind = l->h->items[i].kind;
        if (kind->ctx_watch) {
            kind->ctx_watch(l->ctxs[i], stop);
        }
    }
}

/* answer: NULL: labels alone. */
static int run(struct labeller *l, size_t i, const struct tokens *doc, uint8_t *label,
               uint32_t *answer, enum miner_verdict *verdict, struct err *err)
{
    const struct miner *m = &l->h->items[i];
    if (doc->n > 0) {
        memset(label, 0, doc->n);
    }
    *verdict = MINER_DONE;
    if (doc->n == 0) {
        return 0;
    }
    const int rc = answer ? m->kind->answer(m->self, l->ctxs[i], doc, label, answer, verdict, err)
                          : m->kind->label(m->self, l->ctxs[i], doc, label, verdict, err);
    if (rc) {
        return err_prefix(err, "hypothesis %s", m->name);
    }
    if (*verdict == MINER_GAVE_UP) {
        memset(label, 0, doc->n);
    }
    return 0;
}

int labeller_run(struct labeller *l, size_t i, const struct tokens *doc, uint8_t *label,
                 enum miner_verdict *verdict, struct err *err)
{
    return run(l, i, doc, label, NULL, verdict, err);
}

int labeller_answer(struct labeller *l, size_t i, const struct tokens *doc, uint8_t *label,
                    uint32_t *answer, enum miner_verdict *verdict, struct err *err)
{
    const int rc = run(l, i, doc, label, answer, verdict, err);
    for (size_t t = 0; t < doc->n && !rc; t++) {
        if (label[t] && answer[t] >= l->h->n_vocab) {
            return err_set(err, ERR_FORMAT,
                           "hypothesis %s: it answers id %" PRIu32 " at token %zu; the vocabulary "
                           "has the ids 0 to %zu",
                           l->h->items[i].name, answer[t], t, l->h->n_vocab - 1);
        }
    }
    return rc;
}

const char *labeller_why(const struct labeller *l, size_t i)
{
    const struct miner_kind *kind = l->h->items[i].kind;
    return kind->why ? kind->why(l->ctxs[i]) : NULL;
}
