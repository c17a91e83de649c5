/*
 * code_induction.c - what followed a token earlier in its window
 *
 * All places are in one window; x is the token, its followers are the tokens behind its earlier
 * places; the latest of them is the answer but where it says otherwise.
 *
 * induction               x stood earlier
 * induction_right         ... and the answer follows now
 * induction_wrong         ... and another token follows
 * induction_rare_*        ... where x stood earlier 1 to 4 times, each time behind the token that is
 *                         before it now
 * ambiguous_*             x stood earlier at least twice and has two different followers or more:
 *   _latest               the latest of them follows now; the answer is the most frequent other, of
 *                         equal ones the latest
 *   _earlier              another of them follows
 *   _neither              a token that is none of them follows
 * ambiguous_rare_*        ... with 2 to 4 earlier places, each behind the token before x
 *
 * Only ids are compared.  Where something follows now, it follows in the window.  All but induction
 * depend on one later token.
 */
#include "miners/code/code_list.h"

#include "miners/code/code_earlier.h"

/* What is known at a token, of its earlier places in its window. */
struct place {
    uint32_t n;      // how many
    uint32_t latest; // EARLIER_NONE: there is none
    uint32_t pairs;  // at how many of them the token before is the one that is before it now
    // The most frequent follower, and the most frequent of the others, as their latest places;
    // of equal ones the one whose latest place is the latest
    uint32_t best, second;
};

static uint32_t count(const struct place *places, uint32_t follower)
{
    return places[follower].pairs + 1; // the pair that ends there, itself and before
}

/* Adds the follower that stands at 'at', its latest place. */
static void add_follower(struct place *p, const struct place *places, const uint32_t *ids,
                         uint32_t at)
{
    // Its count only grows, so it is the only one that can rise
    if (p->best == EARLIER_NONE || ids[p->best] == ids[at]) {
        p->best = at;
    } else if (count(places, at) >= count(places, p->best)) {
        p->second = p->best;
        p->best = at;
    } else if (p->second == EARLIER_NONE || ids[p->second] == ids[at] ||
               count(places, at) >= count(places, p->second)) {
        p->second = at;
    }
}

/* (*out)[doc->n].  Errors: ERR_NOMEM. */
static int find_places(struct place **out, const struct tokens *doc, struct code_scratch *s,
                       struct err *err)
{
    s->b.len = s->c.len = 0;
    int rc = buf_reserve(&s->b, 2 * doc->n * sizeof(uint32_t), err);
    rc = rc ? rc : buf_reserve(&s->c, doc->n * sizeof(struct place), err);
    if (rc || doc->n == 0) {
        return rc;
    }
    uint32_t *single = (void *)s->b.data, *pair = single + doc->n;
    struct place *places = (void *)s->c.data;
    rc = earlier_places(single, doc, 1, &s->a, err);
    rc = rc ? rc : earlier_places(pair, doc, 2, &s->a, err);
    for (size_t i = 0; i < doc->n && !rc; i++) {
        struct place *p = &places[i];
        const uint32_t before = earlier_in_window(single, doc, i, 1);
        const uint32_t both =
            i > tokens_window(doc, i) ? earlier_in_window(pair, doc, i, 2) : EARLIER_NONE;
        *p = before == EARLIER_NONE ? (struct place){.best = EARLIER_NONE, .second = EARLIER_NONE}
                                    : places[before];
        p->latest = before;
        p->pairs = both == EARLIER_NONE ? 0 : places[both].pairs + 1;
        if (before != EARLIER_NONE) {
            p->n++;
            // The follower may be this very token, whose pairs are known by now
            add_follower(p, places, doc->ids, before + 1);
        }
    }
    *out = places;
    return rc;
}

enum which { ANY, RIGHT, WRONG };

static int mark_induction(const struct tokens *doc, uint8_t *label, uint32_t *answer,
                          struct code_scratch *s, struct err *err, enum which which, bool rare)
{
    struct place *places = NULL;
    const int rc = find_places(&places, doc, s, err);
    for (size_t i = 0; i < doc->n && !rc; i++) {
        const struct place *p = &places[i];
        if (p->n == 0 || (rare && (p->n > 4 || p->pairs != p->n))) {
            continue;
        }
        const uint32_t follower = doc->ids[p->latest + 1];
        if (which == ANY ||
            (tokens_has_next(doc, i) && (doc->ids[i + 1] == follower) == (which == RIGHT))) {
            label[i] = 1;
            if (answer) {
                answer[i] = follower;
            }
        }
    }
    return rc;
}

enum follows { LATEST, EARLIER, NEITHER };

/* Which of x's followers the next token is. */
static enum follows follows_now(const struct tokens *doc, const struct place *places, size_t i)
{
    return doc->ids[i + 1] == doc->ids[places[i].latest + 1] ? LATEST
           : places[i + 1].pairs > 0                         ? EARLIER
                                                             : NEITHER;
}

static int mark_ambiguous(const struct tokens *doc, uint8_t *label, uint32_t *answer,
                          struct code_scratch *s, struct err *err, enum follows which, bool rare)
{
    struct place *places = NULL;
    const int rc = find_places(&places, doc, s, err);
    for (size_t i = 0; i < doc->n && !rc; i++) {
        const struct place *p = &places[i];
        if (p->n < 2 || p->second == EARLIER_NONE || (rare && (p->n > 4 || p->pairs != p->n)) ||
            !tokens_has_next(doc, i) || follows_now(doc, places, i) != which) {
            continue;
        }
        const uint32_t latest = doc->ids[p->latest + 1], best = doc->ids[p->best];
        label[i] = 1;
        if (answer) {
            answer[i] = which != LATEST ? latest : best != latest ? best : doc->ids[p->second];
        }
    }
    return rc;
}

#define INDUCTION(name, which, rare)                                                               \
    CODE_ANSWER(name, mark_induction(doc, label, answer, s, err, which, rare))
#define AMBIGUOUS(name, which, rare)                                                               \
    CODE_ANSWER(name, mark_ambiguous(doc, label, answer, s, err, which, rare))

INDUCTION(induction, ANY, false)
INDUCTION(induction_right, RIGHT, false)
INDUCTION(induction_wrong, WRONG, false)
INDUCTION(induction_rare_right, RIGHT, true)
INDUCTION(induction_rare_wrong, WRONG, true)
AMBIGUOUS(ambiguous_latest, LATEST, false)
AMBIGUOUS(ambiguous_earlier, EARLIER, false)
AMBIGUOUS(ambiguous_neither, NEITHER, false)
AMBIGUOUS(ambiguous_rare_latest, LATEST, true)
AMBIGUOUS(ambiguous_rare_earlier, EARLIER, true)
AMBIGUOUS(ambiguous_rare_neither, NEITHER, true)
