#include <stdlib.h>

#include "out/results/bytes.h"
#include "out/results/documents/documents.h"
#include "out/results/domain_key.h"
#include "out/results/gaps/gap.h"
#include "out/results/gaps/gaps_collector.h"
#include "out/results/gaps/gaps_tables.h"
#include "out/sql/sql.h"

/* What a worker has. */
struct part {
    struct documents *found; // of the unit
    const struct unit_tokens *unit;
    int64_t *gaps; // of a document
    size_t gaps_cap;
};

// --- the shape ----------------------------------------------------------------------------------

int documents_shape_new(struct documents_shape **out, const struct run *run, size_t most,
                        struct err *err)
{
    struct documents_shape *s = mem_zero(1, sizeof *s);
    *out = s;
    if (!s) {
        return err_nomem(err, "documents");
    }
    *s = (struct documents_shape){.most = most,
                                  .n_models = run_full_models(run),
                                  .n_pairs = run_full_pairs(run),
                                  .n_shards = run->n_shards,
                                  .pairs = run->pairs,
                                  .floor = run->floor};
    return 0;
}

static int shape_new(void **out, struct run *run, const void *saved, size_t len, struct err *err)
{
    struct bytes_reader r = {.at = saved, .left = len, .of = "what documents are kept", .err = err};
    struct documents_shape *s = NULL;
    if (!saved) {
        return 0; // whoever makes the run joins it
    }
    const size_t most = (size_t)bytes_get(&r, 1, DOCUMENTS_LIMIT, "how many documents");
    if (!r.rc && r.left > 0) {
        bytes_bad(&r, "more bytes follow its end");
    }
    const int rc = r.rc ? r.rc : documents_shape_new(&s, run, most, err);
    *out = s;
    return rc;
}

static int shape_save(const void *shape, struct buf *out, struct err *err)
{
    struct bytes_writer w = {.to = out, .err = err};
    bytes_put(&w, ((const struct documents_shape *)shape)->most);
    return w.rc;
}

static int same(const void *a, const void *b, bool fixed, struct err *why)
{
    (void)fixed;
    const struct documents_shape *x = a, *y = b;
    return x->most == y->most
               ? 0
               : err_set(why, ERR_MISMATCH, "documents-most: one has %zu, the other %zu", x->most,
                         y->most);
}

static int describe(const void *shape, struct buf *out, struct err *err)
{
    return buf_printf(out, err, "at most %zu documents",
                      ((const struct documents_shape *)shape)->most);
}

/* A unit has about 256 KiB of text: 65536 documents of four bytes. */
static void memory(const void *shape, const struct run *run, struct collector_memory *out)
{
    (void)run;
    const struct documents_shape *s = shape;
    const uint64_t size = documents_item_size(s);
    const uint64_t piece = s->most < DOCUMENTS_PIECE ? s->most : DOCUMENTS_PIECE;
    out->whole = s->most * size * 3 / 2; // an array grows by half
    out->part = DOCUMENTS_PIECE * size;
    out->saving = piece * size;
}

static void shape_free(void *shape)
{
    free(shape);
}

// --- a worker's part ----------------------------------------------------------------------------

static void part_free(void *pointer)
{
    struct part *p = pointer;
    if (p) {
        documents_free(p->found);
        free(p->gaps);
        free(p);
    }
}

static int part_new(void **out, const void *shape, struct err *err)
{
    struct part *p = mem_zero(1, sizeof *p);
    const int rc = p ? documents_new(&p->found, shape, err) : err_nomem(err, "documents");
    if (rc) {
        part_free(p);
        return rc;
    }
    *out = p;
    return 0;
}

static int begin_unit(void *part, const struct unit_tokens *unit, struct err *err)
{
    (void)err;
    struct part *p = part;
    p->unit = unit;
    p->found->n = 0;
    return 0;
}

/* The sums of document d into *x, which has its place. */
static int sum_document(struct part *p, size_t d, const struct unit_models *models,
                        struct document *x, struct err *err)
{
    const struct documents_shape *s = p->found->shape;
    const struct unit_tokens_doc *doc = &p->unit->docs[d];
    const int rc = mem_reserve(&p->gaps, &p->gaps_cap, doc->n, sizeof *p->gaps, "documents", err);
    for (size_t i = 0; i < doc->n && !rc; i++) {
        x->tokens += !unit_skips(p->unit, doc->begin + i);
    }
    for (size_t k = 0; k < s->n_models + s->n_pairs && !rc; k++) {
        struct document_sum *sum = &x->sums[k];
        if (k >= s->n_models) {
            gaps_of_tokens(&s->pairs[k - s->n_models], s->floor, models->logprob, doc->begin,
                           doc->n, p->gaps);
        }
        for (size_t i = 0; i < doc->n; i++) {
            const int64_t value =
                k < s->n_models ? fixed_from(models->logprob[k][doc->begin + i]) : p->gaps[i];
            if (value != FIXED_NONE && !unit_skips(p->unit, doc->begin + i)) {
                sum->sum += value;
                sum->n++;
            }
        }
    }
    return rc;
}

static int end_unit(void *part, const struct unit_models *models, struct err *err)
{
    struct part *p = part;
    int rc = 0;
    for (size_t d = 0; d < p->unit->n_docs && !rc && !models->stopped(models->context); d++) {
        const struct unit_tokens_doc *doc = &p->unit->docs[d];
        struct document *x = NULL;
        rc = documents_append(p->found, &x, err);
        if (!rc) {
            x->hash = doc->hash;
            x->shard = p->unit->shard;
            x->number = doc->number;
            x->text_bytes = doc->text_len;
            x->domain = domain_key_of(doc->domain).hash;
            rc = sum_document(p, d, models, x, err);
        }
    }
    documents_sort(p->found);
    return rc;
}

// --- the whole ----------------------------------------------------------------------------------

static int whole_new(void **out, const void *shape, struct err *err)
{
    struct documents *d = NULL;
    const int rc = documents_new(&d, shape, err);
    *out = d;
    return rc;
}

static void whole_free(void *whole)
{
    documents_free(whole);
}

static int add(void *whole, void *part, struct err *err)
{
    return documents_merge(whole, ((const struct part *)part)->found, err);
}

static int merge(void *whole, void *from, struct err *err)
{
    return documents_merge(whole, from, err);
}

static size_t n_pieces(const void *shape)
{
    return documents_n_pieces(shape);
}

static int save(const void *whole, size_t piece, struct buf *out, struct err *err)
{
    return documents_save(whole, piece, out, err);
}

static int load(void *whole, size_t piece, const void *bytes, size_t len, struct err *err)
{
    return documents_load(whole, piece, bytes, len, err);
}

// --- run.db -------------------------------------------------------------------------------------

/* The ids of domains by the hashes of their names. */
struct domains {
    struct domain_id {
        uint64_t hash, id;
    } * items; // [n] ascending by hash
    size_t n;
    uint64_t last; // the last id, which sums the others
};

static int by_hash(const void *a, const void *b)
{
    const struct domain_id *x = a, *y = b;
    return (x->hash > y->hash) - (x->hash < y->hash);
}

static int read_domains(struct domains *out, const struct tally *tally, struct err *err)
{
    const struct tally_domain **list = NULL;
    size_t n = 0;
    int rc = gaps_tables_domains(&list, &n, tally, err);
    out->items = rc ? NULL : mem_new(n, sizeof *out->items);
    rc = rc || out->items ? rc : err_nomem(err, "domains");
    for (size_t i = 0; i < n && !rc; i++) {
        out->items[i] = (struct domain_id){domain_key_of(list[i]->name).hash, i};
    }
    if (!rc && n > 0) {
        out->last = n - 1;
        out->n = n - 1; // the last is what is left
        qsort(out->items, out->n, sizeof *out->items, by_hash);
    }
    free(list);
    return rc;
}

/* The domain's id; where the tally has it not by name, the last. */
static uint64_t find_domain(const struct domains *d, uint64_t hash)
{
    const struct domain_id key = {.hash = hash};
    const struct domain_id *found = bsearch(&key, d->items, d->n, sizeof key, by_hash);
    return found ? found->id : d->last;
}

static int write_documents(const struct sql *sql, const struct documents *d, struct domains *of,
                           struct err *err)
{
    struct rows w;
    rows_anew(&w, sql, "DELETE FROM document", "INSERT INTO document VALUES(?,?,?,?,?)", err);
    for (size_t i = 0; i < d->n && !w.rc; i++) {
        const struct document *x = documents_at(d, i);
        rows_u64(&w, x->shard);
        rows_u64(&w, x->number);
        rows_u64(&w, x->tokens);
        rows_u64(&w, x->text_bytes);
        rows_u64(&w, find_domain(of, x->domain));
        rows_next(&w);
    }
    return rows_close(&w);
}

/* Those of sums [first, first + n) of each document, whose number is that of the model or pair. */
static int write_sums(const struct sql *sql, const struct documents *d, const char *delete,
                      const char *insert, size_t first, size_t n, struct err *err)
{
    struct rows w;
    rows_anew(&w, sql, delete, insert, err);
    for (size_t i = 0; i < d->n; i++) {
        const struct document *x = documents_at(d, i);
        for (size_t k = 0; k < n && !w.rc; k++) {
            const struct document_sum *sum = &x->sums[first + k];
            if (sum->n > 0) {
                rows_u64(&w, x->shard);
                rows_u64(&w, x->number);
                rows_u64(&w, k);
                rows_u64(&w, sum->n);
                rows_real(&w, fixed_mean(sum->sum, sum->n));
                rows_next(&w);
            }
        }
    }
    return rows_close(&w);
}

static int write_tables(const struct sql *sql, const struct run *run, const struct results *results,
                        const void *whole, bool full, struct err *err)
{
    (void)run;
    const struct documents *d = whole;
    const struct documents_shape *s = d->shape;
    struct domains domains = {0};
    if (!full) {
        return 0;
    }
    int rc = read_domains(&domains, gaps_of(results), err);
    rc = rc ? rc : write_documents(sql, d, &domains, err);
    rc = rc ? rc
            : write_sums(sql, d, "DELETE FROM document_loss",
                         "INSERT INTO document_loss VALUES(?,?,?,?,?)", 0, s->n_models, err);
    rc =
        rc ? rc
           : write_sums(sql, d, "DELETE FROM document_gap",
                        "INSERT INTO document_gap VALUES(?,?,?,?,?)", s->n_models, s->n_pairs, err);
    free(domains.items);
    return rc;
}

extern const char documents_sql[]; // out/results/documents/documents.sql

const struct collector_kind documents_collector = {
    .name = "documents",
    .shape_new = shape_new,
    .shape_free = shape_free,
    .shape_save = shape_save,
    .same = same,
    .describe = describe,
    .memory = memory,
    .part_new = part_new,
    .part_free = part_free,
    .begin_unit = begin_unit,
    .end_unit = end_unit,
    .whole_new = whole_new,
    .whole_free = whole_free,
    .add = add,
    .merge = merge,
    .n_pieces = n_pieces,
    .save = save,
    .load = load,
    .sql = documents_sql,
    .write = write_tables,
};
