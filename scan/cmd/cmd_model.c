#include "scan/cmd/commands.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "corpora/base/file.h"
#include "corpora/base/mem.h"
#include "model/kernels/kern.h"
#include "model/load/families.h"
#include "model/load/hub.h"
#include "model/pass/forward.h"
#include "model/pass/logprob.h"
#include "scan/cli/args.h"
#include "scan/load/lineup.h"

// The text of TransformerLens' own tests of its pretrained models.
static const char hello[] = "Hello world!";

// Its ids in gpt-neox-tokenizer-digits, for a model that comes without a tokenizer.
static const uint32_t hello_digits[] = {1, 11765, 1499, 3};
#define D_VOCAB_DIGITS 48262

struct options {
    const char *tokenizer;
};

/* "1,234,567" */
static void with_commas(char out[32], size_t n)
{
    char digits[24];
    const size_t len = (size_t)snprintf(digits, sizeof digits, "%zu", n);
    size_t at = 0;
    for (size_t i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0) {
            out[at++] = ',';
        }
        out[at++] = digits[i];
    }
    out[at] = '\0';
}

/* The layers that see near keys only: "1, 3". */
static void print_local(const struct config *c)
{
    const char *before = "  local layers  ";
    for (size_t l = 0; l < c->n_layers; l++) {
        if (config_window(c, l) != SIZE_MAX) {
            printf("%s%zu", before, l);
            before = ", ";
        }
    }
    if (*before == ',') {
        printf(": a token sees the last %zu, itself too\n", c->window);
    }
}

/* What only some families have. */
static void print_attributes(const struct config *c)
{
    if (c->rotary_dims > 0) {
        printf("  rotary        %zu of a head's %zu dimensions are turned, base %g\n",
               c->rotary_dims, c->d_head, c->rotary_base);
    }
    if (c->parallel) {
        printf("  parallel      the MLP reads what attention reads, and not what it writes\n");
    }
    if (c->layout.tied) {
        printf("  tied          the unembedding is the embedding\n");
    }
    print_local(c);
}

static void print_model(const struct model *m)
{
    const struct config *c = &m->config;
    printf("%s  (%s)\n", m->name, m->dir);
    printf("  architecture  %s%s, norm %s%s, %s positions, %s%s\n", c->gated ? "gated " : "",
           c->attn_only ? "attention only" : act_fn_name(c->act_fn), norm_name(c->norm),
           c->final_rms && c->norm != NORM_RMS ? " with a final RMS norm" : "",
           c->rotary_dims   ? "rotary"
           : c->shortformer ? "shortformer"
                            : "standard",
           c->layout.family ? c->layout.family->model_type
           : c->old_layout  ? "neel-solu-old"
                            : "neel",
           " layout");
    printf("  sizes         %zu layer%s, d_model %zu, %zu heads of %zu, ", c->n_layers,
           c->n_layers == 1 ? "" : "s", c->d_model, c->n_heads, c->d_head);
    if (c->n_kv_heads != c->n_heads) {
        printf("%zu shared keys and values, ", c->n_kv_heads);
    }
    if (!c->attn_only) {
        printf("d_mlp %zu, ", c->d_mlp);
    }
    printf("n_ctx %zu, d_vocab %zu\n", c->n_ctx, c->d_vocab);

    if (c->eps != CONFIG_EPS) {
        printf("  eps           %g in every norm\n", (double)c->eps);
    }
    if (config_has_attn_scale(c)) {
        printf("  attention     scores are multiplied by %g%s\n", (double)config_attn_scale(c, 0),
               c->scale_by_layer ? " / (1 + layer)" : "");
    }

    print_attributes(c);
    char params[32];
    with_commas(params, m->n_params);
    char *file = file_base_name(m->weights_path);
    if (!file) {
        mem_lost();
    }
    printf("  weights       %s: %zu tensors, %s parameters (%.1f MB in f32); all present, in "
           "shape and finite\n",
           file ? file : m->weights_path, m->n_tensors, params, (double)m->n_floats * 4e-6);
    free(file);
    if (*m->prefix) {
        printf("  prefix        \"%s\" stands in front of all names and is left out\n", m->prefix);
    }
    for (size_t i = 0; i < m->n_unused; i++) {
        printf("  not used      %s\n", m->unused[i]);
    }
}

/* -mean log-prob of ids[1..n), nats, of those that are finite; *n_not_finite: the others. */
static int loss(const struct model *m, const uint32_t *ids, size_t n, double *out,
                size_t *n_not_finite, struct err *err)
{
    *n_not_finite = 0;
    struct forward *f = NULL;
    float *logits = mem_new(m->config.d_vocab, sizeof *logits);
    int rc = logits ? forward_new(&f, m, err) : err_nomem(err, "logits");
    if (!rc) {
        double sum = 0;
        forward_run(f, ids, n, NULL);
        for (size_t i = 0; i + 1 < n; i++) {
            forward_logits(f, i, 1, logits);
            const double nats =
                logprob_log_sum_exp(logits, m->config.d_vocab) - (double)logits[ids[i + 1]];
            *n_not_finite += !isfinite(nats);
            sum += isfinite(nats) ? nats : 0;
        }
        *out = sum / (double)(n - 1 - *n_not_finite);
    }
    forward_free(f);
    free(logits);
    return rc;
}

static int print_loss(const struct model *m, const uint32_t *ids, size_t n, struct err *err)
{
    double nats;
    size_t n_not_finite;
    const int rc = loss(m, ids, n, &nats, &n_not_finite, err);
    if (rc) {
        return rc;
    }
    if (n_not_finite > 0) {
        return err_set(err, ERR_UNSUPPORTED,
                       "%s: %zu of %zu log-probs on BOS + \"%s\" are not finite: its weights "
                       "overflow",
                       m->name, n_not_finite, n - 1, hello);
    }
    printf("  loss          %.6f nats per token on BOS + \"%s\" (%zu tokens)", nats, hello, n - 1);
    const struct hub_model *known = hub_find(m->name);
    if (known && known->loss > 0 && known->d_model == m->config.d_model &&
        known->d_vocab == m->config.d_vocab) {
        printf("; published %.6f, difference %+.6f", known->loss, nats - known->loss);
    }
    printf("\n");
    return 0;
}

static void print_tokenizer(const struct tokenizer *t, const char *path)
{
    const uint32_t bos = tokenizer_bos(t);
    const struct {
        const char *key, *name, *unknown;
    } marks[] = {{"bos_token", "BOS", tokenizer_unknown_bos(t)},
                 {"eos_token", "EOS", tokenizer_unknown_eos(t)}};
    size_t len = 0;
    const char *text = tokenizer_bytes(t, bos, &len);
    printf("  tokenizer     %s: %zu tokens, ", path, tokenizer_n_vocab(t));
    if (text) {
        printf("BOS %u %.*s\n", bos, (int)len, text);
    } else {
        printf("no BOS\n");
    }
    for (size_t i = 0; i < 2; i++) {
        const uint32_t id = i == 0 ? bos : tokenizer_eos(t);
        text = tokenizer_bytes(t, id, &len);
        if (marks[i].unknown && text) {
            printf("  %s     \"%s\", named beside it, is no token of it: %s is %u %.*s\n",
                   marks[i].key, marks[i].unknown, marks[i].name, id, (int)len, text);
        } else if (marks[i].unknown) {
            printf(
                "  %s     \"%s\", named beside it, is no token of it, and there is no other %s\n",
                marks[i].key, marks[i].unknown, marks[i].name);
        }
    }
}

/* The loss with the model's tokenizer, which may not be there. */
static int print_loss_of_text(const struct model *m, const char *given, struct err *err)
{
    char *path = NULL;
    struct tokenizer *t = NULL;
    struct encoder *encoder = NULL;
    struct tokens tokens = {0};
    uint32_t ids[sizeof hello + 1];
    struct err why = {0};
    int rc = hub_tokenizer(&path, m->dir, &m->config, &why);
    if (rc) {
        *err = why;
        goto out;
    }
    if (!path && given) {
        path = strdup(given);
        rc = path ? 0 : err_nomem(err, "a path");
    }
    if (rc) {
        goto out;
    }
    if (!path) {
        printf("  tokenizer     none: %s\n", why.msg);
        rc = m->config.d_vocab == D_VOCAB_DIGITS ? print_loss(m, hello_digits, 4, err) : 0;
        goto out;
    }
    rc = tokenizer_load(&t, path, err);
    if (rc) {
        goto out;
    }
    print_tokenizer(t, path);
    const uint32_t bos = tokenizer_bos(t);
    if (bos == TOKENIZER_NO_ID) {
        goto out;
    }
    if (tokenizer_n_vocab(t) > m->config.d_vocab) {
        rc = err_set(err, ERR_MISMATCH,
                     "%s: the tokenizer has ids up to %zu, the model a d_vocab of %zu", path,
                     tokenizer_n_vocab(t) - 1, m->config.d_vocab);
        goto out;
    }
    encoder = encoder_new(t);
    rc = encoder ? encode(encoder, hello, strlen(hello), SPECIAL_PLAIN, &tokens, err)
                 : err_nomem(err, "an encoder");
    if (rc) {
        goto out;
    }
    ids[0] = bos;
    memcpy(ids + 1, tokens.ids, tokens.n * sizeof *ids); // at most a token a byte
    if (tokens.n + 1 <= m->config.n_ctx) {
        rc = print_loss(m, ids, tokens.n + 1, err);
    }
out:
    tokens_free(&tokens);
    encoder_free(encoder);
    tokenizer_free(t);
    free(path);
    return rc;
}

static void print_kernels(void)
{
    printf("kernels of this machine, fastest first:\n");
    for (size_t t = 0; kern_at(t); t++) {
        const struct kern *k = kern_at(t);
        if (kern_runs(k)) {
            printf("  %-13s f32%s%s%s%s\n", k->name, k->s16 ? "; s16 by " : "",
                   k->s16 ? k->s16->instruction : "", k->s8 ? "; s8 by " : "",
                   k->s8 ? k->s8->instruction : "");
        }
    }
}

static int run(void *options, const struct arg_list *operands, int *status, struct err *err)
{
    (void)status;
    const struct options *o = options;
    struct lineup lineup = {0};
    int rc = lineup_load(&lineup, operands, NULL, false, err);
    rc = rc ? rc : lineup_need_weights(&lineup, err);
    rc = rc ? rc : lineup_need_unchanged(&lineup, "model", err);
    for (size_t i = 0; i < lineup.n && !rc; i++) {
        print_model(lineup.models[i].weights);
        rc = print_loss_of_text(lineup.models[i].weights, o->tokenizer, err);
    }
    if (!rc) {
        print_kernels();
    }
    lineup_free(&lineup);
    struct outfile out = {.stream = stdout};
    struct err late = {0};
    if (outfile_commit(&out, &late) && !rc) {
        rc = err_set(err, late.code, "%s", late.msg);
    }
    return rc;
}

int cmd_model(int argc, char **argv)
{
    struct options o = {0};
    const struct arg args[] = {
        {"tokenizer", 0, ARG_STRING, &o.tokenizer, "FILE", "tokenizer.json, where M has none"},
        {0}};
    const struct command command = {
        .name = "model",
        .usage = "[NAME=]M...",
        .summary =
            "What a model is (M: a folder, an alias such as gelu-1l, or a repository): its\n"
            "variant and sizes, a check of every tensor, and its loss on \"Hello world!\",\n"
            "beside the published one where that is known.  Then the tables of kernels that\n"
            "this machine can run: --kernels of scan and score.",
        .args = args,
        .n_min = 1,
        .n_max = (size_t)-1,
        .operands = "M",
        .operand_kind = OPERAND_MODEL,
        .examples = "gapscope model gelu-1l",
        .run = run,
        .options = &o,
    };
    return command_main(&command, argc, argv);
}
