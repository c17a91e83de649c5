#include "out/results/record/record_collector.h"

#include <stdlib.h>
#include <string.h>

#include "corpora/base/mem.h"
#include "out/results/record/record.h"

/* What a worker has: the rows of its unit. */
struct part {
    struct record *record;
    const struct unit_tokens *unit;
    uint64_t *docs;       // [docs_cap]
    uint32_t *columns[3]; // [caps[k]]: window, pos, token
    size_t docs_cap, caps[3];
    double **logprob; // [n_models] of [logprob_caps[m]]
    size_t *logprob_caps;
    size_t n_models;
};

static void shape_free(void *shape)
{
    record_close(shape);
}

static void part_free(void *pointer)
{
    struct part *p = pointer;
    if (!p) {
        return;
    }
    for (size_t m = 0; m < p->n_models; m++) {
        free(p->logprob[m]);
    }
    for (size_t k = 0; k < 3; k++) {
        free(p->columns[k]);
    }
    free(p->docs);
    free(p->logprob);
    free(p->logprob_caps);
    free(p);
}

static int part_new(void **out, const void *shape, struct err *err)
{
    struct part *p = mem_zero(1, sizeof *p);
    if (!p) {
        return err_nomem(err, "rows");
    }
    // The record is the shape; it is shared, and what a worker calls of it may be.
    memcpy(&p->record, &shape, sizeof p->record);
    *out = p;
    return 0;
}

static int begin_unit(void *part, const struct unit_tokens *unit, struct err *err)
{
    (void)err;
    ((struct part *)part)->unit = unit;
    return 0;
}

static int reserve(struct part *p, size_t n_models, size_t n, struct err *err)
{
    static const char what[] = "rows";
    if (p->n_models == 0) {
        p->logprob = mem_zero(n_models, sizeof *p->logprob);
        p->logprob_caps = mem_zero(n_models, sizeof *p->logprob_caps);
        if (!p->logprob || !p->logprob_caps) {
            return err_nomem(err, what);
        }
        p->n_models = n_models;
    }
    int rc = mem_reserve(&p->docs, &p->docs_cap, n, sizeof *p->docs, what, err);
    for (size_t k = 0; k < 3 && !rc; k++) {
        rc = mem_reserve(&p->columns[k], &p->caps[k], n, sizeof **p->columns, what, err);
    }
    for (size_t m = 0; m < n_models && !rc; m++) {
        rc = mem_reserve(&p->logprob[m], &p->logprob_caps[m], n, sizeof **p->logprob, what, err);
    }
    return rc;
}

/* The tokens of all documents, without the EOS between them and those that are skipped. */
static int end_unit(void *part, const struct unit_models *models, struct err *err)
{
    struct part *p = part;
    const struct unit_tokens *u = p->unit;
    if (models->stopped(models->context)) {
        return 0;
    }
    const size_t n_models = record_models(p->record);
    int rc = reserve(p, n_models, u->n, err);
    size_t n = 0;
    for (size_t d = 0; d < u->n_docs && !rc; d++) {
        const struct unit_tokens_doc *doc = &u->docs[d];
        const uint32_t *from[3] = {u->window, u->pos, u->ids};
        for (size_t i = doc->begin; i < doc->begin + doc->n; i++) {
            if (unit_skips(u, i)) {
                continue;
            }
            for (size_t k = 0; k < 3; k++) {
                p->columns[k][n] = from[k][i];
            }
            for (size_t m = 0; m < n_models; m++) {
                p->logprob[m][n] = models->logprob[m][i];
            }
            p->docs[n++] = doc->number;
        }
    }
    const struct record_rows rows = {.n = n,
                                     .shard = u->shard,
                                     .doc = p->docs,
                                     .window = p->columns[0],
                                     .pos = p->columns[1],
                                     .token = p->columns[2],
                                     .logprob = (const double *const *)p->logprob};
    return rc ? rc : record_unit(p->record, u->number, &rows, err);
}

static int checkpoint(void *shape, const struct run *run, struct err *err)
{
    return record_advance(shape, run, err);
}

const struct collector_kind record_collector = {
    .name = "record",
    .shape_free = shape_free,
    .part_new = part_new,
    .part_free = part_free,
    .begin_unit = begin_unit,
    .end_unit = end_unit,
    .checkpoint = checkpoint,
};
