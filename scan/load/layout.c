#include "scan/load/layout.h"

#include <stdlib.h>
#include <string.h>

void layout_free(struct layout *l)
{
    free(l->ids);
    free(l->ends);
    free(l->pos);
    free(l->window);
    free(l->skipped);
    buf_free(&l->text);
    free(l->docs);
    free(l->windows);
    tokens_free(&l->tokens);
    encoder_free(l->encoder);
    *l = (struct layout){0};
}

/* Room for n tokens. */
static int reserve(struct layout *l, size_t n, struct err *err)
{
    static const char what[] = "a unit's tokens";
    int rc = mem_reserve(&l->ids, &l->ids_cap, n, sizeof *l->ids, what, err);
    rc = rc ? rc : mem_reserve(&l->ends, &l->ends_cap, n, sizeof *l->ends, what, err);
    rc = rc ? rc : mem_reserve(&l->pos, &l->pos_cap, n, sizeof *l->pos, what, err);
    return rc ? rc : mem_reserve(&l->window, &l->window_cap, n, sizeof *l->window, what, err);
}

/* Appends the tokens of a document, or the ids that are predicted. */
static int add_tokens(struct layout *l, const struct unit *u, const struct layout_options *o,
                      struct layout_doc *d, struct err *err)
{
    d->begin = l->n;
    d->text = l->text.len;
    if (!o->tokenizer) {
        d->n = d->doc->len - 1;
        const int rc = reserve(l, l->n + d->n, err);
        if (!rc) {
            memcpy(l->ids + l->n, u->ids + d->doc->at + 1, d->n * sizeof *l->ids);
        }
        return rc;
    }
    int rc =
        encode(l->encoder, u->text.data + d->doc->at, d->doc->len, o->special, &l->tokens, err);
    rc = rc ? rc : reserve(l, l->n + l->tokens.n + 1, err); // an EOS may follow
    rc = rc ? rc : buf_append(&l->text, l->tokens.text, l->tokens.text_len, err);
    d->n = l->tokens.n;
    d->text_len = l->tokens.text_len;
    if (!rc && d->n > 0) {
        memcpy(l->ids + l->n, l->tokens.ids, d->n * sizeof *l->ids);
        memcpy(l->ends + l->n, l->tokens.ends, d->n * sizeof *l->ends);
    }
    return rc;
}

/* Cuts tokens [begin, l->n) into windows of n_ctx - 1; the first has number 0. */
static int cut(struct layout *l, size_t begin, uint32_t first, size_t n_ctx, struct err *err)
{
    const size_t step = n_ctx - 1;
    for (size_t at = begin; at < l->n; at += step) {
        const int rc = mem_reserve(&l->windows, &l->windows_cap, l->n_windows + 1,
                                   sizeof *l->windows, "windows", err);
        if (rc) {
            return rc;
        }
        const size_t n = l->n - at < step ? l->n - at : step;
        l->windows[l->n_windows++] = (struct layout_window){.first = first, .begin = at, .n = n};
        for (size_t i = 0; i < n; i++) {
            l->pos[at + i] = (uint32_t)i + 1;
            l->window[at + i] = (uint32_t)((at - begin) / step);
        }
    }
    return 0;
}

/* Marks the special tokens of documents. */
static int mark_skipped(struct layout *l, const struct layout_options *o, struct err *err)
{
    l->n_skipped = 0;
    if (!o->skip_special || !o->tokenizer) {
        return 0;
    }
    const int rc = mem_reserve(&l->skipped, &l->skipped_cap, l->n + 1, 1, "a unit's tokens", err);
    if (rc) {
        return rc;
    }
    memset(l->skipped, 0, l->n + 1);
    for (size_t d = 0; d < l->n_docs; d++) {
        const struct layout_doc *doc = &l->docs[d];
        for (size_t i = doc->begin; i < doc->begin + doc->n; i++) {
            l->skipped[i] = tokenizer_is_special(o->tokenizer, l->ids[i]);
            l->n_skipped += l->skipped[i];
        }
    }
    return 0;
}

int layout_make(struct layout *l, const struct unit *u, const struct layout_options *o,
                struct err *err)
{
    l->n = l->n_docs = l->n_windows = l->n_double = 0;
    l->text.len = 0;
    if (o->tokenizer && !l->encoder) {
        l->encoder = encoder_new(o->tokenizer);
        if (!l->encoder) {
            return err_nomem(err, "a tokenizer's working memory");
        }
    }
    int rc = mem_reserve(&l->docs, &l->docs_cap, u->n_docs, sizeof *l->docs, "documents", err);
    for (size_t i = 0; i < u->n_docs && !rc; i++) {
        struct layout_doc *d = &l->docs[i];
        *d = (struct layout_doc){.doc = &u->docs[i]};
        d->first = o->tokenizer ? tokenizer_bos(o->tokenizer) : u->ids[d->doc->at];
        if (o->packing == PACKING_ROWS && i > 0) { // add_tokens() has reserved room for it
            l->ids[l->n] = tokenizer_eos(o->tokenizer);
            l->ends[l->n++] = 0;
        }
        rc = add_tokens(l, u, o, d, err);
        if (rc) {
            return rc;
        }
        l->n_double += o->tokenizer && d->n > 0 && l->ids[d->begin] == d->first &&
                       (o->packing == PACKING_DOCS || i == 0);
        l->n += d->n;
        l->n_docs++;
        if (o->packing == PACKING_DOCS) {
            rc = cut(l, d->begin, d->first, o->n_ctx, err);
        }
    }
    if (!rc && o->packing == PACKING_ROWS) {
        rc = cut(l, 0, tokenizer_bos(o->tokenizer), o->n_ctx, err);
    }
    return rc ? rc : mark_skipped(l, o, err);
}

size_t layout_window_of(const struct layout *l, size_t i)
{
    size_t low = 0, high = l->n_windows - 1;
    while (low < high) {
        const size_t middle = low + (high - low + 1) / 2;
        if (l->windows[middle].begin <= i) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    return low;
}

struct engine_pick layout_pick(const struct layout *l, const struct engine_window *windows,
                               size_t i)
{
    const size_t window = layout_window_of(l, i);
    return (struct engine_pick){.window = &windows[window], .at = i - l->windows[window].begin};
}
