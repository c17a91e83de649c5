#include "miners/labeller.h"

#include <stdlib.h>
#include <string.h>

#include "corpora/base/mem.h"

struct labeller {
    const struct hypotheses *h;
    void **runs; // [h->n]; those of a kind that shares its run are the same
    size_t n;    // of them that have been made
};

/* The miner before 'i' whose run is i's too, or i. */
static size_t run_owner(const struct labeller *l, size_t i)
{
    const struct miner_kind *kind = l->h->items[i].kind;
    for (size_t k = 0; kind->shares_run && k < i; k++) {
        if (l->h->items[k].kind == kind) {
            return k;
        }
    }
    return i;
}

int labeller_new(struct labeller **out, const struct hypotheses *h, struct err *err)
{
    struct labeller *l = mem_zero(1, sizeof *l);
    void **runs = mem_zero(h->n, sizeof *runs);
    int rc = l && runs ? 0 : err_nomem(err, "a labeller");
    if (rc) {
        free(runs);
        free(l);
        return rc;
    }
    l->h = h;
    l->runs = runs;
    for (; l->n < h->n && !rc; l->n++) {
        const struct miner *m = &h->items[l->n];
        const size_t owner = run_owner(l, l->n);
        if (owner < l->n) {
            runs[l->n] = runs[owner];
        } else if (m->kind->run_new) {
            rc = m->kind->run_new(&runs[l->n], m->kind->shares_run ? NULL : m->self, err);
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
        if (kind->run_free && run_owner(l, i) == i) {
            kind->run_free(l->runs[i]);
        }
    }
    free(l->runs);
    free(l);
}

int labeller_run(struct labeller *l, size_t i, const struct tokens *doc, uint8_t *label,
                 enum miner_verdict *verdict, struct err *err)
{
    const struct miner *m = &l->h->items[i];
    if (doc->n > 0) {
        memset(label, 0, doc->n);
    }
    *verdict = MINER_DONE;
    if (doc->n == 0) {
        return 0;
    }
    const int rc = m->kind->label(m->self, l->runs[i], doc, label, verdict, err);
    if (rc) {
        return err_prefix(err, "hypothesis %s", m->name);
    }
    if (*verdict == MINER_GAVE_UP) {
        memset(label, 0, doc->n);
    }
    return 0;
}
