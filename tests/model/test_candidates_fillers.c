/*
 * The fillers of candidates are near in count and do not predict C.
 */
#include "tests/kit/candidates_kit.h"

/* One trigram, and n tokens as frequent as its A, with ids around A's.  All or none of them also
 * come before B C.  16 rarer tokens have the next ids, and as many ids after them never occur. */
#define CROWD_TIMES 20u // how often the trigram occurs
#define CROWD_RARER 16u
#define CROWD_DOCS (3 * 1024 + 2 * CROWD_TIMES + CROWD_RARER) // of 1024 tokens
enum { CROWD_B = 1, CROWD_C, CROWD_D, CROWD_FIRST };

struct crowd {
    uint32_t n, a;
    struct ref_corpus corpus;
    struct planted_doc docs[CROWD_DOCS];
    uint32_t ids[CROWD_DOCS][2 * CROWD_TIMES];
};

static void add_crowd(struct crowd *w, size_t times, size_t n, const uint32_t *ids)
{
    for (size_t i = 0; i < times; i++) {
        struct planted_doc *d = &w->docs[w->corpus.n_docs];
        *d = (struct planted_doc){.n = n, .ids = w->ids[w->corpus.n_docs++]};
        memcpy(d->ids, ids, n * sizeof *ids);
    }
}

static void make_crowd(struct crowd *w, uint32_t n, bool says_it)
{
    const uint32_t a = CROWD_FIRST + n / 2, end = CROWD_FIRST + n + 1;
    w->n = n;
    w->a = a;
    w->corpus = (struct ref_corpus){.d_vocab = end + 2 * CROWD_RARER, .docs = w->docs};
    add_crowd(w, CROWD_TIMES, 3, (const uint32_t[]){a, CROWD_B, CROWD_C});
    add_crowd(w, CROWD_TIMES, 3, (const uint32_t[]){a, CROWD_D, CROWD_D});
    add_crowd(w, n, 2, (const uint32_t[]){CROWD_B, CROWD_D});
    for (uint32_t id = CROWD_FIRST; id < end + CROWD_RARER; id++) {
        uint32_t alone[2 * CROWD_TIMES];
        for (size_t i = 0; i < 2 * CROWD_TIMES; i++) {
            alone[i] = id;
        }
        if (id < end && id != a) {
            add_crowd(w, says_it, 3, (const uint32_t[]){id, CROWD_B, CROWD_C});
            add_crowd(w, 1, 2 * CROWD_TIMES - says_it, alone);
        } else if (id >= end) {
            add_crowd(w, 1, CROWD_TIMES, alone);
        }
    }
}

struct neighbour {
    uint32_t id;
    double count, ratio;
    size_t apart; // distance in places
    bool above;
};

static int by_place(const void *a, const void *b)
{
    const struct neighbour *x = a, *y = b;
    return x->count != y->count ? (x->count > y->count ? 1 : -1) : x->id > y->id ? 1 : -1;
}

static int by_distance(const void *a, const void *b)
{
    const struct neighbour *x = a, *y = b;
    return x->ratio != y->ratio   ? (x->ratio > y->ratio ? 1 : -1)
           : x->above != y->above ? (x->above ? 1 : -1)
                                  : (x->apart > y->apart) - (x->apart < y->apart);
}

/* Lists the tokens that may be fillers, nearest first. */
static size_t list_neighbours(const struct candidates_ref *s, const struct candidate *c,
                              uint32_t id, struct neighbour *list)
{
    size_t n = 0, own = 0;
    for (uint32_t x = 0; x < s->v; x++) {
        if (x == id || (s->words[x] > 0 && x != kit_bos && x != c->a && x != c->b && x != c->c)) {
            list[n++] = (struct neighbour){.id = x, .count = s->words[x]};
        }
    }
    qsort(list, n, sizeof *list, by_place);
    while (list[own].id != id) {
        own++;
    }
    for (size_t i = 0; i < n; i++) {
        const double x = list[i].count, y = s->words[id];
        list[i].ratio = x > y ? x / y : y / x;
        list[i].above = i > own;
        list[i].apart = i > own ? i - own : own - i;
    }
    list[own] = list[--n];
    qsort(list, n, sizeof *list, by_distance);
    return n;
}

static bool slow_has(const struct candidates_ref *s, uint32_t a, uint32_t b, uint32_t c)
{
    for (size_t i = 0; i < s->n_trigrams; i++) {
        const struct ref_trigram *t = &s->trigrams[i];
        if (t->a == a && t->b == b && t->c == c) {
            return true;
        }
    }
    return false;
}

/* Checks that each filler is one of the nearest 64, 128, ... that qualify, and that there are as
 * many as there can be.  Returns how many are among the 8 nearest of all. */
static size_t expect_fillers(const struct candidates_ref *s, const struct candidate *c,
                             unsigned which)
{
    static struct neighbour list[PLANTED_VOCAB];
    const size_t n = list_neighbours(s, c, which ? c->b : c->a, list);
    size_t qualified = 0, taken = 0, nearest = 0;
    for (size_t i = 0, most = 64; i < n && i < most; i++) {
        const uint32_t x = list[i].id;
        const bool is = !slow_has(s, which ? c->a : x, which ? x : c->b, c->c);
        qualified += is;
        for (uint32_t k = 0; k < c->n_fillers[which]; k++) {
            taken += c->fillers[which][k] == x && is;
            nearest += c->fillers[which][k] == x && i < CANDIDATE_FILLERS;
        }
        if (i + 1 == most && qualified < CANDIDATE_FILLERS) {
            most *= 2;
        }
    }
    assert_int_equal(taken, c->n_fillers[which]);
    assert_int_equal(taken, qualified < CANDIDATE_FILLERS ? qualified : CANDIDATE_FILLERS);
    return nearest;
}

static size_t in_both(const struct candidate *c)
{
    size_t n = 0;
    for (uint32_t i = 0; i < c->n_fillers[0]; i++) {
        for (uint32_t k = 0; k < c->n_fillers[1]; k++) {
            n += c->fillers[0][i] == c->fillers[1][k];
        }
    }
    return n;
}

/* Eight of 64 are drawn: about one is among the eight nearest, and about one is a filler for both A
 * and B, if all 64 are near both. */
static void fillers_are_near_and_do_not_say_it(void **state)
{
    (void)state;
    const char *const names[] = {"planted", "xor"};
    const struct ref_corpus *const corpora[] = {&kit_planted_corpus, &kit_xor_corpus};
    const struct candidates_rule rules[] = {kit_wide, kit_xor_rule};
    for (size_t i = 0; i < 2; i++) {
        struct ngrams *n = kit_open(names[i]);
        struct candidates_ref s;
        candidates_ref_count(&s, corpora[i]);
        struct candidates c = kit_find(n, &rules[i]);
        size_t nearest = 0, both = 0;
        for (size_t k = 0; k < c.n; k++) {
            nearest += expect_fillers(&s, &c.items[k], 0) + expect_fillers(&s, &c.items[k], 1);
            both += in_both(&c.items[k]);
        }

        assert_true(i == 1 || (nearest > 0 && nearest < 2 * 2 * c.n && both < c.n));
        candidates_free(&c);
        candidates_ref_free(&s);
        ngrams_close(n);
    }
}

static void fillers_are_looked_for_farther_away(void **state)
{
    (void)state;
    const struct candidates_rule rule = {.count = CROWD_TIMES, .high = 0.8, .low = 0.7, .most = 9};
    const struct {
        uint32_t n;
        bool says_it;
        uint32_t fillers;
    } cases[] = {
        {100, true, 8}, {100, false, 8}, {1016, true, 8}, {1020, true, 4}, {1024, true, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct crowd *w = calloc(1, sizeof *w);
        struct candidates_ref s;
        make_crowd(w, cases[i].n, cases[i].says_it);
        kit_make_file(&w->corpus, 0, 1, 1, "crowd");
        struct ngrams *n = kit_open("crowd");
        struct candidates c = kit_find(n, &rule);
        assert_int_equal(c.n, 1);
        assert_int_equal(c.items[0].a, w->a);
        assert_int_equal(c.items[0].n_fillers[0], cases[i].fillers);
        if (w->n == 100) {
            candidates_ref_count(&s, &w->corpus);
            expect_fillers(&s, &c.items[0], 0);
            expect_fillers(&s, &c.items[0], 1);
            candidates_ref_free(&s);
        }
        candidates_free(&c);
        ngrams_close(n);
        free(w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fillers_are_near_and_do_not_say_it),
        cmocka_unit_test(fillers_are_looked_for_farther_away),
    };
    return cmocka_run_group_tests(tests, kit_make_files, kit_remove_files);
}
