#include "scan/cmd/commands.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>

#include "out/read/gaps.h"
#include "out/read/names.h"
#include "out/text/ablation.h"
#include "out/text/comparison.h"
#include "out/text/side_by_side.h"
#include "out/text/top.h"
#include "scan/cli/args.h"

#define N_DEFAULT 20

struct options {
    const char *pair, *hypothesis, *color, *output;
    size_t n;
    bool worst, tokens, domains, kinds, documents, compare, ablated, side_by_side, json;
};

/* A scan of ids has no text, by which kinds are told. */
static void check_texts(struct reader *r, int64_t pair)
{
    const char *texts = "SELECT sum(token_text <> '') FROM token_gap WHERE pair = ?1";
    const char *tokens = "SELECT count(*) FROM token_gap WHERE pair = ?1";
    if (!r->rc && reader_number(r, tokens, &pair) > 0 && reader_number(r, texts, &pair) == 0) {
        reader_fail(r, ERR_NOT_FOUND,
                    "%s: was scanned from ids, whose tokens have no text here; kinds depend on "
                    "the text",
                    r->path);
    }
}

/* Says where documents are not in the run, or not all of them. */
static void check_documents(struct reader *r)
{
    const int64_t kept = reader_number(r, "SELECT count(*) FROM document", NULL);
    const int64_t all = reader_number(r, "SELECT total(docs) FROM shard", NULL);
    if (!r->rc && kept == 0) {
        reader_fail(r, ERR_NOT_FOUND, "%s: no document is kept; scan --documents keeps them",
                    r->path);
    } else if (!r->rc && kept < all) {
        fprintf(stderr,
                "gapscope top: %" PRId64 " of %" PRId64
                " documents are kept, those whose text has the lowest hash; scan "
                "--documents-most N keeps more\n",
                kept, all);
    }
}

static int show(const struct screen *s, struct reader *r, const struct options *o)
{
    const enum gap_list list = o->tokens      ? GAPS_OF_TOKENS
                               : o->domains   ? GAPS_OF_DOMAINS
                               : o->kinds     ? GAPS_OF_KINDS
                               : o->documents ? GAPS_OF_DOCUMENTS
                                              : GAPS_OF_HITS;
    struct run_state state = {0};
    struct pairs pairs = {0};
    void *items = NULL;
    struct not_finite_model *odd = NULL;
    size_t n = 0, n_odd = 0;
    run_state_read(&state, r);
    pairs_read(&pairs, r, o->pair);
    not_finite_read(&odd, &n_odd, r);
    if (list == GAPS_OF_KINDS && !r->rc) {
        check_texts(r, pairs.chosen->id);
    }
    if (list == GAPS_OF_DOCUMENTS && !r->rc) {
        check_documents(r);
    }
    if (!r->rc && !gaps_read(&items, &n, r, list, pairs.chosen->id, o->n, o->worst)) {
        if (o->json) {
            json_gaps(s->to, list, items, n, pairs.chosen, odd, n_odd);
        } else {
            put_pair(s, &pairs, &state);
            put_not_finite(s, odd, n_odd);
            put_gaps(s, list, items, n, o->worst);
            if (n == 0 && o->n > 0 && pairs.chosen->brief && list != GAPS_OF_HITS) {
                put_note(s, 0,
                         "a pair of scan --ablate has no gaps by token, kind, domain or "
                         "document: name the models in a --pair of the scan to have them");
            }
        }
    }
    rows_free(items, n, gap_kind(list));
    rows_free(odd, n_odd, &not_finite_kind);
    pairs_free(&pairs);
    run_state_free(&state);
    return r->rc;
}

static int show_comparison(const struct screen *s, struct reader *r, const struct options *o)
{
    struct run_state state = {0};
    struct pairs pairs = {0};
    struct comparison c = {0};
    run_state_read(&state, r);
    pairs_read(&pairs, r, o->pair);
    if (!r->rc && !comparison_read(&c, r, pairs.chosen->id, o->n)) {
        if (o->json) {
            json_comparison(s->to, &c, pairs.chosen);
        } else {
            put_pair(s, &pairs, &state);
            reader_take(r, put_comparison(s, &c, r->err));
        }
    }
    comparison_free(&c);
    pairs_free(&pairs);
    run_state_free(&state);
    return r->rc;
}

static int show_ablation(const struct screen *s, struct reader *r, const struct options *o)
{
    struct run_state state = {0};
    struct ablation_row *rows = NULL;
    size_t n = 0;
    int64_t hypothesis = -1;
    run_state_read(&state, r);
    if (o->hypothesis) {
        reader_find(r, "hypothesis", o->hypothesis, &hypothesis);
    }
    if (!r->rc && !ablation_read(&rows, &n, r, hypothesis, o->n, o->worst)) {
        if (o->json) {
            json_ablation(s->to, rows, n, o->hypothesis);
        } else {
            put_state(s->to, &state);
            putc('\n', s->to);
            reader_take(r, put_ablation(s, rows, n, o->n, o->hypothesis, r->err));
        }
    }
    rows_free(rows, n, &ablation_kind);
    run_state_free(&state);
    return r->rc;
}

static int show_side_by_side(const struct screen *s, struct reader *r, const struct options *o)
{
    struct run_state state = {0};
    struct pairs pairs = {0};
    struct side_row *rows = NULL;
    size_t n = 0;
    run_state_read(&state, r);
    pairs_read_any(&pairs, r, o->pair);
    if (!r->rc && o->pair && pairs.chosen->brief) {
        reader_fail(r, ERR_USAGE, "%s: a pair of scan --ablate has no side-by-side: --ablated",
                    o->pair);
    }
    if (!r->rc && !side_by_side_read(&rows, &n, r, pairs.chosen, o->n, o->worst)) {
        if (o->json) {
            json_side_by_side(s->to, rows, n);
        } else {
            put_state(s->to, &state);
            putc('\n', s->to);
            reader_take(r, put_side_by_side(s, rows, n, r->err));
        }
    }
    rows_free(rows, n, &side_kind);
    pairs_free(&pairs);
    run_state_free(&state);
    return r->rc;
}

/* Refuses options that do not go together. */
static int check(const struct options *o, struct err *err)
{
    if (o->tokens + o->domains + o->kinds + o->documents + o->compare + o->ablated +
            o->side_by_side >
        1) {
        return err_set(err, ERR_USAGE,
                       "--tokens, --kinds, --domains, --documents, --compare, --ablated and "
                       "--side-by-side: one of them");
    }
    if (o->compare && o->worst) {
        return err_set(err, ERR_USAGE, "--worst does not go with --compare");
    }
    if (o->ablated && o->pair) {
        return err_set(
            err, ERR_USAGE,
            "--pair does not go with --ablated, which lists all pairs of changed models");
    }
    if (o->hypothesis && !o->ablated) {
        return err_set(err, ERR_USAGE, "--hypothesis goes with --ablated");
    }
    return 0;
}

static int run(void *options, const struct arg_list *operands, int *status, struct err *err)
{
    (void)status;
    const struct options *o = options;
    struct reader r = {0};
    struct screen s = {0};
    int rc = check(o, err);
    rc = rc ? rc : reader_open(&r, operands->items[0], err);
    rc = rc ? rc : screen_open(&s, o->color, o->output, err);
    rc = rc                ? rc
         : o->compare      ? show_comparison(&s, &r, o)
         : o->ablated      ? show_ablation(&s, &r, o)
         : o->side_by_side ? show_side_by_side(&s, &r, o)
                           : show(&s, &r, o);
    reader_close(&r);
    return screen_close(&s, rc, o->output, err);
}

int cmd_top(int argc, char **argv)
{
    struct options o = {.n = N_DEFAULT};
    const struct arg args[] = {
        ARGS_GROUP("what is listed"),
        {"pair", 0, ARG_STRING, &o.pair, "A:B", "the pair of models; else the run's first"},
        {"worst", 0, ARG_FLAG, &o.worst, NULL, "the least gaps: where the base is better"},
        {"tokens", 0, ARG_FLAG, &o.tokens, NULL,
         "by token: those that add most to the gap (n x mean gap)"},
        {"kinds", 0, ARG_FLAG, &o.kinds, NULL,
         "by kind of token (words, digits, line ends, ...): how much of\nthe gap each has"},
        {"domains", 0, ARG_FLAG, &o.domains, NULL, "by domain: the mean gap of each"},
        {"documents", 0, ARG_FLAG, &o.documents, NULL,
         "of a scan with --documents: documents by their mean gap"},
        {"compare", 0, ARG_FLAG, &o.compare, NULL,
         "the whole distributions of both: KL, same most likely\ntoken, change of P of the true "
         "one"},
        {"side-by-side", 0, ARG_FLAG, &o.side_by_side, NULL,
         "all models: their loss, and their gap to A, at each kind\nof token and hypothesis; by "
         "the gap of B"},
        {"ablated", 0, ARG_FLAG, &o.ablated, NULL,
         "of a scan with --ablate: the loss without each component"},
        {"hypothesis", 0, ARG_STRING, &o.hypothesis, "H",
         "with --ablated: by the gap where H labels"},
        {"number", 'n', ARG_SIZE, &o.n, "N", "how many (20)"},
        ARGS_GROUP("the output"),
        {"json", 0, ARG_FLAG, &o.json, NULL, "JSONL, one object per line, for programs"},
        COLOR_ARG(&o.color),
        OUTPUT_ARG(&o.output),
        {0}};
    const struct command command = {
        .name = "top",
        .usage = "run.db [--pair A:B] [--worst]\n"
                 "[--tokens|--kinds|--domains|--documents|--compare|--side-by-side|\n"
                 "--ablated] [-n N]",
        .summary = "Where one model predicts the token better than another: the largest gaps of a\n"
                   "run, finished or not, with the log-probs of both and the text around.\n"
                   "gap = logprob of B - logprob of A, clamped at the run's floor.",
        .args = args,
        .n_min = 1,
        .n_max = 1,
        .operands = "run.db",
        .examples = "gapscope top run.db -n 5\n"
                    "gapscope top run.db --kinds\n"
                    "gapscope top run.db --compare\n"
                    "gapscope top run.db --side-by-side\n"
                    "gapscope top run.db --ablated --hypothesis induction",
        .run = run,
        .options = &o,
    };
    return command_main(&command, argc, argv);
}
