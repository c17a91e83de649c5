#include "out/results/varints.h"

#include <string.h>

#include "out/results/four_digits.h"

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

/* All but its activations; there is room for them. */
static void put_head(struct varints_writer *w, const struct example *e)
{
    const size_t n_labels = ((size_t)e->n_rows + 1) * e->n_words;
    uint32_t activation;
    memcpy(&activation, &e->activation, sizeof activation);
    const uint64_t fields[] = {e->key,        activation,  e->shard,   e->at,       e->doc,
                               e->byte_start, e->byte_end, e->context, e->n_tokens, e->before,
                               e->n_acts,     e->n_rows,   e->n_words, e->test};
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
}

static void put_example(struct varints_writer *w, const struct example *e)
{
    put_head(w, e);
    if (w->rc) {
        return;
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

/* How many bytes each activation has. */
static unsigned n_planes(enum varints_acts acts)
{
    return acts == VARINTS_DIGITS ? 3 : 4;
}

/* The bytes of an activation: of digits the exponent, the higher and the lower byte of the digits;
 * else of its bits, the highest first. */
static uint32_t act_bytes(float a, enum varints_acts acts)
{
    uint32_t bits;
    memcpy(&bits, &a, sizeof bits);
    if (acts == VARINTS_DIGITS) {
        const struct four_digits d = four_digits_of(a);
        bits = (uint32_t)(uint8_t)d.exponent << 16 | (uint16_t)d.digits;
    }
    return bits;
}

static void put_acts(struct varints_writer *w, const struct example_list *lists, size_t n,
                     size_t n_acts, enum varints_acts acts)
{
    const unsigned planes = n_planes(acts);
    w->rc = w->rc ? w->rc : buf_reserve(w->to, n_acts * planes, w->err);
    if (w->rc) {
        return;
    }
    unsigned char *to = (unsigned char *)w->to->data + w->to->len;
    w->to->len += n_acts * planes;
    for (size_t k = 0; k < n; k++) {
        for (uint32_t i = 0; i < lists[k].n; i++) {
            for (uint32_t j = 0; j < lists[k].items[i].n_acts; j++, to++) {
                const uint32_t bytes = act_bytes(lists[k].items[i].acts[j], acts);
                for (unsigned plane = 0; plane < planes; plane++) {
                    to[plane * n_acts] = (unsigned char)(bytes >> 8 * (planes - 1 - plane));
                }
            }
        }
    }
}

void varints_put_lists(struct varints_writer *w, const struct example_list *lists, size_t n,
                       enum varints_acts acts)
{
    size_t n_acts = 0;
    for (size_t k = 0; k < n; k++) {
        varints_put(w, lists[k].n);
        for (uint32_t i = 0; i < lists[k].n; i++) {
            put_head(w, &lists[k].items[i]);
            n_acts += lists[k].items[i].n_acts;
        }
    }
    put_acts(w, lists, n, n_acts, acts);
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
    e->test = varints_get(r, 1, "a half of the documents") == 1;
    if (e->before >= e->n_tokens || e->n_acts != (n_acts ? n_acts : e->n_tokens) ||
        (e->n_rows != 1 && e->n_rows != e->n_tokens) || e->n_words != n_words ||
        e->n_acts > r->left / 3) { // bytes of an activation, at least
        varints_bad(r, "an example");
    }
}

/* n_acts: of every example; 0: one a token.  All but its activations. */
static void get_head(struct varints_reader *r, struct example *e, uint32_t n_words, size_t n_acts)
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
}

static void get_example(struct varints_reader *r, struct example *e, uint32_t n_words,
                        size_t n_acts)
{
    get_head(r, e, n_words, n_acts);
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

/* Puts an example that was read behind those of the list, if it may stand there. */
static void append(struct varints_reader *r, struct example_list *l, struct example *e,
                   uint32_t most)
{
    if (!r->rc && l->n > 0 && !example_before(&l->items[l->n - 1], e)) {
        varints_bad(r, "a list out of order");
    }
    if (!r->rc && !example_belongs(l, e, most)) {
        varints_bad(r, "a list that has the same context twice");
    }
    if (r->rc) {
        example_free(e);
        return;
    }
    r->rc = example_insert(l, e, most, r->err);
}

void varints_get_list(struct varints_reader *r, struct example_list *l, uint32_t most,
                      uint32_t n_words, size_t n_acts)
{
    const uint64_t n = varints_get(r, most, "a list");
    for (uint64_t i = 0; i < n && !r->rc; i++) {
        struct example e = {0};
        get_example(r, &e, n_words, n_acts);
        append(r, l, &e, most);
    }
}

static float act_from(struct varints_reader *r, uint32_t bits, enum varints_acts acts)
{
    float a;
    memcpy(&a, &bits, sizeof a);
    if (acts == VARINTS_DIGITS) {
        const struct four_digits d = {(int16_t)(uint16_t)bits, (int8_t)(uint8_t)(bits >> 16)};
        a = four_digits_to(d);
        if (!four_digits_are(d)) {
            varints_bad(r, "activations");
        }
    }
    return a;
}

static void get_acts(struct varints_reader *r, struct example_list *lists, size_t n, size_t n_acts,
                     enum varints_acts acts)
{
    const unsigned planes = n_planes(acts);
    if (n_acts > r->left / planes) {
        varints_bad(r, "activations");
    }
    const unsigned char *at = r->at;
    for (size_t k = 0; k < n && !r->rc; k++) {
        for (uint32_t i = 0; i < lists[k].n && !r->rc; i++) {
            for (uint32_t j = 0; j < lists[k].items[i].n_acts && !r->rc; j++, at++) {
                uint32_t bits = 0;
                for (unsigned plane = 0; plane < planes; plane++) {
                    bits = bits << 8 | at[plane * n_acts];
                }
                lists[k].items[i].acts[j] = act_from(r, bits, acts);
            }
        }
    }
    if (!r->rc) {
        r->at += n_acts * planes;
        r->left -= n_acts * planes;
    }
}

void varints_get_lists(struct varints_reader *r, struct example_list *lists, size_t n,
                       uint32_t most, uint32_t n_words, size_t n_acts, enum varints_acts acts)
{
    size_t wanted = 0; // activations
    for (size_t k = 0; k < n && !r->rc; k++) {
        const uint64_t n_items = varints_get(r, most, "a list");
        for (uint64_t i = 0; i < n_items && !r->rc; i++) {
            struct example e = {0};
            get_head(r, &e, n_words, n_acts);
            wanted += r->rc ? 0 : e.n_acts;
            if (!r->rc && wanted > r->left / n_planes(acts)) { // no room for what cannot be there
                varints_bad(r, "activations");
            }
            append(r, &lists[k], &e, most);
        }
    }
    get_acts(r, lists, n, wanted, acts);
}
