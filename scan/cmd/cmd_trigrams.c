#include "scan/cmd/commands.h"

#include <inttypes.h>
#include <stdlib.h>

#include "corpora/base/mem.h"
#include "corpora/base/shell_quote.h"
#include "out/read/trigram_list.h"
#include "out/text/trigrams.h"
#include "scan/cli/args.h"

#define LISTED_DEFAULT 10
#define EXAMPLES_DEFAULT 10 // of each kind, of one trigram

struct options {
    struct trigram_options list;
    size_t n, id; // SIZE_MAX where it was not said
    bool json;
    const char *color, *output;
};

/* Filters belong to the list. */
static int check_options(const struct options *o, struct err *err)
{
    const struct trigram_options *l = &o->list;
    const bool filter = l->a || l->b || l->c || l->token || l->model || l->verdict || l->sort ||
                        l->pair || l->all || l->min_docs != SIZE_MAX;
    return o->id != SIZE_MAX && filter
               ? err_set(err, ERR_USAGE,
                         "--id shows one trigram: filters and orders are of the list")
               : 0;
}

// --- one of them -------------------------------------------------------------------------------

static int show_page(const struct screen *s, struct reader *r, const struct options *o)
{
    const size_t n = o->n != SIZE_MAX || o->json ? o->n : EXAMPLES_DEFAULT;
    struct trigram_page p = {0};
    struct trigram_run run = {0};
    struct run_state state = {0};
    trigram_run_read(&run, r);
    run_state_read(&state, r);
    if (!trigram_page_read(&p, r, o->id < INT64_MAX ? (int64_t)o->id : -1, n)) {
        char *file = shell_quoted(r->path);
        reader_fail(r, file ? ERR_NOT_FOUND : ERR_NOMEM,
                    "%s: has no trigram %zu; its %" PRId64 " have the ids "
                    "that `gapscope trigrams %s --all` lists behind #",
                    r->path, o->id, trigram_count(r), file ? file : "");
        free(file);
    } else if (o->json) {
        json_trigram_page(&(struct jsonout){.to = s->to}, &p);
    } else {
        reader_take(r, put_trigram_page(s, &p, &run, &state, r->path, r->err));
    }
    trigram_page_free(&p);
    trigram_run_free(&run);
    run_state_free(&state);
    return r->rc;
}

// --- the list ----------------------------------------------------------------------------------

static void put_list(const struct screen *s, struct reader *r, const struct trigram_list *l,
                     size_t n)
{
    struct trigram_page *pages = reader_new(r, n, sizeof *pages);
    for (size_t i = 0; i < n && pages && !r->rc; i++) {
        trigram_page_read(&pages[i], r, l->ids[i], 1);
    }
    if (!r->rc) {
        reader_take(r, put_trigrams(s, l, pages, n, r->err));
    }
    for (size_t i = 0; i < n && pages; i++) {
        trigram_page_free(&pages[i]);
    }
    free(pages);
}

/* Page by page: one has all examples of its trigram. */
static void json_list(const struct screen *s, struct reader *r, const struct trigram_list *l,
                      size_t n)
{
    struct jsonout j = {.to = s->to};
    reader_take(r, json_trigrams_begin(&j, l, r->err));
    for (size_t i = 0; i < n && !r->rc; i++) {
        struct trigram_page p = {0};
        if (trigram_page_read(&p, r, l->ids[i], SIZE_MAX)) {
            json_trigram_page(&j, &p);
        }
        trigram_page_free(&p);
    }
    json_trigrams_end(&j);
}

static int show_list(const struct screen *s, struct reader *r, const struct options *o)
{
    struct trigram_list l = {0};
    if (!trigram_list_read(&l, r, &o->list)) {
        const size_t asked = o->n != SIZE_MAX ? o->n : o->json ? l.n : LISTED_DEFAULT;
        const size_t n = asked < l.n ? asked : l.n;
        if (o->json) {
            json_list(s, r, &l, n);
        } else {
            put_list(s, r, &l, n);
        }
    }
    trigram_list_free(&l);
    return r->rc;
}

// --- the command -------------------------------------------------------------------------------

static int run(void *options, const struct arg_list *operands, int *status, struct err *err)
{
    (void)status;
    struct options *o = options;
    struct reader r = {0};
    struct screen s = {0};
    if (operands->n > 1 && o->list.token) {
        return err_set(err, ERR_USAGE, "TEXT and --token are the same: one of them");
    }
    if (operands->n > 1) {
        o->list.token = operands->items[1];
    }
    int rc = check_options(o, err);
    if (rc) {
        return rc;
    }
    rc = reader_open(&r, operands->items[0], err);
    rc = rc ? rc : screen_open(&s, o->color, o->output, err);
    rc = rc ? rc : trigrams_any(&r);
    if (!rc) {
        rc = o->id != SIZE_MAX ? show_page(&s, &r, o) : show_list(&s, &r, o);
    }
    reader_close(&r);
    return screen_close(&s, rc, o->output, err);
}

int cmd_trigrams(int argc, char **argv)
{
    struct options o = {.list.min_docs = SIZE_MAX, .n = SIZE_MAX, .id = SIZE_MAX};
    struct trigram_options *t = &o.list;
    const struct arg args[] = {
        ARGS_GROUP("which are shown"),
        {"id", 0, ARG_SIZE, &o.id, "N", "one trigram with all that is known of it: #N of the list"},
        {"sort", 0, ARG_STRING, &t->sort, "gain|gap|p|count|interaction",
         "the greatest first, by: places x mean gap (if not given),\n"
         "mean gap, P(C | A, B), places, interaction of ln P(C)"},
        {"number", 'n', ARG_SIZE, &o.n, "N",
         "how many (10; with --json all); with --id: places of each\nkind"},
        {"a", 0, ARG_STRING, &t->a, "TEXT", "only where the first token is this"},
        {"b", 0, ARG_STRING, &t->b, "TEXT", "only where the second is"},
        {"c", 0, ARG_STRING, &t->c, "TEXT", "only where the one that follows is"},
        {"token", 0, ARG_STRING, &t->token, "TEXT",
         "only where one of the three contains this, in small\nletters or capitals; also as TEXT"},
        {"model", 0, ARG_STRING, &t->model, "NAME", "only this model's verdicts"},
        {"verdict", 0, ARG_STRING, &t->verdict, "WORDS",
         "only where a model's verdict is AND-like, B-only, A-only,\nspread, 'negative "
         "interaction', 'no interaction',\n'no neurons' or 'too few places'"},
        {"min-docs", 0, ARG_SIZE, &t->min_docs, "N", "only those in N documents or more (2)"},
        {"all", 0, ARG_FLAG, &t->all, NULL,
         "also those that do not beat the base or were not tested"},
        {"pair", 0, ARG_STRING, &t->pair, "A:B", "the pair of models; else the run's first"},
        ARGS_GROUP("the output"),
        JSON_ARG(&o.json),
        COLOR_ARG(&o.color),
        OUTPUT_ARG(&o.output),
        {0}};
    const struct command command = {
        .name = "trigrams",
        .usage = "run.db [TEXT] [--sort KEY] [-n N] | run.db --id N",
        .summary =
            "The trigrams \"A\" \"B\" -> \"C\" of a run that counting alone does not explain: no\n"
            "bigram, skip-bigram or sum of these predicts C, only A and B together.  Which models\n"
            "know it, by how much, and which neuron fires on both tokens and on neither alone.",
        .args = args,
        .n_min = 1,
        .n_max = 2,
        .operands = "run.db",
        .examples = "gapscope trigrams run.db\n"
                    "gapscope trigrams run.db --id 7",
        .run = run,
        .options = &o,
    };
    return command_main(&command, argc, argv);
}
