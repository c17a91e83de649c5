#include "scan/cmd/commands.h"

#include <stdlib.h>
#include <string.h>

#include "corpora/base/jsonout.h"
#include "corpora/base/mem.h"
#include "corpora/base/utf8.h"
#include "out/read/head_name.h"
#include "out/text/screen.h"
#include "scan/cli/args.h"
#include "scan/cmd/circuits_view.h"
#include "scan/load/lineup.h"

struct options {
    struct arg_list models, queries, sources;
    const char *head;
    const char *tokenizer, *color, *output;
    size_t top;
    bool ids, json;
};

// --- what is asked ------------------------------------------------------------------------------

static int read_id(const char *option, const char *text, size_t d_vocab, uint32_t *out,
                   struct err *err)
{
    char *end;
    const unsigned long id = strtoul(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || strlen(text) > 9 || id >= d_vocab) {
        return err_set(err, ERR_USAGE, "--%s %s: with --ids a token is a number from 0 to %zu",
                       option, text, d_vocab - 1);
    }
    *out = (uint32_t)id;
    return 0;
}

/* Says how a text is cut that is not one token. */
static int not_one_token(const char *option, const char *text, const struct tokenizer *t,
                         const struct tokens *tokens, struct err *err)
{
    const struct prompts names = {.tokenizer = t};
    char shown[512] = "";
    for (size_t i = 0, n = 0; i < tokens->n && n + PROMPTS_TEXT + 8 < sizeof shown; i++) {
        char token[PROMPTS_TEXT];
        prompts_show(&names, tokens->ids[i], token);
        n += (size_t)snprintf(shown + n, sizeof shown - n, "%s%s", i > 0 ? ", " : ": ", token);
    }
    return err_set(err, ERR_USAGE,
                   "--%s \"%s\": %zu tokens%s; expected one token (mind the space "
                   "in ' is')",
                   option, text, tokens->n, shown);
}

static int read_text(const char *option, const char *text, const struct lineup *l, uint32_t *out,
                     struct err *err)
{
    const size_t len = strlen(text);
    struct tokens tokens = {0};
    struct encoder *e = encoder_new(l->tokenizer);
    int rc = e ? 0 : err_nomem(err, "an encoder");
    if (!rc && utf8_valid_prefix(text, len) < len) {
        rc = err_set(err, ERR_USAGE, "--%s %s: not UTF-8", option, text);
    }
    rc = rc ? rc : encode(e, text, len, SPECIAL_SPLIT, &tokens, err);
    if (!rc && tokens.n != 1) {
        rc = not_one_token(option, text, l->tokenizer, &tokens, err);
    } else if (!rc) {
        *out = tokens.ids[0];
    }
    tokens_free(&tokens);
    encoder_free(e);
    return rc;
}

/* The tokens of --query or --source; the caller frees *out. */
static int read_tokens(const char *option, const struct arg_list *list, const struct options *o,
                       const struct lineup *l, uint32_t **out, struct err *err)
{
    *out = mem_new(list->n, sizeof **out);
    int rc = *out ? 0 : err_nomem(err, "tokens");
    for (size_t i = 0; i < list->n && !rc; i++) {
        rc = o->ids ? read_id(option, list->items[i], l->d_vocab, &(*out)[i], err)
                    : read_text(option, list->items[i], l, &(*out)[i], err);
    }
    return rc;
}

static int read_head(const struct options *o, const struct lineup *l, struct circuits_ask *ask,
                     struct err *err)
{
    if (!o->head) {
        return 0;
    }
    const size_t end = head_name_read(o->head, &ask->layer, &ask->index);
    ask->one_head = true;
    if (end == 0 || o->head[end]) {
        return err_set(err, ERR_USAGE, "--head %s: expected L<layer>H<index>, e.g. L1H3", o->head);
    }
    for (size_t i = 0; i < l->n; i++) {
        const struct config *c = l->models[i].config;
        if (ask->layer >= c->n_layers || ask->index >= c->n_heads) {
            return err_set(err, ERR_USAGE, "--head %s: %s has layers 0 to %zu, heads 0 to %zu",
                           o->head, l->models[i].name, c->n_layers - 1, c->n_heads - 1);
        }
    }
    return 0;
}

// --- the command --------------------------------------------------------------------------------

static int show_all(const struct options *o, const struct lineup *l, const struct circuits_ask *ask,
                    const struct screen *s, struct err *err)
{
    struct jsonout j = {.to = s->to};
    int rc = 0;
    if (o->json) {
        jsonout_begin(&j, '{');
        jsonout_key(&j, "models");
        jsonout_begin(&j, '[');
    }
    for (size_t i = 0; i < l->n && !rc; i++) {
        struct circuits_view v = {0};
        rc = circuits_view_make(&v, l->models[i].weights, l->models[i].name, ask, err);
        if (!rc && o->json) {
            circuits_view_json(&v, &j);
        } else if (!rc) {
            rc = circuits_view_put(&v, s, err);
        }
        circuits_view_free(&v);
    }
    if (o->json) {
        jsonout_end(&j, ']');
        jsonout_end(&j, '}');
    }
    return rc;
}

static int run(void *options, const struct arg_list *operands, int *status, struct err *err)
{
    (void)operands;
    (void)status;
    const struct options *o = options;
    struct lineup lineup = {0};
    struct screen s = {0};
    struct circuits_ask ask = {.top = o->top};
    uint32_t *sources = NULL, *queries = NULL;
    int rc = screen_open(&s, o->color, o->output, err);
    rc = rc ? rc : lineup_load(&lineup, &o->models, o->tokenizer, !o->ids, err);
    rc = rc ? rc : lineup_need_weights(&lineup, err);
    rc = rc ? rc : lineup_need_unchanged(&lineup, "circuits", err);
    rc = rc ? rc : read_head(o, &lineup, &ask, err);
    rc = rc ? rc : read_tokens("source", &o->sources, o, &lineup, &sources, err);
    rc = rc ? rc : read_tokens("query", &o->queries, o, &lineup, &queries, err);
    if (!rc) {
        ask.tokenizer = o->ids ? NULL : lineup.tokenizer;
        ask.bos = ask.tokenizer ? tokenizer_bos(ask.tokenizer) : 0;
        ask.sources = sources;
        ask.n_sources = o->sources.n;
        ask.queries = queries;
        ask.n_queries = o->queries.n;
        rc = show_all(o, &lineup, &ask, &s, err);
    }
    free(sources);
    free(queries);
    lineup_free(&lineup);
    return screen_close(&s, rc, o->output, err);
}

int cmd_circuits(int argc, char **argv)
{
    struct options o = {.top = 10};
    const struct arg args[] = {
        ARGS_GROUP("the models"),
        WEIGHTS_ARGS(&o.models, &o.tokenizer),
        ARGS_GROUP("what is asked"),
        {"head", 0, ARG_STRING, &o.head, "L1H3",
         "one head alone: its composition, and tokens of its OV and\nQK circuits"},
        {"source", 0, ARG_LIST, &o.sources, "T",
         "what attending to this token raises, and its bigrams by\nthe direct path; several times"},
        {"query", 0, ARG_LIST, &o.queries, "T",
         "the keys that this token looks for; several times"},
        {"top", 'n', ARG_SIZE, &o.top, "N", "pairs of heads and tokens in a list (10)"},
        {"ids", 0, ARG_FLAG, &o.ids, NULL, "T is an id, and no tokenizer is needed; BOS is then 0"},
        ARGS_GROUP("the output"),
        JSON_ARG(&o.json),
        COLOR_ARG(&o.color),
        OUTPUT_ARG(&o.output),
        {0}};
    const struct command command = {
        .name = "circuits",
        .usage = "--model M [--head L1H3] [--source T] [--query T] [options]",
        .summary =
            "What a model's heads do, from its weights alone: what kind each is, whether it "
            "copies,\n"
            "which heads compose (Q, K and V, beside what random weights give), the tokens that\n"
            "attending to a token raises (OV), the keys that a token looks for (QK), the bigrams "
            "of\nthe direct path.",
        .args = args,
        .n_min = 0,
        .n_max = 0,
        .operands = "",
        .examples = "gapscope circuits --model attn-only-2l\n"
                    "gapscope circuits --model attn-only-2l --head L1H3 --source ' the'\n"
                    "gapscope circuits --model attn-only-2l --json -o circuits.json",
        .run = run,
        .options = &o,
    };
    return command_main(&command, argc, argv);
}
