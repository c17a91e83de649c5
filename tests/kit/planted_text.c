#include "tests/kit/planted_text.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>

/* Ids: BOS, As, Bs and Cs of trigrams, those of the additive items, other common ones, ids that
 * bigrams and skip-bigrams have for themselves, and rare ones up to the end. */
enum {
    A = 1,
    B = 4,
    C = 7,
    ADDED_A = 10,
    ADDED_B = 12,
    COMMON = 14,
    SET = 54, // never noise
    ADDED_C = 54,
    BIGRAM_B = 56,
    BIGRAM_C = 58,
    SKIP_A = 60,
    SKIP_C = 62,
    RARE = 64,
};

#define FEW_TIMES 20u     // each
#define ADDED_TIMES 60u   // A y C, and x B C, of any y, x
#define PHRASES_MAX 2000u // all that are planted
#define NOISE UINT32_MAX  // in a phrase

struct maker {
    struct planted_text *text;
    uint64_t seed;
    size_t n;
    uint32_t phrases[PHRASES_MAX][3];
};

static uint32_t next(struct maker *m, uint32_t below)
{
    m->seed = m->seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)((m->seed >> 33) % below);
}

static void must(bool holds)
{
    if (!holds) {
        abort();
    }
}

// --- what is planted ----------------------------------------------------------------------------

static void set_items(struct planted_item *at)
{
    for (uint32_t i = 0; i < 2; i++) {
        at[i] = (struct planted_item){PLANTED_BIGRAM, PLANTED_ANY, BIGRAM_B + i, BIGRAM_C + i};
        at[2 + i] = (struct planted_item){PLANTED_SKIP, SKIP_A + i, PLANTED_ANY, SKIP_C + i};
        at[4 + i] = (struct planted_item){PLANTED_ADDED, ADDED_A + i, ADDED_B + i, ADDED_C + i};
    }
    at += 6;
    for (uint32_t i = 0; i < 9; i++) {
        const uint32_t a = i / 3, b = i % 3;
        if (a != b) {
            *at++ = (struct planted_item){PLANTED_TRIGRAM, A + a, B + b, C + (a + b) % 3};
        }
    }
    for (uint32_t i = 0; i < 2; i++) {
        *at++ = (struct planted_item){PLANTED_RARE, A + i, B + i, C + (i + i) % 3};
    }
}

/* 'times' of a phrase that ends in c, and a sixth as often without it. */
static void plant(struct maker *m, uint32_t times, uint32_t a, uint32_t b, uint32_t c)
{
    for (uint32_t i = 0; i < times + times / 6; i++) {
        must(m->n < PHRASES_MAX);
        uint32_t *phrase = m->phrases[m->n++];
        phrase[0] = a;
        phrase[1] = b;
        phrase[2] = i < times ? c : NOISE;
    }
}

static void plant_item(struct maker *m, const struct planted_item *item)
{
    const uint32_t few = COMMON + 4 * (item->c % 8);
    switch (item->kind) {
    case PLANTED_BIGRAM:
    case PLANTED_SKIP:
        for (uint32_t i = 0; i < PLANTED_FEW; i++) {
            plant(m, FEW_TIMES, item->kind == PLANTED_BIGRAM ? few + i : item->a,
                  item->kind == PLANTED_BIGRAM ? item->b : few + i, item->c);
        }
        break;
    case PLANTED_ADDED:
        plant(m, PLANTED_TIMES, item->a, item->b, item->c);
        plant(m, ADDED_TIMES, item->a, NOISE, item->c);
        plant(m, ADDED_TIMES, NOISE, item->b, item->c);
        break;
    case PLANTED_TRIGRAM:
        plant(m, PLANTED_TIMES, item->a, item->b, item->c);
        break;
    default:
        plant(m, PLANTED_RARE_TIMES, item->a, item->b, item->c);
    }
}

static void shuffle(struct maker *m)
{
    for (size_t i = m->n; i > 1; i--) {
        const size_t k = next(m, (uint32_t)i);
        for (size_t j = 0; j < 3; j++) {
            const uint32_t old = m->phrases[i - 1][j];
            m->phrases[i - 1][j] = m->phrases[k][j];
            m->phrases[k][j] = old;
        }
    }
}

// --- documents ----------------------------------------------------------------------------------

/* Is (a, b) what an item begins with? */
static bool is_begun(const struct maker *m, uint32_t a, uint32_t b)
{
    bool is = false;
    for (size_t i = 0; i < PLANTED_ITEMS; i++) {
        const struct planted_item *item = &m->text->items[i];
        is |= item->a == a && item->b == b;
    }
    return is;
}

/* A token of noise: of 100, 27 of a trigram's, 12 of the additive ones', 40 common, 21 rare. */
static uint32_t noise(struct maker *m)
{
    const uint32_t r = next(m, 100);
    return r < 27   ? A + r % 9
           : r < 39 ? ADDED_A + r % 4
           : r < 79 ? COMMON + next(m, SET - COMMON)
                    : RARE + next(m, PLANTED_VOCAB - RARE);
}

/* One that begins nothing behind 'before', nor before 'after' (NOISE: it is not known). */
static uint32_t noise_between(struct maker *m, uint32_t before, uint32_t after)
{
    uint32_t id = noise(m);
    while (is_begun(m, before, id) || is_begun(m, id, after)) {
        id = noise(m);
    }
    return id;
}

static void add_phrase(struct maker *m, struct planted_doc *d, const uint32_t *phrase)
{
    for (size_t i = 0; i < 3; i++) {
        const uint32_t before = d->n ? d->ids[d->n - 1] : PLANTED_BOS;
        const uint32_t after = i < 2 ? phrase[i + 1] : NOISE;
        d->ids[d->n++] = phrase[i] == NOISE ? noise_between(m, before, after) : phrase[i];
    }
}

static void add_noise(struct maker *m, struct planted_doc *d, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const uint32_t before = d->n ? d->ids[d->n - 1] : PLANTED_BOS;
        d->ids[d->n++] = noise_between(m, before, NOISE);
    }
}

/* Phrases [from, to), noise before each and behind the last. */
static void make_doc(struct maker *m, struct planted_doc *d, size_t from, size_t to)
{
    d->ids = malloc((PLANTED_DOC_MAX - 1) * sizeof *d->ids);
    must(d->ids);
    for (size_t i = from; i < to; i++) {
        add_noise(m, d, 40 + next(m, 20));
        add_phrase(m, d, m->phrases[i]);
    }
    add_noise(m, d, next(m, 20));
    must(d->n < PLANTED_DOC_MAX);
}

void planted_text_make(struct planted_text *t, uint64_t seed)
{
    struct maker *m = calloc(1, sizeof *m);
    must(m);
    *t = (struct planted_text){0};
    m->text = t;
    m->seed = seed;
    set_items(t->items);
    for (size_t i = 0; i < PLANTED_ITEMS; i++) {
        plant_item(m, &t->items[i]);
    }
    shuffle(m);
    for (size_t d = 0; d < PLANTED_DOCS; d++) {
        make_doc(m, &t->docs[d], d * m->n / PLANTED_DOCS, (d + 1) * m->n / PLANTED_DOCS);
    }
    free(m);
}

void planted_text_free(struct planted_text *t)
{
    for (size_t d = 0; d < PLANTED_DOCS; d++) {
        free(t->docs[d].ids);
    }
    *t = (struct planted_text){0};
}

const struct planted_item *planted_text_find(const struct planted_text *t, enum planted_kind kind,
                                             uint32_t a, uint32_t b, uint32_t c)
{
    for (size_t i = 0; i < PLANTED_ITEMS; i++) {
        const struct planted_item *item = &t->items[i];
        if (item->kind == kind && (item->a == a || item->a == PLANTED_ANY) &&
            (item->b == b || item->b == PLANTED_ANY) && item->c == c) {
            return item;
        }
    }
    return NULL;
}

void planted_text_write(const struct planted_text *t, FILE *to)
{
    for (size_t d = 0; d < PLANTED_DOCS; d++) {
        fprintf(to, "{\"ids\":[%u", PLANTED_BOS);
        for (size_t i = 0; i < t->docs[d].n; i++) {
            fprintf(to, ",%" PRIu32, t->docs[d].ids[i]);
        }
        fprintf(to, "]}\n");
    }
}
