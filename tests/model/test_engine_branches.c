/*
 * Branches of an engine give what whole windows give, bit for bit; edits do what patches of the
 * reference do; leaves show any site.
 */
#include "tests/kit/engine_kit.h"

#include <math.h>

#include "model/explain/patch.h"
#include "model/pass/forward.h"
#include "model/pass/logprob.h"
#include "tests/bench/synthetic.h"
#include "tests/kit/random.h"

// --- branches -----------------------------------------------------------------------------------

#define STEMS 6
#define BRANCHES 90 // more branches of a stem than one call shows
#define N_CTX 96    // of a golden model

struct branched {
    const struct model *model;
    enum site site;
    struct engine_window stems[STEMS];
    uint32_t tokens[STEMS][N_CTX];
    struct engine_branch items[BRANCHES];
    uint32_t ends[BRANCHES][4];
    struct engine_edit edits[BRANCHES][3];
    size_t next; // the branch that comes next
    // what was seen of each
    double logprob[BRANCHES];
    float *acts, *post, *resid, *normed;
};

/* Makes stems of 0 tokens up to the most, and branches of 1 .. 4 tokens, without edits. */
static void make_branches(struct branched *b, const struct model *m)
{
    const struct config *c = &m->config;
    const size_t sizes[STEMS] = {0, 1, 13, 40, 0, N_CTX - 2};
    const size_t n_neurons = BRANCHES * c->n_layers * (c->attn_only ? 1 : c->d_mlp);
    *b = (struct branched){.model = m};
    for (size_t k = 0; k < STEMS; k++) {
        for (size_t i = 0; i < sizes[k]; i++) {
            b->tokens[k][i] = next_random((uint32_t)c->d_vocab);
        }
        b->stems[k] = (struct engine_window){
            .first = next_random((uint32_t)c->d_vocab), .tokens = b->tokens[k], .n = sizes[k]};
    }
    for (size_t k = 0; k < BRANCHES; k++) {
        const size_t stem = k < 70 ? k / 35 + 2 : k / 5 % STEMS; // 35 of one stem, then 5
        const size_t room = c->n_ctx - 1 - b->stems[stem].n;
        const size_t n = 1 + k % 4 < room ? 1 + k % 4 : room;
        for (size_t i = 0; i < n; i++) {
            b->ends[k][i] = next_random((uint32_t)c->d_vocab);
        }
        b->items[k] = (struct engine_branch){.stem = &b->stems[stem],
                                             .tokens = b->ends[k],
                                             .n = n,
                                             .target = next_random((uint32_t)c->d_vocab)};
    }
    b->acts = malloc(n_neurons * sizeof *b->acts);
    b->post = malloc(n_neurons * sizeof *b->post);
    b->resid = malloc(BRANCHES * c->d_model * sizeof *b->resid);
    b->normed = malloc(BRANCHES * c->d_model * sizeof *b->normed);
    assert_true(b->acts && b->post && b->resid && b->normed);
}

static void branched_end(struct branched *b)
{
    free(b->acts);
    free(b->post);
    free(b->resid);
    free(b->normed);
}

/* Puts the whole window of a branch, whose last token is the target, into ids; returns the number
 * of tokens after the first. */
static size_t whole_window(const struct engine_branch *b, uint32_t *ids)
{
    const size_t n = b->stem->n;
    ids[0] = b->stem->first;
    memcpy(ids + 1, b->stem->tokens, n * sizeof *ids);
    memcpy(ids + 1 + n, b->tokens, b->n * sizeof *ids);
    ids[1 + n + b->n] = b->target;
    return n + b->n + 1;
}

/* An engine_leaves() function. */
static void see_leaves(void *context, size_t k, size_t n, const struct engine_leaf *leaves)
{
    struct branched *b = context;
    const struct config *c = &b->model->config;
    const size_t n_neurons = c->n_layers * c->d_mlp;
    assert_int_equal(k, b->next);
    b->next += n;
    for (size_t i = 0; i < n; i++) {
        const struct engine_leaf *l = &leaves[i];
        memcpy(b->normed + (k + i) * c->d_model, l->normed, c->d_model * sizeof *l->normed);
        memcpy(b->resid + (k + i) * c->d_model, l->resid, c->d_model * sizeof *l->resid);
        assert_true(c->attn_only == !l->acts && c->attn_only == !l->post);
        if (!c->attn_only) {
            memcpy(b->acts + (k + i) * n_neurons, l->acts, n_neurons * sizeof *l->acts);
            memcpy(b->post + (k + i) * n_neurons, l->post, n_neurons * sizeof *l->post);
        }
    }
}

static void run_branched(struct branched *b, struct engine_ctx *ctx)
{
    const struct engine_leaf_view view = {.site = b->site, .see = see_leaves, .context = b};
    b->next = 0;
    engine_branches(ctx, b->items, BRANCHES, &view, b->logprob, NULL);
    assert_int_equal(b->next, BRANCHES);
}

/* Sees the residual and neurons of the one pick. */
static void see_sight(void *context, size_t k, size_t n, const struct engine_sight *sights)
{
    assert_true(k == 0 && n == 1);
    *(struct engine_sight *)context = sights[0];
}

/* Checks that a branch's logits, computed together with the rows around it, give its log-prob. */
static void check_logits(const struct branched *b, size_t k, struct engine_ctx *ctx)
{
    const size_t from = k - k % ENGINE_SIGHTS, left = BRANCHES - from;
    size_t ld;
    const float *logits = engine_logits(ctx, b->normed + from * b->model->config.d_model,
                                        left < ENGINE_SIGHTS ? left : ENGINE_SIGHTS, &ld);
    logits += (k - from) * ld;
    const double logprob =
        (double)logits[b->items[k].target] - logprob_log_sum_exp(logits, b->model->config.d_vocab);
    assert_true(fabs(b->logprob[k] - logprob) < ENGINE_MAX_NATS);
}

static void check_branches(const struct model *m, const struct kern *k, enum precision precision)
{
    static struct branched b;
    const size_t n_neurons = m->config.n_layers * m->config.d_mlp;
    double alone[BRANCHES];
    struct engine_at_work w = engine_start(m, k, precision);
    make_branches(&b, m);
    b.site = SITE_POST;
    run_branched(&b, w.ctx);
    engine_branches(w.ctx, b.items, BRANCHES, NULL, alone, NULL); // in larger blocks
    assert_memory_equal(alone, b.logprob, sizeof alone);
    for (size_t i = 0; i < BRANCHES; i++) {
        uint32_t ids[N_CTX + 1];
        const size_t n = whole_window(&b.items[i], ids);
        const struct engine_window window = {.first = ids[0], .tokens = ids + 1, .n = n};
        const struct engine_pick pick = {.window = &window, .at = n - 1};
        struct engine_sight sight;
        double logprob;
        engine_pick_exact(w.ctx, &pick, 1, &logprob, NULL);
        assert_true(logprob == b.logprob[i]);
        check_logits(&b, i, w.ctx);
        engine_look(w.ctx, &pick, 1, see_sight, &sight, NULL);
        assert_memory_equal(b.resid + i * m->config.d_model, sight.resid,
                            m->config.d_model * sizeof *b.resid);
        if (!m->config.attn_only) {
            assert_memory_equal(b.post + i * n_neurons, sight.post, n_neurons * sizeof *b.post);
            assert_memory_equal(b.acts + i * n_neurons, sight.post, n_neurons * sizeof *b.post);
        }
    }
    branched_end(&b);
    engine_stop(&w);
}

static void branches_are_whole_windows_bit_for_bit(void **state)
{
    (void)state;
    for (size_t i = 0; i < GOLDEN_NAMES; i++) {
        struct model *m = golden_model(golden_names[i]);
        for (size_t t = 0; kern_at(t); t++) {
            if (engine_is_tried(kern_at(t))) {
                check_branches(m, kern_at(t), i % 2 ? PRECISION_FAST : PRECISION_EXACT);
            }
        }
        model_free(m);
    }
    // heads wider than a tile
    struct model *wide = synthetic_model(2, 144, 2, 64, 200, N_CTX, false, ACT_GELU, false);
    for (size_t t = 0; kern_at(t); t++) {
        if (engine_is_tried(kern_at(t))) {
            check_branches(wide, kern_at(t), PRECISION_DEFAULT);
        }
    }
    synthetic_free(wide);
}

/* The longest stem of a model of many positions leaves room for one branch at a time. */
static void long_stems_are_run_for_each_branch(void **state)
{
    (void)state;
    enum { LONG = 1500 };
    static uint32_t tokens[LONG];
    struct engine_branch branches[5];
    double logprob[5], wanted[5], all[LONG];
    struct model *m = synthetic_model(1, 32, 2, 64, 100, LONG, false, ACT_GELU, false);
    struct engine_at_work w = engine_start(m, kern_best(), PRECISION_EXACT);
    for (size_t i = 0; i < LONG; i++) {
        tokens[i] = next_random(100);
    }
    const struct engine_window stem = {.first = 1, .tokens = tokens, .n = LONG - 2};
    for (size_t k = 0; k < 5; k++) {
        const uint32_t target = (uint32_t)k;
        struct engine_window whole = {.first = 1, .tokens = tokens, .n = LONG, .logprob = all};
        branches[k] = (struct engine_branch){
            .stem = &stem, .tokens = tokens + LONG - 2, .n = 1, .target = target};
        tokens[LONG - 1] = target;
        engine_score_exact(w.ctx, &whole, 1, NULL);
        wanted[k] = all[LONG - 1];
    }
    engine_branches(w.ctx, branches, 5, NULL, logprob, NULL);
    assert_memory_equal(logprob, wanted, sizeof wanted);
    engine_stop(&w);
    synthetic_free(m);
}

// --- edits --------------------------------------------------------------------------------------

/* Sets one neuron to 0, or two of a layer, or one of the first and one of the last layer, to some
 * value; every fourth branch has no edits. */
static void make_edits(struct branched *b)
{
    const struct config *c = &b->model->config;
    for (size_t k = 0; k < BRANCHES; k++) {
        for (size_t i = 0; i < k % 4; i++) {
            b->edits[k][i] = (struct engine_edit){
                .layer = (uint32_t)((k / 4 + i * (k % 3)) % c->n_layers),
                .index = (uint32_t)((k * 7 + i) % c->d_mlp),
                .post = k % 4 == 1 ? 0 : (float)k / 20 - 2,
            };
        }
        b->items[k].edits = b->edits[k];
        b->items[k].n_edits = k % 4;
    }
}

/* Does the same with patch.h at the last position. */
static void check_edited(struct branched *b, size_t k, struct patcher *p, float *logits)
{
    const struct config *c = &b->model->config;
    const struct engine_branch *branch = &b->items[k];
    uint32_t ids[N_CTX + 1];
    const size_t n = whole_window(branch, ids), n_neurons = c->n_layers * c->d_mlp;
    struct recording *recording;
    struct patch patches[3];
    assert_int_equal(recording_new(&recording, p, ids, n, NULL), 0);
    for (size_t i = 0; i < branch->n_edits; i++) {
        const struct engine_edit *e = &branch->edits[i];
        patches[i] = (struct patch){.kind = PATCH_POST,
                                    .layer = e->layer,
                                    .index = e->index,
                                    .position = n - 1,
                                    .values = &e->post};
        const size_t at = k * n_neurons + e->layer * c->d_mlp + e->index;
        const float own = recording->post[(e->layer * n + n - 1) * c->d_mlp + e->index];
        assert_true(b->post[at] == e->post);
        if (e->layer == 0) { // no earlier layer was edited
            assert_true(fabsf(b->acts[at] - own) < 1e-4f * (1 + fabsf(own)));
        }
    }
    patch_run(p, recording, patches, branch->n_edits);
    patch_logits(p, logits);
    const double logprob = (double)logits[branch->target] - logprob_log_sum_exp(logits, c->d_vocab);
    const double error = fabs(b->logprob[k] - logprob) / (1 + fabs(logprob));
    if (!(error < ENGINE_MAX_NATS)) {
        fail_msg("%s, branch %zu: off by %g nats", b->model->name, k, error);
    }
    recording_free(recording);
}

static void edits_are_those_of_patches(void **state)
{
    (void)state;
    static struct branched b;
    for (size_t i = 0; i < GOLDEN_NAMES; i++) {
        struct model *m = golden_model(golden_names[i]);
        struct patcher *p;
        float *logits = malloc(m->config.d_vocab * sizeof *logits);
        assert_int_equal(patcher_new(&p, m, NULL), 0);
        for (size_t t = 0; kern_at(t) && !m->config.attn_only; t++) {
            if (!engine_is_tried(kern_at(t))) {
                continue;
            }
            struct engine_at_work w = engine_start(m, kern_at(t), PRECISION_EXACT);
            make_branches(&b, m);
            make_edits(&b);
            b.site = SITE_POST;
            run_branched(&b, w.ctx);
            for (size_t k = 0; k < BRANCHES; k++) {
                check_edited(&b, k, p, logits);
            }
            branched_end(&b);
            engine_stop(&w);
        }
        patcher_free(p);
        free(logits);
        model_free(m);
    }
}

// --- sites --------------------------------------------------------------------------------------

struct last_row {
    enum site site;
    float acts[8 * 512]; // [n_layers][d_mlp] of the last position
};

static void hook_last(void *context, size_t layer, enum site site, const float *acts, size_t n,
                      size_t d_mlp)
{
    struct last_row *row = context;
    assert_true((layer + 1) * d_mlp <= 8 * 512);
    if (site == row->site) {
        memcpy(row->acts + layer * d_mlp, acts + (n - 1) * d_mlp, d_mlp * sizeof *acts);
    }
}

static void check_site(const struct model *m, enum site site)
{
    static struct branched b;
    static struct last_row row;
    const size_t n_neurons = m->config.n_layers * m->config.d_mlp;
    const struct forward_hooks hooks = {.context = &row, .neurons = hook_last};
    struct engine_at_work w = engine_start(m, kern_best(), PRECISION_DEFAULT);
    struct forward *f;
    assert_int_equal(forward_new(&f, m, NULL), 0);
    make_branches(&b, m);
    b.site = row.site = site;
    run_branched(&b, w.ctx);
    for (size_t k = 0; k < BRANCHES; k += 3) {
        uint32_t ids[N_CTX + 1];
        float size = 1;
        forward_run(f, ids, whole_window(&b.items[k], ids), &hooks);
        for (size_t j = 0; j < n_neurons; j++) {
            size = fmaxf(size, fabsf(row.acts[j]));
        }
        for (size_t j = 0; j < n_neurons; j++) {
            assert_true(fabsf(b.acts[k * n_neurons + j] - row.acts[j]) < 2e-5f * size);
        }
    }
    branched_end(&b);
    forward_free(f);
    engine_stop(&w);
}

static void leaves_are_seen_at_any_site(void **state)
{
    (void)state;
    static const enum site sites[] = {SITE_PRE, SITE_MID, SITE_POST};
    for (size_t i = 0; i < GOLDEN_NAMES; i++) {
        struct model *m = golden_model(golden_names[i]);
        for (size_t s = 0; s < 3; s++) {
            enum site site;
            if (!model_site(m, sites[s], &site, NULL)) {
                check_site(m, site);
            }
        }
        model_free(m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(branches_are_whole_windows_bit_for_bit),
        cmocka_unit_test(long_stems_are_run_for_each_branch),
        cmocka_unit_test(edits_are_those_of_patches),
        cmocka_unit_test(leaves_are_seen_at_any_site),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
