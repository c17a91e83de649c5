/*
 * run_bytes.c - a run as bytes, and back
 *
 * In the form of bytes.h: models, shards, pairs, floor (its bits), top, brief_top, hypotheses,
 * settings, reasons, counted, n_units, limited, done_bits, and the bytes of done.
 */
#include "out/results/run.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "out/results/bytes.h"

// What run_load() believes: beyond all that is real, small enough that nothing overflows.
#define SHARDS_MAX ((uint64_t)1 << 24)
#define SIZE_FIELD_MAX ((uint64_t)1 << 32)
#define VOCAB_MAX ((uint64_t)1 << 24)
#define TOP_MAX ((uint64_t)1 << 24)
#define HYPOTHESES_MAX 4096
#define REASONS_MAX 64
#define COMPONENTS_MAX 1048576

static void put_hypotheses(struct bytes_writer *w, const struct run *r)
{
    bytes_put(w, r->n_hypotheses);
    for (size_t i = 0; i < r->n_hypotheses; i++) {
        bytes_put_text(w, r->hypotheses[i].name);
        bytes_put_text(w, r->hypotheses[i].kind);
        bytes_put_text(w, r->hypotheses[i].spec);
        bytes_put(w, r->hypotheses[i].predicts_next);
        bytes_put(w, r->hypotheses[i].answers_itself);
        bytes_put(w, r->hypotheses[i].n_answers);
        for (size_t k = 0; k < r->hypotheses[i].n_answers; k++) {
            bytes_put(w, r->hypotheses[i].answers[k]);
        }
    }
}

int run_save(const struct run *r, struct buf *out, struct err *err)
{
    const size_t before = out->len;
    struct bytes_writer w = {.to = out, .err = err};
    bytes_put(&w, r->n_models);
    for (size_t i = 0; i < r->n_models; i++) {
        const struct run_model *m = &r->models[i];
        bytes_put_text(&w, m->name);
        bytes_put_text(&w, m->path);
        bytes_put_text(&w, m->act_fn);
        bytes_put_text(&w, m->site);
        const uint64_t sizes[] = {m->n_layers, m->d_model, m->n_heads,     m->d_mlp,
                                  m->d_vocab,  m->n_ctx,   m->weights_hash};
        for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
            bytes_put(&w, sizes[k]);
        }
        bytes_put_text(&w, m->changes ? m->changes : "");
        bytes_put(&w, m->share_take);
        bytes_put(&w, m->share_of);
        bytes_put(&w, m->brief);
        bytes_put(&w, m->n_components);
        for (size_t k = 0; k < m->n_components; k++) {
            bytes_put_text(&w, m->components[k]);
        }
    }
    bytes_put(&w, r->n_shards);
    for (size_t i = 0; i < r->n_shards; i++) {
        const struct run_shard *s = &r->shards[i];
        bytes_put_text(&w, s->name);
        bytes_put_text(&w, s->path);
        bytes_put(&w, s->bytes);
        bytes_put(&w, s->hash);
        bytes_put(&w, s->units);
    }
    bytes_put(&w, r->n_pairs);
    for (size_t i = 0; i < r->n_pairs; i++) {
        const struct run_pair *p = &r->pairs[i];
        bytes_put(&w, p->base);
        bytes_put(&w, p->n_others);
        for (size_t k = 0; k < p->n_others; k++) {
            bytes_put(&w, p->others[k]);
        }
        bytes_put(&w, p->brief);
    }
    bytes_put_real(&w, r->floor);
    bytes_put(&w, r->top);
    bytes_put(&w, r->brief_top);
    put_hypotheses(&w, r);
    bytes_put_text(&w, r->settings);
    bytes_put(&w, r->n_reasons);
    for (size_t i = 0; i < r->n_reasons; i++) {
        bytes_put_text(&w, r->reasons[i]);
    }
    bytes_put(&w, r->counted);
    bytes_put(&w, r->n_units);
    bytes_put(&w, r->limited);
    bytes_put(&w, r->done_bits);
    bytes_put_raw(&w, r->done, (size_t)((r->done_bits + 7) / 8));
    if (w.rc) {
        out->len = before;
    }
    return w.rc;
}

static void get_model(struct bytes_reader *r, struct run_model *m, bool brief)
{
    m->name = bytes_get_text(r, "a model's name");
    m->path = bytes_get_text(r, "a model's path");
    m->act_fn = bytes_get_text(r, "a model's act_fn");
    m->site = bytes_get_text(r, "a model's site");
    m->n_layers = (size_t)bytes_get(r, 0, SIZE_FIELD_MAX, "n_layers");
    m->d_model = (size_t)bytes_get(r, 0, SIZE_FIELD_MAX, "d_model");
    m->n_heads = (size_t)bytes_get(r, 0, SIZE_FIELD_MAX, "n_heads");
    m->d_mlp = (size_t)bytes_get(r, 0, SIZE_FIELD_MAX, "d_mlp");
    m->d_vocab = (size_t)bytes_get(r, 1, VOCAB_MAX, "d_vocab");
    m->n_ctx = (size_t)bytes_get(r, 1, SIZE_FIELD_MAX, "n_ctx");
    m->weights_hash = bytes_get(r, 0, UINT64_MAX, "a hash");
    m->changes = bytes_get_text(r, "a model's changes");
    m->share_take = (uint32_t)bytes_get(r, 0, UINT32_MAX, "a model's share");
    m->share_of = (uint32_t)bytes_get(r, m->share_take > 0, UINT32_MAX, "a model's share");
    m->brief = bytes_get(r, brief, 1, "whether a model is brief") != 0;
    const size_t n = bytes_get_n(r, COMPONENTS_MAX, 8, "a model's components");
    m->components = bytes_get_room(r, n, sizeof *m->components, &m->n_components, "components");
    for (size_t i = 0; i < m->n_components; i++) {
        m->components[i] = bytes_get_text(r, "a model's component");
    }
}

static void get_shard(struct bytes_reader *r, struct run_shard *s)
{
    s->name = bytes_get_text(r, "a shard's name");
    s->path = bytes_get_text(r, "a shard's path");
    s->bytes = bytes_get(r, 0, UINT64_MAX, "a size");
    s->hash = bytes_get(r, 0, UINT64_MAX, "a hash");
    s->units = bytes_get(r, 0, UINT64_MAX, "units");
}

static void get_pair(struct bytes_reader *r, struct run_pair *p, const struct run *run, bool brief)
{
    const size_t n_models = run->n_models;
    const uint64_t last = n_models > 0 ? n_models - 1 : 0;
    p->base = (uint32_t)bytes_get(r, 0, last, "a pair's base");
    p->n_others = (uint32_t)bytes_get(r, 1, RUN_OTHERS_MAX, "a pair's others");
    for (size_t k = 0; k < p->n_others; k++) {
        p->others[k] = (uint32_t)bytes_get(r, 0, last, "a pair's other model");
    }
    p->brief = bytes_get(r, brief, 1, "whether a pair is brief") != 0;
    bool of_brief = n_models > 0 && run->models[p->base].brief;
    for (size_t k = 0; k < p->n_others && n_models > 0; k++) {
        of_brief = of_brief || run->models[p->others[k]].brief;
    }
    if (of_brief && !p->brief) { // nothing is kept of such a model that a whole pair needs
        bytes_bad(r, "whether a pair is brief");
    }
}

static void get_hypotheses(struct bytes_reader *r, struct run *run)
{
    size_t n = bytes_get_n(r, HYPOTHESES_MAX, 32, "number of hypotheses");
    run->hypotheses =
        bytes_get_room(r, n, sizeof *run->hypotheses, &run->n_hypotheses, "hypotheses");
    for (size_t i = 0; i < run->n_hypotheses; i++) {
        run->hypotheses[i].name = bytes_get_text(r, "a hypothesis' name");
        run->hypotheses[i].kind = bytes_get_text(r, "a hypothesis' kind");
        run->hypotheses[i].spec = bytes_get_text(r, "what a hypothesis is");
        struct run_hypothesis *h = &run->hypotheses[i];
        h->predicts_next = bytes_get(r, 0, 1, "what a hypothesis predicts") != 0;
        h->answers_itself = bytes_get(r, 0, 1, "whether a hypothesis answers") != 0;
        h->n_answers = (uint32_t)bytes_get(r, 0, h->answers_itself ? 0 : RUN_ANSWERS_MAX,
                                           "how many answers a hypothesis has");
        for (size_t k = 0; k < h->n_answers && !r->rc; k++) {
            h->answers[k] = (uint32_t)bytes_get(r, 0, UINT32_MAX - 1, "a hypothesis' answer");
        }
    }
}

static void get_done(struct bytes_reader *r, struct run *run)
{
    const uint64_t bits = bytes_get(r, 0, UINT64_MAX - 7, "its set of units");
    const uint64_t bytes = (bits + 7) / 8;
    if (r->rc || bytes != r->left) {
        bytes_bad(r, "its set of units has another length");
        return;
    }
    run->done = mem_new((size_t)bytes, 1);
    if (!run->done) {
        r->rc = err_nomem(r->err, "the set of units");
        return;
    }
    memcpy(run->done, r->at, (size_t)bytes);
    if (bits % 8) { // bits that count no unit
        run->done[bytes - 1] &= (unsigned char)((1U << (bits % 8)) - 1);
    }
    run->done_bits = bits;
}

int run_load(struct run *out, const void *bytes, size_t len, struct err *err)
{
    struct bytes_reader r = {.at = bytes, .left = len, .of = "the saved run", .err = err};
    struct run run = {0};
    size_t n = bytes_get_n(&r, RUN_MODELS_MAX, 8, "number of models");
    run.models = bytes_get_room(&r, n, sizeof *run.models, &run.n_models, "models");
    if (n == 0) {
        bytes_bad(&r, "number of models");
    }
    for (size_t i = 0; i < run.n_models; i++) {
        get_model(&r, &run.models[i], i > 0 && run.models[i - 1].brief);
    }
    n = bytes_get_n(&r, SHARDS_MAX, 8, "number of shards");
    run.shards = bytes_get_room(&r, n, sizeof *run.shards, &run.n_shards, "shards");
    for (size_t i = 0; i < run.n_shards; i++) {
        get_shard(&r, &run.shards[i]);
    }
    n = bytes_get_n(&r, RUN_PAIRS_MAX, 8, "number of pairs");
    run.pairs = bytes_get_room(&r, n, sizeof *run.pairs, &run.n_pairs, "pairs");
    for (size_t i = 0; i < run.n_pairs; i++) {
        get_pair(&r, &run.pairs[i], &run, i > 0 && run.pairs[i - 1].brief);
    }
    run.floor = bytes_get_real(&r, "the floor");
    if (!(run.floor <= -0.1 && run.floor >= -1000)) { // as scan --floor has it: a bin at least
        bytes_bad(&r, "the floor");
    }
    run.top = (size_t)bytes_get(&r, 0, TOP_MAX, "top");
    run.brief_top = (size_t)bytes_get(&r, 0, TOP_MAX, "hits of a brief pair");
    get_hypotheses(&r, &run);
    run.settings = bytes_get_text(&r, "its settings");
    n = bytes_get_n(&r, REASONS_MAX, 8, "number of reasons");
    run.reasons = bytes_get_room(&r, n, sizeof *run.reasons, &run.n_reasons, "reasons");
    for (size_t i = 0; i < run.n_reasons; i++) {
        run.reasons[i] = bytes_get_text(&r, "a reason");
    }
    run.counted = bytes_get(&r, 0, 1, "whether its units are counted") != 0;
    run.n_units = bytes_get(&r, 0, UINT64_MAX, "units");
    run.limited = bytes_get(&r, 0, 1, "whether it is limited") != 0;
    get_done(&r, &run);
    if (r.rc) {
        run_free(&run);
        return r.rc;
    }
    *out = run;
    return 0;
}
