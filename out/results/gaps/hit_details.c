#include "out/results/gaps/hit_details.h"

#include <stdlib.h>
#include <string.h>

#include "corpora/base/bits.h"
#include "corpora/base/mem.h"
#include "out/results/gaps/gap.h"
#include "out/results/gaps/hit_detail.h"

/* A hit that has no detail yet. */
struct open_hit {
    struct tally_hit *hit;
    size_t pair;
    size_t doc, token; // of the unit
    size_t view;       // tokens of several pairs share their views
};

struct hit_details {
    const struct tally_shape *shape;
    struct open_hit *hits; // [n_hits], those of one token together
    size_t n_hits, hits_cap;
    size_t n_views;
    struct token_view **views; // [n_models] of [n_views]
    size_t *views_cap;         // [n_models]

    // what one model is asked
    size_t *tokens;             // [n]
    size_t *view_of;            // [n]
    struct token_view *answers; // [n]
    size_t tokens_cap, view_of_cap, answers_cap;
    uint32_t *labels; // of the current hit
    size_t labels_cap;
};

int hit_details_new(struct hit_details **out, const struct tally_shape *shape, struct err *err)
{
    struct hit_details *d = mem_zero(1, sizeof *d);
    if (!d) {
        return err_nomem(err, "details");
    }
    d->shape = shape;
    d->views = mem_zero(shape->n_models, sizeof *d->views);
    d->views_cap = mem_zero(shape->n_models, sizeof *d->views_cap);
    if (!d->views || !d->views_cap) {
        hit_details_free(d);
        return err_nomem(err, "details");
    }
    *out = d;
    return 0;
}

void hit_details_free(struct hit_details *d)
{
    if (!d) {
        return;
    }
    for (size_t m = 0; d->views && m < d->shape->n_models; m++) {
        free(d->views[m]);
    }
    free(d->views);
    free(d->views_cap);
    free(d->hits);
    free(d->tokens);
    free(d->view_of);
    free(d->answers);
    free(d->labels);
    free(d);
}

// --- which tokens -------------------------------------------------------------------------------

static int by_token(const void *a, const void *b)
{
    const struct open_hit *x = a, *y = b;
    return x->token != y->token ? (x->token < y->token ? -1 : 1) : 0;
}

/* The document of a hit of the unit. */
static size_t hit_doc(const struct unit_tokens *u, const struct tally_hit *hit)
{
    size_t low = 0, high = u->n_docs - 1;
    while (low < high) { // documents ascend by number
        const size_t middle = low + (high - low + 1) / 2;
        if (u->docs[middle].number <= hit->doc) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    return low;
}

/* Lists the hits of the tally, those of one token together; those of brief pairs have no details. */
static int list_hits(struct hit_details *d, const struct unit_tokens *u, struct tally *tally,
                     struct err *err)
{
    d->n_hits = d->n_views = 0;
    for (size_t i = 0; i < 2 * tally_full_pairs(tally->shape); i++) {
        const struct tally_hits *hits = &tally->pairs[i / 2].hits[i % 2];
        const int rc = mem_reserve(&d->hits, &d->hits_cap, d->n_hits + hits->n, sizeof *d->hits,
                                   "details", err);
        if (rc) {
            return rc;
        }
        for (size_t k = 0; k < hits->n; k++) {
            const size_t doc = hit_doc(u, &hits->items[k]);
            d->hits[d->n_hits++] =
                (struct open_hit){.hit = &hits->items[k],
                                  .pair = i / 2,
                                  .doc = doc,
                                  .token = u->docs[doc].begin + hits->items[k].at};
        }
    }
    if (d->n_hits > 0) {
        qsort(d->hits, d->n_hits, sizeof *d->hits, by_token);
    }
    for (size_t k = 0; k < d->n_hits; k++) {
        d->n_views += k == 0 || d->hits[k].token != d->hits[k - 1].token;
        d->hits[k].view = d->n_views - 1;
    }
    return 0;
}

static int reserve(struct hit_details *d, struct err *err)
{
    static const char what[] = "details";
    const size_t n = d->n_views;
    int rc = mem_reserve(&d->tokens, &d->tokens_cap, n, sizeof *d->tokens, what, err);
    rc = rc ? rc : mem_reserve(&d->view_of, &d->view_of_cap, n, sizeof *d->view_of, what, err);
    rc = rc ? rc : mem_reserve(&d->answers, &d->answers_cap, n, sizeof *d->answers, what, err);
    for (size_t m = 0; m < tally_full_models(d->shape) && !rc; m++) {
        rc = mem_reserve(&d->views[m], &d->views_cap[m], n, sizeof *d->views[m], what, err);
    }
    return rc;
}

// --- what the models say ------------------------------------------------------------------------

static bool has_model(const struct run_pair *p, size_t m)
{
    bool has = p->base == m;
    for (uint32_t i = 0; i < p->n_others; i++) {
        has = has || p->others[i] == m;
    }
    return has;
}

/* What model m says before the tokens of all hits whose pair has it. */
static int ask(struct hit_details *d, size_t m, const struct unit_models *models, struct err *err)
{
    size_t n = 0;
    for (size_t k = 0; k < d->n_hits; k++) {
        const struct open_hit *h = &d->hits[k];
        const bool again = n > 0 && d->view_of[n - 1] == h->view;
        if (!again && has_model(&d->shape->pairs[h->pair], m)) {
            d->tokens[n] = h->token;
            d->view_of[n++] = h->view;
        }
    }
    const int rc = models->look(models->context, m, d->tokens, n, d->answers, err);
    for (size_t k = 0; k < n && !rc; k++) {
        d->views[m][d->view_of[k]] = d->answers[k];
    }
    return rc;
}

// --- what stands around -------------------------------------------------------------------------

/* Tokens [from, to) of a document. */
struct stretch {
    size_t from, to;
};

/* Those around token 'at'.  No more tokens than bytes, so that even those of a vocabulary with
 * empty ones are few. */
static struct stretch find_around(const struct unit_tokens *u, const struct unit_tokens_doc *doc,
                                  size_t at)
{
    const bool text = doc->text_len > 0; // with tokens it has some, but for ids
    const size_t most_before = text ? TALLY_BEFORE : HIT_IDS_BEFORE;
    const size_t most_after = text ? TALLY_AFTER : HIT_IDS_AFTER;
    struct stretch s = {.from = at > most_before ? at - most_before : 0,
                        .to = doc->n - at - 1 > most_after ? at + 1 + most_after : doc->n};
    if (text) {
        const uint32_t *ends = u->ends + doc->begin;
        const size_t begin = at > 0 ? ends[at - 1] : 0, end = ends[at];
        while (s.from < at && begin - (s.from > 0 ? ends[s.from - 1] : 0) > TALLY_BEFORE) {
            s.from++;
        }
        while (s.to > at + 1 && ends[s.to - 1] - end > TALLY_AFTER) {
            s.to--;
        }
    }
    return s;
}

/* The hypotheses whose gap is taken at the token (tally_place()): how many, in d->labels.
 * has_before: a token of its window and document stands before it. */
static int list_labels(struct hit_details *d, const struct unit_labels *l, size_t token,
                       bool has_before, uint32_t *n, struct err *err)
{
    const struct run_hypothesis *all = d->shape->hypotheses;
    const size_t n_words = bits_words(l->n_hypotheses);
    const uint64_t *own = l->words + token * n_words;
    const int rc =
        mem_reserve(&d->labels, &d->labels_cap, l->n_hypotheses, sizeof *d->labels, "details", err);
    *n = 0;
    for (size_t h = 0; h < l->n_hypotheses && !rc; h++) {
        const bool next = all && all[h].predicts_next;
        if (next ? has_before && bits_get(own - n_words, h) : bits_get(own, h)) {
            d->labels[(*n)++] = (uint32_t)h;
        }
    }
    return rc;
}

static int add_detail(struct hit_details *d, const struct open_hit *h, const struct unit_tokens *u,
                      const struct unit_models *models, struct err *err)
{
    const struct run_pair *p = &d->shape->pairs[h->pair];
    const struct unit_tokens_doc *doc = &u->docs[h->doc];
    const size_t at = h->token - doc->begin;
    const struct stretch s = find_around(u, doc, at);
    struct token_view views[1 + RUN_OTHERS_MAX];
    int64_t gaps[TALLY_BEFORE + 1 + TALLY_AFTER];
    int32_t hundredths[TALLY_BEFORE + 1 + TALLY_AFTER];
    gaps_of_tokens(p, d->shape->floor, models->logprob, doc->begin + s.from, s.to - s.from, gaps);
    gaps[at - s.from] = h->hit->gap;
    for (size_t i = 0; i < s.to - s.from; i++) {
        hundredths[i] = hit_detail_hundredths(gaps[i]);
    }
    views[0] = d->views[p->base][h->view];
    for (uint32_t i = 0; i < p->n_others; i++) {
        views[1 + i] = d->views[p->others[i]][h->view];
    }
    struct hit_detail detail = {.n_views = 1 + p->n_others,
                                .views = views,
                                .at = (uint32_t)(at - s.from),
                                .n = (uint32_t)(s.to - s.from),
                                .ids = u->ids + doc->begin + s.from,
                                .gaps = hundredths,
                                // "" counts as none, as in a tally
                                .domain = doc->domain && *doc->domain ? doc->domain : NULL,
                                .has_labels = u->labels != NULL};
    const bool has_before = at > 0 && u->pos[h->token] != 1;
    int rc = u->labels ? list_labels(d, u->labels, h->token, has_before, &detail.n_labels, err) : 0;
    detail.labels = d->labels;
    return rc ? rc : tally_set_detail(h->hit, &detail, err);
}

int hit_details_add(struct hit_details *d, const struct unit_tokens *unit,
                    const struct unit_models *models, struct tally *tally, struct err *err)
{
    int rc = list_hits(d, unit, tally, err);
    rc = rc ? rc : reserve(d, err);
    for (size_t m = 0; m < tally_full_models(d->shape) && !rc && d->n_views > 0; m++) {
        rc = ask(d, m, models, err);
    }
    for (size_t k = 0; k < d->n_hits && !rc && !models->stopped(models->context); k++) {
        rc = add_detail(d, &d->hits[k], unit, models, err);
    }
    return rc;
}
