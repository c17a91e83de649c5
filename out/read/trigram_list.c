#include "out/read/trigram_list.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "corpora/base/mem.h"

/* All, with what they are filtered and ranked by; ?1 is the pair, ?2 the model or -1. */
#define SQL_ROWS                                                                                   \
    "SELECT t.id, t.a, t.b, t.c, t.a_text, t.b_text, t.c_text, t.count, t.p, t.n, t.docs, t.gain," \
    " t.tested, g.mean_gap,"                                                                       \
    " (SELECT max(interaction) FROM trigram_model WHERE trigram = t.id"                            \
    " AND (?2 < 0 OR model = ?2)) AS interaction,"                                                 \
    " (SELECT group_concat(verdict, char(10)) FROM trigram_model WHERE trigram = t.id"             \
    " AND (?2 < 0 OR model = ?2)) AS verdicts,"                                                    \
    " (SELECT count(*) FROM trigram_model WHERE trigram = t.id AND model = ?2) AS of_model"        \
    " FROM trigram t LEFT JOIN trigram_gap g ON g.trigram = t.id AND g.pair = ?1 ORDER BY t.id"

struct row {
    int64_t id, abc[3];
    struct text texts[3];
    double count, p, places, gain, mean_gap, interaction;
    int64_t docs, tested;
    struct text verdicts; // one a line
    int64_t of_model;     // how many of these are model ?2's
};

// clang-format off
#define AT(field) offsetof(struct row, field)
static const struct column columns[] = {
    {"id", CELL_WHOLE, AT(id)}, {"a", CELL_WHOLE, AT(abc[0])}, {"b", CELL_WHOLE, AT(abc[1])},
    {"c", CELL_WHOLE, AT(abc[2])}, {"a_text", CELL_TEXT, AT(texts[0])},
    {"b_text", CELL_TEXT, AT(texts[1])}, {"c_text", CELL_TEXT, AT(texts[2])},
    {"count", CELL_REAL, AT(count)}, {"p", CELL_REAL, AT(p)}, {"n", CELL_REAL, AT(places)},
    {"docs", CELL_WHOLE, AT(docs)}, {"gain", CELL_REAL, AT(gain)},
    {"tested", CELL_WHOLE, AT(tested)}, {"mean_gap", CELL_REAL, AT(mean_gap)},
    {"interaction", CELL_REAL, AT(interaction)}, {"verdicts", CELL_TEXT, AT(verdicts)},
    {"of_model", CELL_WHOLE, AT(of_model)},
};
// clang-format on
static const struct row_kind kind = ROW_KIND(struct row, columns);

const char *const trigram_orders[] = {"gain", "gap", "p", "count", "interaction", NULL};
#define N_ORDERS 5

/* A trigram that passes, with what it is ranked by. */
struct item {
    int64_t id;
    double keys[N_ORDERS];
};

struct items {
    struct item *items; // [n]
    size_t n, cap;
};

// --- options -----------------------------------------------------------------------------------

static void find_order(struct trigram_list *l, struct reader *r, const char *name)
{
    while (name && trigram_orders[l->order] && strcasecmp(trigram_orders[l->order], name) != 0) {
        l->order++;
    }
    if (l->order == N_ORDERS) {
        reader_fail(r, ERR_USAGE, "--sort %s: expected gain, gap, p, count or interaction", name);
    }
}

static void check_verdict(struct reader *r, const char *verdict)
{
    size_t i = 0;
    while (verdict && trigram_verdicts[i] && strcasecmp(trigram_verdicts[i], verdict) != 0) {
        i++;
    }
    if (verdict && !trigram_verdicts[i]) {
        reader_fail(r, ERR_USAGE,
                    "--verdict %s: expected AND-like, B-only, A-only, spread, 'negative "
                    "interaction', 'no interaction', 'no neurons' or 'too few places'",
                    verdict);
    }
}

// --- which -------------------------------------------------------------------------------------

static bool has_texts(const struct trigram_options *o, const struct row *row)
{
    const char *const exact[] = {o->a, o->b, o->c};
    bool all = true, any = !o->token;
    for (int i = 0; i < 3; i++) {
        char number[32];
        const char *text = row->texts[i].data; // as it is shown
        if (!*text) {
            snprintf(number, sizeof number, "<%" PRIu64 ">", count_of(row->abc[i]));
            text = number;
        }
        all = all && (!exact[i] || strcmp(text, exact[i]) == 0);
        any = any || strcasestr(text, o->token);
    }
    return all && any;
}

/* Is it one of the lines? */
static bool has_verdict(const char *lines, const char *verdict)
{
    const size_t len = verdict ? strlen(verdict) : 0;
    bool found = !verdict;
    while (!found && *lines) {
        const size_t n = strcspn(lines, "\n");
        found = n == len && strncasecmp(lines, verdict, n) == 0;
        lines += n + (lines[n] == '\n');
    }
    return found;
}

/* Does a damaged number of documents reach the least one? */
static bool in_docs(const struct row *row, uint64_t docs)
{
    return (int64_t)(row->docs == WHOLE_NULL ? 0 : row->docs) >= (int64_t)docs;
}

static bool beats(const struct trigram_list *l, const struct row *row, uint64_t docs)
{
    return row->mean_gap >= trigram_gap_least(&l->run) && in_docs(row, docs);
}

static bool passes(const struct trigram_list *l, const struct trigram_options *o,
                   const struct row *row)
{
    const uint64_t docs = o->min_docs != SIZE_MAX ? o->min_docs
                          : l->every              ? 0
                                                  : trigram_docs_least(&l->run);
    const bool good =
        l->every || (beats(l, row, docs) && (l->run.n_tested == 0 || row->tested == 1));
    return good && in_docs(row, docs) && has_texts(o, row) &&
           has_verdict(row->verdicts.data, o->verdict) && (!o->model || row->of_model > 0);
}

static void add_item(struct items *items, struct reader *r, const struct row *row,
                     const struct pair *pair)
{
    if (reader_take(r, mem_reserve(&items->items, &items->cap, items->n + 1, sizeof *items->items,
                                   "trigrams", r->err))) {
        return;
    }
    // the run knows the gain of its first pair
    const double gain = pair && pair->id != 0 ? row->mean_gap * row->places : row->gain;
    items->items[items->n++] =
        (struct item){row->id, {gain, row->mean_gap, row->p, row->count, row->interaction}};
}

static int descending(const void *a, const void *b, void *order)
{
    const struct item *x = a, *y = b;
    const double p = x->keys[*(size_t *)order], q = y->keys[*(size_t *)order];
    if (isnan(p) != isnan(q)) {
        return isnan(p) ? 1 : -1;
    }
    return p > q ? -1 : p < q ? 1 : x->id < y->id ? -1 : x->id > y->id;
}

static void read_items(struct trigram_list *l, struct items *items, struct reader *r,
                       const struct trigram_options *o)
{
    const struct pair *pair = l->pairs.chosen;
    const int64_t args[] = {pair ? pair->id : -1, l->model};
    sqlite3_stmt *stmt = reader_query(r, SQL_ROWS, args);
    while (reader_step(r, stmt)) {
        struct row row = {0};
        if (!row_read(&row, &kind, r, stmt)) {
            l->n_all++;
            l->n_beating += beats(l, &row, trigram_docs_least(&l->run));
            if (passes(l, o, &row)) {
                add_item(items, r, &row, pair);
            }
        }
        row_free(&row, &kind);
    }
    sqlite3_finalize(stmt);
}

int trigrams_any(struct reader *r)
{
    struct trigram_run run = {0};
    struct buf words = {0};
    if (trigram_count(r) > 0) {
        return r->rc;
    }
    trigram_run_read(&run, r);
    if (!r->rc && !run.json) {
        reader_fail(r, ERR_NOT_FOUND,
                    "%s: was scanned without trigrams: gapscope count ... -o counts.ngrams "
                    "CORPUS counts them, gapscope scan --trigrams counts.ngrams ... looks where "
                    "models know one",
                    r->path);
    } else if (!r->rc && !reader_take(r, trigram_funnel_words(&words, &run, r->err))) {
        reader_fail(r, ERR_NOT_FOUND,
                    "%s: no trigram was left to look for.  %s  Another --trigram-rule of gapscope "
                    "scan lets more through",
                    r->path, words.data);
    }
    buf_free(&words);
    trigram_run_free(&run);
    return r->rc;
}

int trigram_list_read(struct trigram_list *l, struct reader *r, const struct trigram_options *o)
{
    struct items items = {0};
    l->model = -1;
    trigram_run_read(&l->run, r);
    run_state_read(&l->state, r);
    pairs_read_any(&l->pairs, r, o->pair);
    l->every = o->all || !l->pairs.chosen;
    find_order(l, r, o->sort);
    check_verdict(r, o->verdict);
    if (o->model) {
        reader_find(r, "model", o->model, &l->model);
    }
    read_items(l, &items, r, o);
    l->ids = reader_new(r, items.n, sizeof *l->ids);
    if (!r->rc && items.n > 0) {
        qsort_r(items.items, items.n, sizeof *items.items, descending, &l->order);
        for (; l->n < items.n; l->n++) {
            l->ids[l->n] = items.items[l->n].id;
        }
    }
    free(items.items);
    return r->rc;
}

void trigram_list_free(struct trigram_list *l)
{
    trigram_run_free(&l->run);
    run_state_free(&l->state);
    pairs_free(&l->pairs);
    free(l->ids);
    *l = (struct trigram_list){0};
}
