#include "scan/plan/plan.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "corpora/base/jsonout.h"
#include "corpora/base/memstream.h"
#include "corpora/reject.h"
#include "model/explain/attribution.h"
#include "out/results/compare/compare_collector.h"
#include "out/results/composition/composition_collector.h"
#include "out/results/depth/depth_collector.h"
#include "out/results/documents/documents.h"
#include "out/results/heads/heads_collector.h"
#include "out/results/means/means.h"
#include "scan/plan/pairs.h"

enum packing scan_packing(const struct scan_options *o)
{
    return o->packing && strcmp(o->packing, "rows") == 0 ? PACKING_ROWS : PACKING_DOCS;
}

static char *copy(const char *text)
{
    return strdup(text ? text : "");
}

// How act_fn begins where a model is counts; the order of the counts follows.
#define COUNTS "counts:"

bool describe_is_counts(const struct run_model *m)
{
    return strncmp(m->act_fn, COUNTS, sizeof COUNTS - 1) == 0;
}

/* The act_fn of a model; "counts:2", ... for counts, so that it also shows their order. */
static char *copy_act_fn(const struct lineup_model *m)
{
    char *text = NULL;
    if (m->weights) {
        return copy(m->config->attn_only ? "none" : act_fn_name(m->config->act_fn));
    }
    return asprintf(&text, COUNTS "%s", count_order_name(m->counts.order)) < 0 ? NULL : text;
}

/* What direct logit attribution divides this model's logits into. */
static int name_components(struct run_model *to, const struct model *m, struct err *err)
{
    const size_t n = attribution_n_components(m);
    to->components = mem_zero(n, sizeof *to->components);
    for (size_t i = 0; to->components && i < n; i++) {
        char name[ATTRIBUTION_NAME];
        attribution_component_name(m, i, name);
        to->components[i] = strdup(name);
        if (!to->components[i]) {
            return err_nomem(err, "the run");
        }
        to->n_components++;
    }
    return to->components ? 0 : err_nomem(err, "the run");
}

/* The hash of a model's weights, or counts; weights that are shared are hashed once. */
static uint64_t hash_of(const struct lineup *l, size_t model, const struct run *run)
{
    const struct lineup_model *m = &l->models[model];
    for (size_t i = 0; i < model && m->weights; i++) {
        if (l->models[i].weights == m->weights) {
            return run->models[i].weights_hash;
        }
    }
    return m->weights ? model_hash(m->weights) : ngrams_hash(m->counts.ngrams);
}

static int describe_models(struct run *run, const struct lineup *l, struct err *err)
{
    run->models = mem_zero(l->n, sizeof *run->models);
    if (!run->models) {
        return err_nomem(err, "the run");
    }
    for (size_t i = 0; i < l->n; i++) {
        const struct lineup_model *m = &l->models[i];
        const struct config *c = m->config;
        run->models[i] = (struct run_model){
            .name = copy(m->name),
            .path = copy(m->path),
            .act_fn = copy_act_fn(m),
            .n_layers = c->n_layers,
            .d_model = c->d_model,
            .n_heads = c->n_heads,
            .d_mlp = c->d_mlp,
            .d_vocab = c->d_vocab,
            .n_ctx = m->weights ? c->n_ctx : l->n_ctx,
            .weights_hash = hash_of(l, i, run),
            .changes = copy(m->changes_text),
        };
        run->n_models++;
        if (!run->models[i].name || !run->models[i].path || !run->models[i].act_fn ||
            !run->models[i].changes) {
            return err_nomem(err, "the run");
        }
        const int rc =
            m->weights && m->changes.n == 0 ? name_components(&run->models[i], m->weights, err) : 0;
        if (rc) {
            return rc;
        }
    }
    return 0;
}

static int describe_shards(struct run *run, const struct shards *s, struct err *err)
{
    run->shards = mem_zero(s->n, sizeof *run->shards);
    if (!run->shards) {
        return err_nomem(err, "the run");
    }
    for (size_t i = 0; i < s->n; i++) {
        run->shards[i] = (struct run_shard){.name = copy(s->items[i].name),
                                            .path = copy(s->items[i].path),
                                            .bytes = s->items[i].bytes,
                                            .hash = s->items[i].hash};
        run->n_shards++;
        if (!run->shards[i].name || !run->shards[i].path) {
            return err_nomem(err, "the run");
        }
    }
    return 0;
}

/* All settings that change results and are not fields of the run, as JSON. */
static int describe_settings(struct run *run, const struct scan_options *o, const struct lineup *l,
                             const struct trigram_choice *choice,
                             const struct skip_choice *skips, enum precision asked,
                             const struct compare_share *share, const struct shard *reference,
                             struct err *err)
{
    char *text = NULL;
    size_t len = 0;
    struct jsonout j = {.to = memstream_open(&text, &len)};
    if (!j.to) {
        return err_nomem(err, "the run");
    }
    const struct {
        const char *key, *value;
    } words[] = {
        {"format", o->input.format},
        {"field", o->input.field},
        {"domain", o->domain},
        {"packing", o->packing ? o->packing : "docs"},
        {"precision", precision_name(asked)},
    };
    jsonout_begin(&j, '{');
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        jsonout_key(&j, words[i].key);
        jsonout_string(&j, words[i].value ? words[i].value : "");
    }
    if (scan_packing(o) == PACKING_ROWS) {
        jsonout_key(&j, "eos");
        jsonout_u64(&j, tokenizer_eos(l->tokenizer));
    }
    jsonout_key(&j, "ids");
    jsonout_u64(&j, o->input.ids);
    jsonout_key(&j, "special");
    jsonout_u64(&j, o->input.special);
    if (input_skips_special(&o->input)) {
        jsonout_key(&j, "skip_special");
        jsonout_u64(&j, 1);
    }
    jsonout_key(&j, "max_tokens");
    jsonout_u64(&j, o->max_tokens);
    jsonout_key(&j, "n_ctx");
    jsonout_u64(&j, l->n_ctx);
    jsonout_key(&j, "tokenizer");
    jsonout_u64(&j, l->tokenizer ? tokenizer_hash(l->tokenizer) : 0);
    if (share->take > 0) {
        char a_of_b[32];
        snprintf(a_of_b, sizeof a_of_b, "%" PRIu32 "/%" PRIu32, share->take, share->of);
        jsonout_key(&j, "compare_share");
        jsonout_string(&j, a_of_b);
    }
    if (reference) {
        char of_file[64];
        snprintf(of_file, sizeof of_file, "%" PRIu64 " bytes, %016" PRIx64, reference->bytes,
                 reference->hash);
        jsonout_key(&j, "reference");
        jsonout_string(&j, of_file);
    }
    if (choice->settings) {
        jsonout_key(&j, "trigrams");
        jsonout_raw(&j, choice->settings);
    }
    skip_choice_json(&j, skips);
    jsonout_end(&j, '}');
    if (fclose(j.to) != 0) {
        free(text);
        return err_nomem(err, "the run");
    }
    text[len - 1] = '\0'; // the line's end
    run->settings = text;
    return 0;
}

/* Fills the names that the tables show. */
static int describe_names(struct run *run, const struct lineup *l, struct err *err)
{
    run->reasons = mem_zero(REJECT_N, sizeof *run->reasons);
    if (!run->reasons) {
        return err_nomem(err, "the run");
    }
    for (; run->n_reasons < REJECT_N; run->n_reasons++) {
        char *name = copy(reject_name((enum reject_reason)run->n_reasons));
        run->reasons[run->n_reasons] = name;
        if (!name) {
            return err_nomem(err, "the run");
        }
    }
    int rc = 0;
    const size_t n = l->tokenizer ? tokenizer_n_vocab(l->tokenizer) : 0;
    for (size_t id = 0; id < n && !rc; id++) {
        size_t len;
        const char *text = tokenizer_bytes(l->tokenizer, (uint32_t)id, &len);
        rc = run_add_token(run, text ? text : "", len, err);
    }
    return rc;
}

/* Adds the comparison of the pairs' distributions to the run's results. */
static int join_compare(struct results *results, const struct run *run,
                        const struct compare_share *share, struct err *err)
{
    struct compare_shape *shape = NULL;
    if (share->take == 0 || run_full_pairs(run) == 0) {
        return 0;
    }
    const int rc = compare_shape_new(&shape, run, share, err);
    return rc ? rc : results_join(results, &compare_collector, shape, err);
}

/* Adds the means of the models that replace by such to the run's results; they are made later. */
static int join_means(struct results *results, const struct lineup *l, struct err *err)
{
    struct means_shape *shape = NULL;
    int rc = means_shape_new(&shape, err);
    for (size_t m = 0; m < l->n && !rc; m++) {
        const struct changes *c = &l->models[m].changes;
        for (size_t i = 0; i < c->n && !rc; i++) {
            char name[CHANGE_NAME];
            change_name(name, &c->items[i]);
            rc = c->items[i].verb == CHANGE_MEAN
                     ? means_shape_add(shape, (uint32_t)m, name, c->items[i].width, err)
                     : 0;
        }
    }
    if (rc || shape->n == 0) {
        means_shape_free(shape);
        return rc;
    }
    return results_join(results, &means_collector, shape, err);
}

/* Adds the table of documents to the run's results, which has its models and pairs. */
static int join_documents(struct results *results, const struct run *run,
                          const struct scan_options *o, struct err *err)
{
    const bool given = o->documents_most != SCAN_NOT_GIVEN;
    const size_t most = given ? o->documents_most : DOCUMENTS_MOST;
    struct documents_shape *shape = NULL;
    if (!o->documents) {
        return given ? err_set(err, ERR_USAGE, "--documents-most goes with --documents") : 0;
    }
    if (most == 0 || most > DOCUMENTS_LIMIT) {
        return err_set(err, ERR_USAGE, "--documents-most %zu: from 1 to %zu", most,
                       DOCUMENTS_LIMIT);
    }
    const int rc = documents_shape_new(&shape, run, most, err);
    return rc ? rc : results_join(results, &documents_collector, shape, err);
}

/* Adds the heads of the models to the run's results. */
static int join_heads(struct results *results, const struct run *run, const struct scan_options *o,
                      struct err *err)
{
    struct heads_shape *shape = NULL;
    const size_t examples =
        o->neurons.examples < HEADS_EXAMPLES_MAX ? o->neurons.examples : HEADS_EXAMPLES_MAX;
    const int rc = o->no_heads ? 0 : heads_shape_new(&shape, run, (uint32_t)examples, err);
    return rc || !shape ? rc : results_join(results, &heads_collector, shape, err);
}

/* Adds what heads' inputs are made of to the run's results. */
static int join_composition(struct results *results, const struct run *run,
                            const struct scan_options *o, struct err *err)
{
    struct composition_shape *shape = NULL;
    uint32_t take = 0, of = 0;
    if (!o->compose) {
        return o->compose_share ? err_set(err, ERR_USAGE, "--compose-share goes with --compose")
                                : 0;
    }
    int rc = args_share("compose-share", o->compose_share ? o->compose_share : "1/16",
                        COMPOSITION_SHARE_MAX, &take, &of, err);
    if (!rc && take == 0) {
        rc = err_set(err, ERR_USAGE, "--compose-share %s: no documents; leave --compose out",
                     o->compose_share);
    }
    rc = rc ? rc : composition_shape_new(&shape, run, take, of, err);
    if (!rc && !shape) {
        rc = err_set(err, ERR_USAGE, "--compose: no model of the run has heads of its own");
    }
    return rc ? rc : results_join(results, &composition_collector, shape, err);
}

/* Adds what each level of composition is worth to the run's results. */
static int join_depth(struct results *results, const struct run *run, const struct scan_options *o,
                      const struct ablate *ablate, struct err *err)
{
    struct depth_shape *shape = NULL;
    if (!o->ablate.depth) {
        return 0;
    }
    int rc = depth_shape_new(&shape, run, ablate->take, ablate->of, err);
    if (!rc && !shape) {
        rc = err_set(err, ERR_USAGE, "--depth: no model of the run is attention-only");
    }
    return rc ? rc : results_join(results, &depth_collector, shape, err);
}

int plan_make(struct run *run, struct results *results, struct neuron_plan *neurons,
              struct trigram_choice *choice, struct skip_choice *skips,
              const struct scan_options *o, const struct lineup *l, const struct ablate *ablate,
              const struct shards *shards, enum precision asked, struct err *err)
{
    run->floor = -6;
    run->top = o->top;
    struct compare_share share = {.changed = o->compare_changed};
    struct shards reference = {0};
    int rc = args_share("compare-share", o->compare_share ? o->compare_share : SCAN_COMPARE_SHARE,
                        COMPARE_SHARE_MAX, &share.take, &share.of, err);
    rc = rc ? rc : args_real("floor", o->floor, -1000, -0.1, &run->floor, err);
    rc = rc ? rc
            : pairs_parse(&run->pairs, &run->n_pairs, &o->pairs, l, ablate->n_named,
                          o->neurons.labelling.battery, err);
    rc = rc ? rc : describe_models(run, l, err);
    rc = rc ? rc : ablate_describe(ablate, run, err);
    rc = rc ? rc : describe_shards(run, shards, err);
    rc = rc ? rc : describe_names(run, l, err);
    rc = rc ? rc
            : neuron_plan_describe(neurons, run, results, &o->neurons,
                                   o->packing ? o->packing : "docs", l, err);
    rc = rc ? rc
            : trigram_choice_describe(choice, results, run, &o->trigrams, l,
                                      input_skips_special(&o->input), err);
    rc = rc ? rc : skip_choice_describe(skips, results, run, &o->skips, l, err);
    rc = rc || !o->ablate.reference ? rc : shards_open(&reference, &o->ablate.reference, 1, err);
    rc = rc ? rc
            : describe_settings(run, o, l, choice, skips, asked, &share,
                                reference.n > 0 ? &reference.items[0] : NULL, err);
    shards_free(&reference);
    rc = rc ? rc : join_compare(results, run, &share, err);
    rc = rc ? rc : join_means(results, l, err);
    rc = rc ? rc : join_documents(results, run, o, err);
    rc = rc ? rc : join_heads(results, run, o, err);
    rc = rc ? rc : join_composition(results, run, o, err);
    rc = rc ? rc : join_depth(results, run, o, ablate, err);
    return rc ? rc : results_new(results, run, err);
}
