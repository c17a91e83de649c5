#include "scan/cmd/commands.h"

#include <inttypes.h>
#include <stdint.h>
#include <stdlib.h>

#include "corpora/base/file.h"
#include "corpora/base/jsonout.h"
#include "corpora/base/mem.h"
#include "corpora/source.h"
#include "miners/hypotheses.h"
#include "miners/labeller.h"
#include "model/tokenizer/tokenizer.h"
#include "scan/cli/args.h"
#include "scan/cmd/label_show.h"
#include "scan/load/hypothesis_args.h"
#include "scan/load/lineup.h"
#include "scan/load/windows.h"

struct options {
    struct input_options input;
    struct hypothesis_args_options labelling;
    const char *model, *tokenizer, *output;
    size_t show;   // contexts of each hypothesis; SIZE_MAX: JSONL
    size_t window; // n_ctx of the windows; SIZE_MAX: a document is one window
};

/* What labels a document. */
struct label {
    struct hypotheses hypotheses;
    struct tokenizer *tokenizer;
    struct encoder *encoder;
    struct labeller *labeller;
    struct tokens tokens;
    uint8_t *labels;        // [hypotheses.n][tokens.n] of the current doc
    uint32_t *answers;      // [hypotheses.n][tokens.n] of those that answer themselves
    uint32_t *window_begin; // [tokens.n]
    size_t labels_cap, answers_cap, window_begin_cap;
    bool *aborted;           // [hypotheses.n]
    bool *said;              // [hypotheses.n] why it gave up
    struct label_show *show; // [hypotheses.n]
};

static const uint8_t *labels_of(const struct label *l, size_t i)
{
    return l->labels + i * l->tokens.n;
}

static const uint32_t *answers_of(const struct label *l, size_t i)
{
    return l->hypotheses.items[i].answers_itself ? l->answers + i * l->tokens.n : NULL;
}

/* Cuts the document into windows of n_ctx ids, BOS in front, as a scan does. */
static int find_windows(struct label *l, size_t n_ctx, struct err *err)
{
    struct tokens *t = &l->tokens;
    const int rc = mem_reserve(&l->window_begin, &l->window_begin_cap, t->n,
                               sizeof *l->window_begin, "windows", err);
    for (size_t i = 0; i < t->n && !rc; i++) {
        l->window_begin[i] = (uint32_t)(i - i % (n_ctx - 1));
    }
    t->window_begin = rc ? NULL : l->window_begin;
    return rc;
}

/* Why a hypothesis gave up, of the first document: whoever tries a program on one text sees nothing
 * else of it. */
static void say_why(struct label *l, size_t i, uint64_t doc)
{
    const char *why = labeller_why(l->labeller, i);
    struct err shown; // what drives a terminal is shown as \xNN
    if (!l->said[i]) {
        err_set(&shown, ERR_FORMAT, "%s", why ? why : "it reached its limit of steps");
        fprintf(stderr, "gapscope label: %s gave up on doc %" PRIu64 ": %s\n",
                l->hypotheses.items[i].name, doc, shown.msg);
    }
    l->said[i] = true;
}

static int label_doc(struct label *l, const struct doc *doc, const struct options *o,
                     struct err *err)
{
    const enum special_tokens special = o->input.special ? SPECIAL_SPLIT : SPECIAL_PLAIN;
    size_t want = 0;
    int rc = encode(l->encoder, doc->text, doc->len, special, &l->tokens, err);
    if (!rc && !mem_mul(l->hypotheses.n, l->tokens.n, &want)) {
        rc = err_nomem(err, "labels");
    }
    rc = rc ? rc : mem_reserve(&l->labels, &l->labels_cap, want, 1, "labels", err);
    rc = rc ? rc
            : mem_reserve(&l->answers, &l->answers_cap, want, sizeof *l->answers, "labels", err);
    rc = rc || o->window == SIZE_MAX ? rc : find_windows(l, o->window, err);
    for (size_t i = 0; i < l->hypotheses.n && !rc; i++) {
        enum miner_verdict verdict;
        const struct miner *m = &l->hypotheses.items[i];
        uint8_t *labels = l->labels + i * l->tokens.n;
        rc = m->answers_itself ? labeller_answer(l->labeller, i, &l->tokens, labels,
                                                 l->answers + i * l->tokens.n, &verdict, err)
                               : labeller_run(l->labeller, i, &l->tokens, labels, &verdict, err);
        l->aborted[i] = verdict == MINER_GAVE_UP;
        if (!rc && l->aborted[i]) {
            say_why(l, i, doc->number);
        }
        if (!rc && o->show != SIZE_MAX) {
            const struct label_answers answers = {.tokenizer = l->tokenizer,
                                                  .own = answers_of(l, i),
                                                  .fixed = m->answers,
                                                  .n_fixed = m->n_answers};
            rc = label_show_add(&l->show[i], doc->number, &l->tokens, labels, &answers, verdict,
                                o->show, err);
        }
    }
    return rc;
}

/* Whether some hypothesis says which token would follow. */
static bool some_answer(const struct label *l)
{
    for (size_t i = 0; i < l->hypotheses.n; i++) {
        if (l->hypotheses.items[i].answers_itself || l->hypotheses.items[i].n_answers > 0) {
            return true;
        }
    }
    return false;
}

/* "answers":{"NAME":[null,12,[7,9],...]} of those that answer. */
static void write_answers(const struct label *l, struct jsonout *j)
{
    jsonout_key(j, "answers");
    jsonout_begin(j, '{');
    for (size_t i = 0; i < l->hypotheses.n; i++) {
        const struct miner *m = &l->hypotheses.items[i];
        if ((!m->answers_itself && m->n_answers == 0) || l->aborted[i]) {
            continue;
        }
        jsonout_key(j, m->name);
        jsonout_begin(j, '[');
        for (size_t t = 0; t < l->tokens.n; t++) {
            const uint32_t *ids = m->answers_itself ? answers_of(l, i) + t : m->answers;
            const size_t n = m->answers_itself ? 1 : m->n_answers;
            if (!labels_of(l, i)[t]) {
                jsonout_raw(j, "null");
                continue;
            }
            if (n == 2) {
                jsonout_begin(j, '[');
            }
            for (size_t k = 0; k < n; k++) {
                jsonout_u64(j, ids[k]);
            }
            if (n == 2) {
                jsonout_end(j, ']');
            }
        }
        jsonout_end(j, ']');
    }
    jsonout_end(j, '}');
}

static void write_doc(const struct label *l, FILE *to, uint64_t number)
{
    size_t n_aborted = 0;
    struct jsonout j = {.to = to};
    jsonout_begin(&j, '{');
    jsonout_key(&j, "doc");
    jsonout_u64(&j, number);
    jsonout_key(&j, "labels");
    jsonout_begin(&j, '{');
    for (size_t i = 0; i < l->hypotheses.n; i++) {
        jsonout_key(&j, l->hypotheses.items[i].name);
        if (l->aborted[i]) {
            n_aborted++;
            jsonout_raw(&j, "null");
            continue;
        }
        jsonout_begin(&j, '[');
        for (size_t t = 0; t < l->tokens.n; t++) {
            jsonout_u64(&j, labels_of(l, i)[t]);
        }
        jsonout_end(&j, ']');
    }
    jsonout_end(&j, '}');
    if (some_answer(l)) {
        write_answers(l, &j);
    }
    if (n_aborted > 0) {
        jsonout_key(&j, "aborted");
        jsonout_begin(&j, '[');
        for (size_t i = 0; i < l->hypotheses.n; i++) {
            if (l->aborted[i]) {
                jsonout_string(&j, l->hypotheses.items[i].name);
            }
        }
        jsonout_end(&j, ']');
    }
    jsonout_end(&j, '}');
}

static int label_all(struct label *l, const struct options *o, struct source *source,
                     const char *path, FILE *to, struct err *err)
{
    enum source_status next;
    struct doc doc;
    int rc = 0;
    while (!rc && !ferror(to) && (next = source_next(source, &doc, err)) != SOURCE_END) {
        if (next == SOURCE_ERROR) {
            return (int)err->code;
        }
        rc = label_doc(l, &doc, o, err);
        if (rc) {
            return err_prefix(err, "%s: doc %" PRIu64, path, doc.number);
        }
        if (o->show == SIZE_MAX) {
            write_doc(l, to, doc.number);
        }
    }
    for (size_t i = 0; i < l->hypotheses.n && o->show != SIZE_MAX; i++) {
        label_show_print(&l->show[i], l->hypotheses.items[i].name, to);
    }
    return 0;
}

static int label_open(struct label *l, const struct options *o, struct err *err)
{
    if (!hypothesis_args_wanted(&o->labelling)) {
        return err_set(err, ERR_USAGE,
                       "nothing to label by: give --hypotheses, --regex or --battery");
    }
    if (o->window < 2 || (o->window != SIZE_MAX && o->window > UINT32_MAX)) {
        return err_set(err, ERR_USAGE, "--window %zu: a window is BOS and at least one token, so 2",
                       o->window);
    }
    int rc = lineup_tokenizer(&l->tokenizer, o->model, o->tokenizer, err);
    if (rc) {
        return rc;
    }
    const struct hypothesis_windows windows = {.n_vocab = tokenizer_n_vocab(l->tokenizer)};
    rc = hypothesis_args_load(&l->hypotheses, &o->labelling, &windows, l->tokenizer, err);
    rc = rc ? rc : labeller_new(&l->labeller, &l->hypotheses, err);
    if (rc) {
        return rc;
    }
    l->encoder = encoder_new(l->tokenizer);
    l->aborted = mem_zero(l->hypotheses.n, sizeof *l->aborted);
    l->said = mem_zero(l->hypotheses.n, sizeof *l->said);
    l->show = mem_zero(l->hypotheses.n, sizeof *l->show);
    return l->encoder && l->aborted && l->said && l->show ? 0 : err_nomem(err, "an encoder");
}

static void label_close(struct label *l)
{
    for (size_t i = 0; l->show && i < l->hypotheses.n; i++) {
        label_show_free(&l->show[i]);
    }
    free(l->show);
    labeller_free(l->labeller);
    hypotheses_free(&l->hypotheses);
    encoder_free(l->encoder);
    tokenizer_free(l->tokenizer);
    tokens_free(&l->tokens);
    free(l->labels);
    free(l->answers);
    free(l->window_begin);
    free(l->aborted);
    free(l->said);
}

static int run(void *options, const struct arg_list *operands, int *status, struct err *err)
{
    const struct options *o = options;
    const char *path = operands->items[0];
    struct label l = {0};
    struct source *source = NULL;
    struct outfile out = {0};
    int rc = label_open(&l, o, err);
    rc = rc ? rc : outfile_open(&out, o->output, err);
    rc = rc ? rc : input_open(&source, path, &o->input, err);
    rc = rc ? rc : label_all(&l, o, source, path, out.stream, err);
    if (!rc) {
        rc = outfile_commit(&out, err);
        *status = input_finish(source, path, &o->input);
    }
    outfile_discard(&out);
    source_close(source);
    label_close(&l);
    return rc;
}

int cmd_label(int argc, char **argv)
{
    struct options o = {.show = SIZE_MAX, .window = SIZE_MAX};
    const struct arg args[] = {
        ARGS_GROUP("the hypotheses"),
        HYPOTHESIS_ARGS(&o.labelling),
        ARGS_GROUP("the input"),
        TOKENIZER_ARGS(&o.tokenizer, &o.model),
        SPECIAL_ARG(&o.input),
        {"window", 0, ARG_SIZE, &o.window, "N",
         "cut docs into windows of N ids, BOS and N - 1 tokens, as a\nscan of models of n_ctx N "
         "does; else a doc is one window"},
        INPUT_ARGS(&o.input),
        ARGS_GROUP("the output"),
        {"show", 0, ARG_SIZE, &o.show, "N",
         "for people: how much each names, and its first N docs with\nthe named tokens in "
         "[brackets]"},
        OUTPUT_ARG(&o.output),
        {0}};
    const struct command command = {
        .name = "label",
        .usage = "--hypotheses FILE.yaml|--regex NAME=PATTERN\n--tokenizer FILE|--model M "
                 "[options] INPUT",
        .summary =
            "Which tokens of every doc of INPUT (a file, also .zst or .gz, or -) a hypothesis\n"
            "names, as JSONL, one line per doc, no BOS:\n"
            "  {\"doc\",\"labels\":{\"NAME\":[0,1,...]}}\n"
            "Where one gave up on a doc its labels are null and \"aborted\" lists its name.\n"
            "Of hypotheses that say which token would follow there is also\n"
            "  \"answers\":{\"NAME\":[null,id,[id,id],...]}",
        .args = args,
        .n_min = 1,
        .n_max = 1,
        .operands = "INPUT",
        .examples = "gapscope label --regex 'year=\\b(19|20)\\d\\d\\b' --model gelu-1l --show 3 "
                    "corpus.txt",
        .run = run,
        .options = &o,
    };
    return command_main(&command, argc, argv);
}
