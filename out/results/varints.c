#include "out/results/varints.h"

#include <string.h>

// --- writing ------------------------------------------------------------------------------------

void varints_room(struct varints_writer *w, size_t n)
{
    if (!w->rc) {
        w->rc = buf_reserve(w->to, n * VARINT_MOST, w->err);
    }
}

void varints_put(struct varints_writer *w, uint64_t value)
{
    varints_room(w, 1);
    if (!w->rc) {
        varints_next(w->to, value);
    }
}

static void put_example(struct varints_writer *w, const struct example *e)
{
    const size_t n_labels = ((size_t)e->n_rows + 1) * e->n_words;
    uint32_t activation;
    memcpy(&activation, &e->activation, sizeof activation);
    const uint64_t fields[] = {e->key,        activation,  e->shard,   e->at,       e->doc,
                               e->byte_start, e->byte_end, e->context, e->n_tokens, e->before,
                               e->n_acts,     e->n_rows,   e->n_words};
    const size_t n_fields = sizeof fields / sizeof *fields;
    varints_room(w, n_fields + n_labels + e->n_tokens + e->n_acts);
    if (w->rc) {
        return;
    }
    for (size_t i = 0; i < n_fields; i++) {
        varints_next(w->to, fields[i]);
    }
    for (size_t i = 0; i < n_labels; i++) {
        varints_next(w->to, e->labels[i]);
    }
    for (size_t i = 0; i < e->n_tokens; i++) {
        varints_next(w->to, e->ids[i]);
    }
    memcpy(w->to->data + w->to->len, e->acts, e->n_acts * sizeof *e->acts);
    w->to->len += e->n_acts * sizeof *e->acts;
}

void varints_put_list(struct varints_writer *w, const struct example_list *l)
{
    varints_put(w, l->n);
    for (uint32_t i = 0; i < l->n; i++) {
        put_example(w, &l->items[i]);
    }
}

// --- reading ------------------------------------------------------------------------------------

void varints_bad(struct varints_reader *r, const char *what)
{
    if (!r->rc) {
        r->rc = err_set(r->err, ERR_FORMAT, "the saved %s are damaged: %s", r->of, what);
    }
}

unsigned __int128 varints_get_wide(struct varints_reader *r, const char *what)
{
    unsigned __int128 value = 0;
    for (unsigned shift = 0; !r->rc; shift += 7) {
        if (r->left == 0) {
            varints_bad(r, what);
            break;
        }
        const unsigned char byte = *r->at++;
        r->left--;
        if ((byte == 0 && shift > 0) || (shift == 126 && byte > 3)) { // longer than it need be
            varints_bad(r, what);
            break;
        }
        value |= (unsigned __int128)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            break;
        }
    }
    return r->rc ? 0 : value;
}

uint64_t varints_get(struct varints_reader *r, uint64_t most, const char *what)
{
    const unsigned __int128 value = varints_get_wide(r, what);
    if (value > most) {
        varints_bad(r, what);
        return 0;
    }
    return (uint64_t)value;
}

void varints_want(struct varints_reader *r, uint64_t value, const char *what)
{
    if (varints_get(r, UINT64_MAX, what) != value) {
        varints_bad(r, what);
    }
}

__int128 varints_get_signed(struct varints_reader *r, const char *what)
{
    const unsigned __int128 value = varints_get_wide(r, what);
    if (value >> 121) { // more than can be: a few of them can still be added
        varints_bad(r, what);
        return 0;
    }
    return (__int128)(value >> 1) ^ -(__int128)(value & 1);
}

/* An example's fields, checked; its arrays have room. */
static void get_fields(struct varints_reader *r, struct example *e, uint32_t n_words, size_t n_acts)
{
    e->key = (uint32_t)varints_get(r, UINT32_MAX, "a key");
    const uint32_t activation = (uint32_t)varints_get(r, UINT32_MAX, "an activation");
    memcpy(&e->activation, &activation, sizeof e->activation);
    e->shard = (uint32_t)varints_get(r, UINT32_MAX, "a shard");
    e->at = (uint32_t)varints_get(r, UINT32_MAX, "a place");
    e->doc = varints_get(r, UINT64_MAX, "a document");
    e->byte_start = (uint32_t)varints_get(r, UINT32_MAX, "a place");
    e->byte_end = (uint32_t)varints_get(r, UINT32_MAX, "a place");
    e->context = varints_get(r, UINT64_MAX, "a context");
    e->n_tokens = (uint32_t)varints_get(r, EXAMPLE_TOKENS, "a context");
    e->before = (uint32_t)varints_get(r, EXAMPLE_TOKENS, "a context");
    e->n_acts = (uint32_t)varints_get(r, UINT32_MAX, "activations");
    e->n_rows = (uint32_t)varints_get(r, EXAMPLE_TOKENS, "labels");
    e->n_words = (uint32_t)varints_get(r, UINT32_MAX, "labels");
    if (e->before >= e->n_tokens || e->n_acts != (n_acts ? n_acts : e->n_tokens) ||
        (e->n_rows != 1 && e->n_rows != e->n_tokens) || e->n_words != n_words ||
        e->n_acts > r->left / sizeof *e->acts) {
        varints_bad(r, "an example");
    }
}

/* n_acts: of every example; 0: one a token. */
static void get_example(struct varints_reader *r, struct example *e, uint32_t n_words,
                        size_t n_acts)
{
    get_fields(r, e, n_words, n_acts);
    if (!r->rc) {
        r->rc = example_new(e, r->err);
    }
    for (size_t i = 0; !r->rc && i < ((size_t)e->n_rows + 1) * e->n_words; i++) {
        e->labels[i] = varints_get(r, UINT64_MAX, "labels");
    }
    for (size_t i = 0; !r->rc && i < e->n_tokens; i++) {
        e->ids[i] = (uint32_t)varints_get(r, UINT32_MAX, "a token");
    }
    const size_t bytes = e->n_acts * sizeof *e->acts;
    if (!r->rc && bytes > r->left) {
        varints_bad(r, "activations");
    }
    if (!r->rc) {
        memcpy(e->acts, r->at, bytes);
        r->at += bytes;
        r->left -= bytes;
    }
}

void varints_get_list(struct varints_reader *r, struct example_list *l, uint32_t most,
                      uint32_t n_words, size_t n_acts)
{
    const uint64_t n = varints_get(r, most, "a list");
    for (uint64_t i = 0; i < n && !r->rc; i++) {
        struct example e = {0};
        get_example(r, &e, n_words, n_acts);
        if (!r->rc && i > 0 && !example_before(&l->items[i - 1], &e)) {
            varints_bad(r, "a list out of order");
        }
        if (!r->rc && !example_belongs(l, &e, most)) {
            varints_bad(r, "a list that has the same context twice");
        }
        if (r->rc) {
            example_free(&e);
            return;
        }
        r->rc = example_insert(l, &e, most, r->err);
    }
}
