#include "scan/work/choose_skips.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "corpora/base/mem.h"
#include "corpora/base/plural.h"
#include "corpora/base/stop.h"
#include "model/explain/attribution.h"
#include "model/explain/skips.h"
#include "out/results/skips/skips_collector.h"
#include "scan/cli/progress.h"
#include "scan/work/first_unit.h"

/* What is at work. */
struct search {
    const struct skip_choice *choice;
    const struct lineup *lineup;
    const struct model *base;
    struct layout unit;
    uint64_t *counts;     // [d_vocab of the base]
    unsigned char *never; // [d_vocab of the base]
    struct by_count {
        uint32_t id;
        uint64_t n;
    } * order; // [n_order] tokens that may stand in for others, the most frequent first
    size_t n_order;
    double scale, sum; // of the final norm; the sum over the unit's rows
    uint64_t n_rows;
};

// --- the text -----------------------------------------------------------------------------------

/* The run's first model of counts; NULL: it has none. */
static const struct lineup_model *counts_of(const struct lineup *l)
{
    for (size_t i = 0; i < l->n; i++) {
        if (!l->models[i].weights) {
            return &l->models[i];
        }
    }
    return NULL;
}

static void count_tokens(struct search *s)
{
    const struct lineup_model *m = counts_of(s->lineup);
    const size_t n = s->lineup->d_vocab; // of the least model
    for (size_t id = 0; id < n && m; id++) {
        s->counts[id] = ngrams_word(m->counts.ngrams, (uint32_t)id)->count;
    }
    for (size_t d = 0; d < s->unit.n_docs && !m; d++) {
        const struct layout_doc *doc = &s->unit.docs[d];
        for (size_t i = doc->begin; i < doc->begin + doc->n; i++) {
            if (s->unit.ids[i] < n && !(s->unit.skipped && s->unit.skipped[i])) {
                s->counts[s->unit.ids[i]]++;
            }
        }
    }
}

static void mark_never(struct search *s)
{
    const struct tokenizer *t = s->lineup->tokenizer;
    const size_t n = t ? tokenizer_n_vocab(t) : 0, d_vocab = s->base->config.d_vocab;
    for (size_t id = 0; id < n && id < d_vocab; id++) {
        s->never[id] = id == tokenizer_bos(t) || id == tokenizer_eos(t) ||
                       tokenizer_is_special(t, (uint32_t)id);
    }
}

/* engine_rows() */
static void add_scales(void *context, size_t layer, enum row_site site,
                       const struct engine_window *windows, size_t n_windows, const float *rows)
{
    (void)layer;
    (void)site;
    struct search *s = context;
    const size_t d = s->base->config.d_model;
    for (size_t k = 0; k < n_windows; k++) {
        rows += d; // BOS, which predicts from itself alone
        for (size_t i = 0; i < windows[k].n; i++, rows += d, s->n_rows++) {
            s->sum += attribution_scale(s->base, rows);
        }
    }
}

/* The final norm's mean scale over the first unit; 1 where there is no text. */
static int mean_scale(struct search *s, const struct engine *e, const atomic_int *stop,
                      struct err *err)
{
    const uint32_t site = ROW_BIT(ROW_RESID_FINAL);
    const struct engine_watch watch = {.sites = site, .rows = add_scales, .context = s};
    struct engine_ctx *ctx = NULL;
    int rc = engine_ctx_new(&ctx, e, err);
    rc = rc ? rc : engine_watch_sites(ctx, site, err);
    for (size_t i = 0; i < s->unit.n_windows && !rc && !is_stopped(stop); i++) {
        const struct engine_window window = {.first = s->unit.windows[i].first,
                                             .tokens = s->unit.ids + s->unit.windows[i].begin,
                                             .n = s->unit.windows[i].n};
        if (window.n > 0) {
            engine_watch_layers(ctx, &window, 1, &watch, stop);
        }
    }
    s->scale = s->n_rows > 0 ? s->sum / (double)s->n_rows : 1;
    engine_ctx_free(ctx);
    return rc;
}

// --- stand-ins ----------------------------------------------------------------------------------

static int by_count(const void *a, const void *b)
{
    const struct by_count *x = a, *y = b;
    return x->n != y->n ? (x->n < y->n ? 1 : -1) : (x->id > y->id) - (x->id < y->id);
}

static int order_tokens(struct search *s, struct err *err)
{
    const size_t d_vocab = s->base->config.d_vocab;
    s->order = mem_new(d_vocab, sizeof *s->order);
    if (!s->order) {
        return err_nomem(err, "skip-trigrams");
    }
    for (uint32_t id = 0; id < d_vocab; id++) {
        if (s->counts[id] > 0 && !s->never[id]) {
            s->order[s->n_order++] = (struct by_count){.id = id, .n = s->counts[id]};
        }
    }
    qsort(s->order, s->n_order, sizeof *s->order, by_count);
    return 0;
}

/* The tokens next to A in that order, taking turns: the next rarer, the next more frequent. */
static struct skip_a stand_ins(const struct search *s, uint32_t a)
{
    struct skip_a out = {.id = a};
    const struct by_count key = {.id = a, .n = s->counts[a]};
    const struct by_count *own = bsearch(&key, s->order, s->n_order, sizeof *s->order, by_count);
    const size_t at = own ? (size_t)(own - s->order) : 0;
    for (size_t k = 1; own && k < s->n_order && out.n_fillers < SKIP_FILLERS; k++) {
        if (at + k < s->n_order) {
            out.fillers[out.n_fillers++] = s->order[at + k].id;
        }
        if (k <= at && out.n_fillers < SKIP_FILLERS) {
            out.fillers[out.n_fillers++] = s->order[at - k].id;
        }
    }
    return out;
}

static int by_id(const void *a, const void *b)
{
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* Sets the shape: what was found, with stand-ins for each A. */
static int set_shape(struct skip_shape *shape, const struct search *s,
                     const struct skips_item *found, size_t n, struct err *err)
{
    struct skip *items = mem_new(n, sizeof *items);
    struct skip_a *as = mem_new(n, sizeof *as);
    uint32_t *ids = mem_new(n, sizeof *ids);
    size_t n_as = 0;
    int rc = items && as && ids ? 0 : err_nomem(err, "skip-trigrams");
    for (size_t i = 0; i < n && !rc; i++) {
        items[i] = (struct skip){.head = found[i].head,
                                 .a = found[i].a,
                                 .b = found[i].b,
                                 .c = found[i].c,
                                 .attention = found[i].attention,
                                 .raise = found[i].raise};
        ids[i] = found[i].a;
    }
    if (!rc) {
        qsort(ids, n, sizeof *ids, by_id);
        for (size_t i = 0; i < n; i++) {
            if (i == 0 || ids[i] != ids[i - 1]) {
                as[n_as++] = stand_ins(s, ids[i]);
            }
        }
        struct skip_source source = {.vocabulary = 0, .scale = s->scale};
        for (size_t id = 0; id < s->base->config.d_vocab; id++) {
            source.tokens += s->counts[id];
            source.vocabulary += s->counts[id] > 0;
        }
        for (size_t i = 0; i < s->n_order; i++) {
            source.frequent +=
                (double)s->order[i].n / (double)source.tokens >= s->choice->rule.frequent;
        }
        rc = skip_shape_choose(shape, &source, items, n, as, n_as, err);
    }
    free(items);
    free(as);
    free(ids);
    return rc;
}

// --- the whole ----------------------------------------------------------------------------------

int choose_skips(const struct results *results, const struct skip_choice *choice,
                 const struct lineup *lineup, const struct engines *engines,
                 const struct pipeline_options *p, const atomic_int *stop, struct err *err)
{
    struct skip_shape *shape = skips_shape_in(results);
    if (!shape || shape->chosen || is_stopped(stop)) {
        return 0;
    }
    const struct engine *e = engines->predictors[shape->base].engine;
    struct search s = {.choice = choice, .lineup = lineup, .base = engine_model(e)};
    struct skips_item *found = NULL;
    const double begin = progress_clock();
    size_t n = 0;
    s.counts = mem_zero(s.base->config.d_vocab, sizeof *s.counts);
    s.never = mem_zero(s.base->config.d_vocab, sizeof *s.never);
    int rc = s.counts && s.never ? 0 : err_nomem(err, "skip-trigrams");
    rc = rc ? rc : first_unit_layout(&s.unit, p, err);
    rc = rc ? rc : mean_scale(&s, e, stop, err);
    if (!rc) {
        count_tokens(&s);
        mark_never(&s);
        rc = order_tokens(&s, err);
    }
    if (!rc && !is_stopped(stop)) {
        const struct skips_text text = {.counts = s.counts,
                                        .never = s.never,
                                        .bos = lineup->tokenizer ? tokenizer_bos(lineup->tokenizer)
                                                                 : UINT32_MAX,
                                        .scale = s.scale};
        rc = skips_find(&found, &n, e, &choice->rule, &text, p->n_threads, stop, err);
    }
    if (!rc && !is_stopped(stop)) {
        rc = set_shape(shape, &s, found, n, err);
        fprintf(stderr,
                "gapscope scan: %zu skip-trigram%s of %s's heads, of %zu tokens, in %.1f s\n", n,
                plural_s(n), lineup->models[shape->base].name, (size_t)shape->source.frequent,
                progress_clock() - begin);
    }
    free(found);
    free(s.order);
    free(s.counts);
    free(s.never);
    layout_free(&s.unit);
    return rc;
}
