#include "out/results/documents/documents.h"

#include <stdlib.h>
#include <string.h>

#include "out/results/varints.h"

static size_t n_sums(const struct documents_shape *s)
{
    return s->n_models + s->n_pairs;
}

size_t documents_item_size(const struct documents_shape *s)
{
    return sizeof(struct document) + n_sums(s) * sizeof(struct document_sum);
}

struct document *documents_at(const struct documents *d, size_t i)
{
    return (struct document *)(void *)(d->items + i * documents_item_size(d->shape));
}

int documents_new(struct documents **out, const struct documents_shape *s, struct err *err)
{
    struct documents *d = mem_zero(1, sizeof *d);
    *out = d;
    if (!d) {
        return err_nomem(err, "documents");
    }
    d->shape = s;
    return 0;
}

void documents_free(struct documents *d)
{
    if (d) {
        free(d->items);
        free(d);
    }
}

int documents_append(struct documents *d, struct document **out, struct err *err)
{
    const size_t size = documents_item_size(d->shape);
    const int rc = mem_reserve(&d->items, &d->cap, d->n + 1, size, "documents", err);
    *out = NULL;
    if (!rc) {
        *out = documents_at(d, d->n++);
        memset(*out, 0, size);
    }
    return rc;
}

static int by_place(const void *one, const void *other)
{
    const struct document *a = one, *b = other;
    return a->hash != b->hash     ? (a->hash < b->hash ? -1 : 1)
           : a->shard != b->shard ? (a->shard < b->shard ? -1 : 1)
                                  : (a->number > b->number) - (a->number < b->number);
}

void documents_sort(struct documents *d)
{
    if (d->n > 0) {
        qsort(d->items, d->n, documents_item_size(d->shape), by_place);
    }
}

int documents_merge(struct documents *to, const struct documents *from, struct err *err)
{
    const size_t size = documents_item_size(to->shape), most = to->shape->most;
    size_t n = from->n < most ? from->n : most;
    while (n > 0 && to->n == most &&
           by_place(documents_at(from, n - 1), documents_at(to, most - 1)) > 0) {
        n--;
    }
    const int rc = mem_reserve(&to->items, &to->cap, to->n + n, size, "documents", err);
    if (rc || n == 0) {
        return rc;
    }
    size_t a = to->n, b = n;
    for (size_t at = a + b; b > 0; at--) { // from the last on, so that nothing is written over
        const bool old = a > 0 && by_place(documents_at(to, a - 1), documents_at(from, b - 1)) > 0;
        memcpy(documents_at(to, at - 1), old ? documents_at(to, a - 1) : documents_at(from, b - 1),
               size);
        a -= old;
        b -= !old;
    }
    to->n = to->n + n < most ? to->n + n : most;
    return 0;
}

// --- as bytes -----------------------------------------------------------------------------------

/*
 * A piece is how many documents it has, and each: its hash, less that of the document before it in
 * the piece; shard, number, tokens, bytes of text, hash of the domain; of each model, then of each
 * pair, how many tokens have a value, and their sum as a zigzag number.
 */
size_t documents_n_pieces(const struct documents_shape *s)
{
    return (s->most + DOCUMENTS_PIECE - 1) / DOCUMENTS_PIECE;
}

int documents_save(const struct documents *d, size_t piece, struct buf *out, struct err *err)
{
    struct varints_writer w = {.to = out, .err = err};
    const size_t before = out->len;
    const size_t begin = piece * DOCUMENTS_PIECE < d->n ? piece * DOCUMENTS_PIECE : d->n;
    const size_t end = begin + DOCUMENTS_PIECE < d->n ? begin + DOCUMENTS_PIECE : d->n;
    uint64_t hash = 0;
    varints_put(&w, end - begin);
    for (size_t i = begin; i < end && !w.rc; i++) {
        const struct document *x = documents_at(d, i);
        const uint64_t numbers[] = {x->hash - hash, x->shard,      x->number,
                                    x->tokens,      x->text_bytes, x->domain};
        hash = x->hash;
        varints_room(&w, sizeof numbers / sizeof *numbers + 2 * n_sums(d->shape));
        for (size_t k = 0; k < sizeof numbers / sizeof *numbers && !w.rc; k++) {
            varints_next(out, numbers[k]);
        }
        for (size_t k = 0; k < n_sums(d->shape) && !w.rc; k++) {
            varints_next(out, x->sums[k].n);
            varints_next(out, varints_zigzag(x->sums[k].sum));
        }
    }
    if (w.rc) {
        out->len = before;
    }
    return w.rc;
}

static void get_document(struct document *x, struct varints_reader *r,
                         const struct documents_shape *s, uint64_t hash)
{
    x->hash = varints_get(r, UINT64_MAX - hash, "a document's hash") + hash;
    x->shard = varints_get(r, s->n_shards > 0 ? s->n_shards - 1 : 0, "a document's shard");
    x->number = varints_get(r, UINT64_MAX, "a document's number");
    x->tokens = varints_get(r, UINT32_MAX, "a document's tokens");
    x->text_bytes = varints_get(r, UINT32_MAX, "the bytes of a document");
    x->domain = varints_get(r, UINT64_MAX, "a document's domain");
    for (size_t k = 0; k < n_sums(s) && !r->rc; k++) {
        x->sums[k].n = varints_get(r, x->tokens, "tokens with a log-prob");
        x->sums[k].sum = varints_get_signed(r, "a sum");
    }
}

int documents_load(struct documents *d, size_t piece, const void *bytes, size_t len,
                   struct err *err)
{
    struct varints_reader r = {.at = bytes, .left = len, .of = "documents", .err = err};
    const size_t begin = piece * DOCUMENTS_PIECE;
    const size_t room = begin < d->shape->most ? d->shape->most - begin : 0;
    const size_t most = d->n != begin ? 0 : room < DOCUMENTS_PIECE ? room : DOCUMENTS_PIECE;
    const size_t n = (size_t)varints_get(&r, most, "how many documents");
    uint64_t hash = 0;
    int rc = r.rc;
    for (size_t i = 0; i < n && !rc; i++) {
        struct document *x = NULL;
        rc = documents_append(d, &x, err);
        if (rc) {
            break;
        }
        get_document(x, &r, d->shape, hash);
        if (!r.rc && d->n > 1 && by_place(documents_at(d, d->n - 2), x) >= 0) {
            varints_bad(&r, "the order of its documents");
        }
        hash = x->hash;
        rc = r.rc;
    }
    if (!rc && r.left > 0) {
        varints_bad(&r, "more bytes follow its end");
        rc = r.rc;
    }
    return rc;
}
