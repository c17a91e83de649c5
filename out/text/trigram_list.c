#include "out/text/trigrams.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "out/read/real_text.h"
#include "out/text/place.h"

// --- the head ----------------------------------------------------------------------------------

static void put_run(const struct screen *s, const struct trigram_list *l)
{
    if (l->pairs.chosen) {
        put_pair(s, &l->pairs, &l->state);
        return;
    }
    fputs("a run of one model; ", s->to);
    put_state(s->to, &l->state);
    putc('\n', s->to);
}

static int put_funnel(const struct screen *s, const struct trigram_list *l, struct err *err)
{
    struct buf words = {0};
    const int rc = trigram_funnel_words(&words, &l->run, err);
    if (!rc) {
        putc('\n', s->to);
        put_note(s, 0, "%s",
                 *words.data ? words.data : "how many trigrams the counts have is not known");
    }
    buf_free(&words);
    return rc;
}

/* How many pass the test of this corpus, and how many were tested with minimal pairs. */
static int put_beating(const struct screen *s, const struct trigram_list *l, struct err *err)
{
    const struct pair *pair = l->pairs.chosen;
    struct buf words = {0};
    char docs[64] = "";
    if (l->run.docs >= 0) {
        snprintf(docs, sizeof docs, ", in %" PRId64 " or more documents", l->run.docs);
    }
    if (pair) {
        put_note(s, 0,
                 "In this corpus %s beat%s %s on %" PRIu64 " of %" PRIu64
                 " of them: by %g nats or more on average%s.",
                 pair->name + strlen(pair->base) + 1, strchr(pair->name, '+') ? "" : "s",
                 pair->base, l->n_beating, l->n_all, trigram_gap_least(&l->run), docs);
    }
    const int rc = trigram_tested_words(&words, &l->run, err);
    if (!rc) {
        put_note(s, 0, "%s", words.data);
    }
    buf_free(&words);
    return rc;
}

/* What the numbers of the list mean. */
static void put_legend(const struct screen *s, const struct trigram_list *l)
{
    const bool gaps = l->pairs.chosen != NULL;
    char order[64] = "Ranked by what counting wins with both tokens";
    char least[224] = "";
    if (gaps || l->order >= TRIGRAM_ORDERS_OF_PAIRS) {
        snprintf(order, sizeof order, "Ranked by %s", trigram_orders[l->order]);
    }
    put_note(
        s, 0,
        "%s, greatest first. P: probabilities by the counts, the greatest one for skip-bigrams; "
        "counted: how often A B C stands in the counts, and how often A B does; ln P(C) in nats%s.",
        order, gaps ? ", its gap +- standard error; gain: places x gap" : "");
    if (!isnan(l->run.interaction) && !isnan(l->run.sure)) {
        snprintf(least, sizeof least,
                 " An interaction below %g nats, or below %g standard errors, counts as none. One "
                 "as far below 0 is negative; fewer than three places are too few.",
                 l->run.interaction, l->run.sure);
    }
    if (l->run.n_tested > 0) {
        put_note(s, 0,
                 "Verdicts come from minimal pairs, in which A, B or both are replaced by other "
                 "tokens.%s",
                 least);
    }
}

// --- one of them -------------------------------------------------------------------------------

/* The greatest of the skip-bigrams' probabilities; NaN: none is known. */
static double best_skip(const struct trigram_row *row, const char **distance)
{
    static const char *const distances[] = {"2", "3-4", "5-8", "9-16"};
    double best = NAN;
    for (int i = 0; i < TRIGRAM_PAGE_SKIPS; i++) {
        if (!isnan(row->p_skip[i]) && !(row->p_skip[i] <= best)) {
            best = row->p_skip[i];
            *distance = distances[i];
        }
    }
    return best;
}

/* "0.919", or "-" for NaN and for what no probability can be. */
static const char *probability(double p, char text[16])
{
    if (!(fabs(p) < 1e6)) {
        return "-";
    }
    snprintf(text, 16, "%.3f", p);
    return text;
}

static void put_counts(const struct screen *s, const struct trigram_row *row)
{
    const char *distance = "at a distance";
    const double skip = best_skip(row, &distance);
    char p[4][16];
    put_note(s, 6,
             "P(C | A, B) %s; P(C | B) %s; A %s before %s; both added %s; %" PRIu64 " of %" PRIu64
             " counted",
             probability(row->p, p[0]), probability(row->p_bigram, p[1]), distance,
             probability(skip, p[2]), probability(row->p_added, p[3]), count_of(row->counts[0]),
             count_of(row->counts[1]));
}

/* What the models make of it where it stands. */
static void put_places(const struct screen *s, const struct trigram_page *p, int64_t pair)
{
    const uint64_t n = count_of(p->trigram.n), docs = count_of(p->trigram.docs);
    const struct trigram_pair_gap *g = trigram_gap_of(p, pair);
    char gap[64] = "", spread[64] = "", gain[64] = "", se[REAL_TEXT];
    if (n == 0) {
        put_note(s, 6, "does not stand in this corpus");
        return;
    }
    if (g && fabs(g->mean_gap) < 1e6) {
        snprintf(gap, sizeof gap, "; gap %+.3f", g->mean_gap);
        snprintf(gain, sizeof gain, ", gain %+.1f", g->mean_gap * (double)n);
    }
    if (*gap) {
        snprintf(spread, sizeof spread, " +- %s", real_text(se, g->se, 3, false));
    }
    put_note(s, 6, "%" PRIu64 " place%s in %" PRIu64 " document%s%s; mean ln P(C): %s%s%s%s", n,
             n == 1 ? "" : "s", docs, docs == 1 ? "" : "s", trigram_few(docs),
             p->mean_list.null ? "-" : p->mean_list.data, gap, spread, gain);
}

/* One place of it. */
static int put_example(const struct screen *s, struct places *places, const struct trigram_page *p,
                       struct err *err)
{
    const struct trigram_example *e = p->n_examples > 0 ? &p->examples[0] : NULL;
    if (!e || strcmp(e->kind.data, "place") != 0) {
        return 0;
    }
    const int used =
        fprintf(s->to, "      %" PRIu64 ":%" PRIu64 ":%" PRIu64 "  ", count_of(e->place.shard),
                count_of(e->place.doc), count_of(e->place.byte_start));
    return put_place_text(places, &e->place, (size_t)used, err);
}

int put_trigrams(const struct screen *s, const struct trigram_list *l,
                 const struct trigram_page *pages, size_t n, struct err *err)
{
    struct places places = {.screen = s};
    put_run(s, l);
    int rc = put_funnel(s, l, err);
    rc = rc ? rc : put_beating(s, l, err);
    putc('\n', s->to);
    put_legend(s, l);
    for (size_t i = 0; i < n && !rc; i++) {
        fprintf(s->to, "\n%4zu  ", i + 1);
        put_trigram_title(s, &pages[i].trigram);
        put_counts(s, &pages[i].trigram);
        put_places(s, &pages[i], l->pairs.chosen ? l->pairs.chosen->id : -1);
        put_verdicts(s, 6, &pages[i], l->model);
        rc = put_example(s, &places, &pages[i], err);
    }
    putc('\n', s->to);
    put_shards(&places);
    places_free(&places);
    if (l->n == 0) {
        fputs("  nothing to list\n", s->to);
    }
    put_note(s, 2, "%zu of %" PRIu64 " trigrams%s%s", n, l->n_all,
             l->every ? "" : ": those that beat the base",
             l->every              ? ""
             : l->run.n_tested > 0 ? " and were tested (--all: the others too)"
                                   : " (--all: the others too)");
    return rc;
}
