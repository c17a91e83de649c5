#include "scan/load/hypothesis_args.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "corpora/base/mem.h"
#include "miners/battery.h"

/* A token and its bytes. */
struct named {
    const char *bytes; // [len]
    size_t len;
    uint32_t id;
};

/* All tokens of a tokenizer, sorted by their bytes when the first is looked up. */
struct vocabulary {
    const struct tokenizer *tokenizer;
    struct named *tokens; // [n]
    size_t n;
    bool no_memory;
};

static int compare_bytes(const struct named *a, const struct named *b)
{
    const size_t least = a->len < b->len ? a->len : b->len;
    const int order = least ? memcmp(a->bytes, b->bytes, least) : 0;
    return order ? order : (a->len > b->len) - (a->len < b->len);
}

static int by_bytes_and_id(const void *a, const void *b)
{
    const struct named *x = a, *y = b;
    const int order = compare_bytes(x, y);
    return order ? order : (x->id > y->id) - (x->id < y->id);
}

static void make_table(struct vocabulary *v)
{
    const size_t n_vocab = tokenizer_n_vocab(v->tokenizer);
    v->tokens = mem_new(n_vocab, sizeof *v->tokens);
    v->no_memory = !v->tokens;
    for (size_t id = 0; id < n_vocab && v->tokens; id++) {
        struct named *t = &v->tokens[v->n];
        t->id = (uint32_t)id;
        t->bytes = tokenizer_bytes(v->tokenizer, t->id, &t->len);
        v->n += t->bytes != NULL;
    }
    if (v->n) {
        qsort(v->tokens, v->n, sizeof *v->tokens, by_bytes_and_id);
    }
}

/* token_lookup() of hypotheses.h: the lowest id of equal tokens. */
static uint32_t token_id(const void *context, const char *text, size_t len)
{
    struct vocabulary *v = *(struct vocabulary *const *)context;
    const struct named wanted = {.bytes = text, .len = len};
    if (!v->tokens && !v->no_memory) {
        make_table(v);
    }
    size_t low = 0, high = v->n;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (compare_bytes(&v->tokens[middle], &wanted) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < v->n && compare_bytes(&v->tokens[low], &wanted) == 0 ? v->tokens[low].id
                                                                      : UINT32_MAX;
}

/* Says which patterns hold what no text of the tokenizer holds: an accent typed as a mark of its
 * own, say, where the tokenizer composes it with its letter. */
static int warn_of_forms(const struct hypotheses *h, const struct tokenizer *tokenizer,
                         struct err *err)
{
    struct encoder *encoder = encoder_new(tokenizer);
    struct tokens t = {0};
    int rc = encoder ? 0 : err_nomem(err, "an encoder");
    for (size_t i = 0; i < h->n && !rc; i++) {
        const struct miner *m = &h->items[i];
        const size_t len = strlen(m->spec);
        if (strcmp(m->kind->name, "regex") != 0) {
            continue;
        }
        rc = encode(encoder, m->spec, len, SPECIAL_PLAIN, &t, err);
        if (!rc && (t.text_len != len || memcmp(t.text, m->spec, len) != 0)) {
            fprintf(stderr,
                    "gapscope: hypothesis %s: its pattern has characters in a form that the "
                    "tokenizer's normaliser changes (an accent typed behind its letter?), so they "
                    "never match; normalised it is %.*s\n",
                    m->name, t.text_len < 400 ? (int)t.text_len : 400, t.text);
        }
    }
    tokens_free(&t);
    encoder_free(encoder);
    return rc;
}

bool hypothesis_args_wanted(const struct hypothesis_args_options *o)
{
    return o->files.n + o->regexes.n > 0 || o->battery;
}

int hypothesis_args_load(struct hypotheses *out, const struct hypothesis_args_options *o,
                         const struct hypothesis_windows *windows,
                         const struct tokenizer *tokenizer, struct err *err)
{
    struct vocabulary vocabulary = {.tokenizer = tokenizer}, *context = &vocabulary;
    const struct hypotheses_options options = {.token_id = tokenizer ? token_id : NULL,
                                               .context = &context,
                                               .n_vocab = windows->n_vocab,
                                               .n_ctx = windows->n_ctx,
                                               .packing = windows->packing};
    struct hypotheses h = {0};
    int rc = 0;
    for (size_t i = 0; i < o->files.n && !rc; i++) {
        rc = hypotheses_load(&h, o->files.items[i], &options, err);
    }
    for (size_t i = 0; i < o->regexes.n && !rc; i++) {
        rc = hypotheses_add_regex(&h, o->regexes.items[i], err);
    }
    if (!rc && o->battery) {
        rc = hypotheses_parse(&h, battery_yaml, strlen(battery_yaml), "--battery", "", &options,
                              err);
    }
    if (vocabulary.no_memory) {
        rc = err_nomem(err, "the tokenizer's table");
    }
    const struct miner *texts = rc || tokenizer ? NULL : hypotheses_needing_text(&h);
    if (texts) {
        rc = err_set(err, ERR_USAGE,
                     "hypothesis %s (%s) needs text, and --ids gives none; only 'ids: [..]' can "
                     "label ids",
                     texts->name, texts->kind->name);
    }
    free(vocabulary.tokens);
    if (!rc && tokenizer) {
        rc = warn_of_forms(&h, tokenizer, err);
    }
    if (rc) {
        hypotheses_free(&h);
        return rc;
    }
    *out = h;
    return 0;
}
