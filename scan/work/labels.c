#include "scan/work/labels.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "corpora/base/bits.h"
#include "corpora/base/mem.h"
#include "miners/labeller.h"

// Where a hypothesis' sets stand: unit_labels.
#define SET_LABELLED(h) (1 + 2 * (h))
#define SET_LEFT_OUT(h) (2 + 2 * (h))

/* A set's tokens, growing. */
struct grown {
    uint32_t *at; // [n]
    size_t n, cap;
};

struct labels {
    struct labeller *labeller;
    const struct hypotheses *hypotheses;
    const atomic_int *stop;
    size_t n; // hypotheses
    size_t n_words;
    const struct layout *layout;
    uint64_t *words, *gave_up;
    size_t words_cap, gave_up_cap;
    struct grown *sets;           // [1 + 2 * n], as neurons.h counts them
    struct unit_token_set *views; // [1 + 2 * n] of them
    uint32_t *begin; // [n_docs + 1][n] of labelled sets: where in them a document's tokens begin
    size_t begin_cap;
    uint8_t *label;                  // of a document
    uint32_t *answer, *window_begin; // of its tokens
    size_t label_cap, answer_cap, window_begin_cap;
    bool windows;                  // a hypothesis looks at them
    struct grown *answers;         // [n] of those that answer themselves
    const uint32_t **answer_views; // [n] of them, or NULL
    struct unit_labels unit;       // what the layout's labels are
};

int labels_new(struct labels **out, const struct hypotheses *hypotheses, const atomic_int *stop,
               struct err *err)
{
    struct labels *l = mem_zero(1, sizeof *l);
    if (!l) {
        return err_nomem(err, "labels");
    }
    l->n = hypotheses->n;
    l->n_words = bits_words(l->n);
    l->sets = mem_zero(1 + 2 * l->n, sizeof *l->sets);
    l->views = mem_zero(1 + 2 * l->n, sizeof *l->views);
    l->answers = mem_zero(l->n, sizeof *l->answers);
    l->answer_views = mem_zero(l->n, sizeof *l->answer_views);
    const bool whole = l->sets && l->views && l->answers && l->answer_views;
    int rc = whole ? 0 : err_nomem(err, "labels");
    rc = rc ? rc : labeller_new(&l->labeller, hypotheses, err);
    if (rc) {
        labels_free(l);
        return rc;
    }
    l->stop = stop;
    l->hypotheses = hypotheses;
    for (size_t h = 0; h < l->n; h++) {
        l->windows = l->windows || hypotheses->items[h].windows;
    }
    labeller_watch(l->labeller, stop);
    *out = l;
    return 0;
}

void labels_free(struct labels *l)
{
    if (!l) {
        return;
    }
    for (size_t set = 0; l->sets && set < 1 + 2 * l->n; set++) {
        free(l->sets[set].at);
    }
    for (size_t h = 0; l->answers && h < l->n; h++) {
        free(l->answers[h].at);
    }
    labeller_free(l->labeller);
    free(l->answers);
    free(l->answer_views);
    free(l->answer);
    free(l->window_begin);
    free(l->words);
    free(l->gave_up);
    free(l->sets);
    free(l->views);
    free(l->begin);
    free(l->label);
    free(l);
}

static int reserve(struct labels *l, const struct layout *layout, struct err *err)
{
    static const char what[] = "a unit's labels";
    size_t most = 0; // tokens of a document
    for (size_t d = 0; d < layout->n_docs; d++) {
        most = layout->docs[d].n > most ? layout->docs[d].n : most;
    }
    int rc =
        mem_reserve(&l->words, &l->words_cap, layout->n * l->n_words, sizeof *l->words, what, err);
    rc = rc ? rc
            : mem_reserve(&l->gave_up, &l->gave_up_cap, layout->n_docs * l->n_words,
                          sizeof *l->gave_up, what, err);
    rc = rc ? rc
            : mem_reserve(&l->begin, &l->begin_cap, (layout->n_docs + 1) * l->n, sizeof *l->begin,
                          what, err);
    rc = rc ? rc : mem_reserve(&l->answer, &l->answer_cap, most, sizeof *l->answer, what, err);
    rc = rc ? rc
            : mem_reserve(&l->window_begin, &l->window_begin_cap, most, sizeof *l->window_begin,
                          what, err);
    return rc ? rc : mem_reserve(&l->label, &l->label_cap, most, 1, what, err);
}

/* Adds those of tokens [begin, begin + n) of which label (NULL: all) says so. */
static int add(struct grown *set, size_t begin, size_t n, const uint8_t *label, struct err *err)
{
    const int rc =
        mem_reserve(&set->at, &set->cap, set->n + n, sizeof *set->at, "a unit's labels", err);
    for (size_t i = 0; i < n && !rc; i++) {
        set->at[set->n] = (uint32_t)(begin + i);
        set->n += label ? label[i] : 1;
    }
    return rc;
}

/* The first token of the document in each token's window. */
static void find_windows(struct labels *l, const struct layout_doc *doc)
{
    const uint32_t *pos = l->layout->pos + doc->begin;
    for (uint32_t i = 0; i < doc->n; i++) {
        l->window_begin[i] = pos[i] <= i ? i + 1 - pos[i] : 0;
    }
}

/* Keeps what is said to follow the labelled ones of its n tokens. */
static int keep_answers(struct labels *l, struct grown *to, size_t n, struct err *err)
{
    const int rc =
        mem_reserve(&to->at, &to->cap, to->n + n, sizeof *to->at, "a unit's labels", err);
    for (size_t i = 0; i < n && !rc; i++) {
        to->at[to->n] = l->answer[i];
        to->n += l->label[i];
    }
    return rc;
}

/* What hypothesis h says of document d. */
static int label_doc(struct labels *l, size_t h, size_t d, struct err *err)
{
    const struct layout *layout = l->layout;
    const struct layout_doc *doc = &layout->docs[d];
    const bool text = layout->text.len > 0 || doc->text_len > 0;
    const struct tokens tokens = {.ids = layout->ids + doc->begin,
                                  .ends = text ? layout->ends + doc->begin : NULL,
                                  .n = doc->n,
                                  .text = text ? layout->text.data + doc->text : NULL,
                                  .text_len = doc->text_len,
                                  .window_begin = l->windows ? l->window_begin : NULL};
    const bool answers = l->hypotheses->items[h].answers_itself;
    enum miner_verdict verdict;
    int rc = answers ? labeller_answer(l->labeller, h, &tokens, l->label, l->answer, &verdict, err)
                     : labeller_run(l->labeller, h, &tokens, l->label, &verdict, err);
    if (rc) {
        return err_prefix(err, "document %" PRIu64, doc->doc->number);
    }
    if (verdict == MINER_GAVE_UP) {
        bits_set(l->gave_up + d * l->n_words, h);
        return add(&l->sets[SET_LEFT_OUT(h)], doc->begin, doc->n, NULL, err);
    }
    for (size_t i = 0; layout->skipped && i < doc->n; i++) {
        l->label[i] = layout->skipped[doc->begin + i] ? 0 : l->label[i];
    }
    struct grown *set = &l->sets[SET_LABELLED(h)];
    const size_t before = set->n;
    rc = add(set, doc->begin, doc->n, l->label, err);
    rc = rc || !answers ? rc : keep_answers(l, &l->answers[h], doc->n, err);
    for (size_t k = before; k < set->n && !rc; k++) {
        bits_set(l->words + set->at[k] * l->n_words, h);
    }
    return rc;
}

int labels_make(struct labels *l, const struct layout *layout, struct err *err)
{
    int rc = reserve(l, layout, err);
    if (rc) {
        return rc;
    }
    l->layout = layout;
    if (layout->n > 0) { // else there may be no block
        memset(l->words, 0, layout->n * l->n_words * sizeof *l->words);
    }
    if (layout->n_docs > 0) {
        memset(l->gave_up, 0, layout->n_docs * l->n_words * sizeof *l->gave_up);
    }
    for (size_t set = 0; set < 1 + 2 * l->n; set++) {
        l->sets[set].n = 0;
    }
    for (size_t h = 0; h < l->n; h++) {
        l->answers[h].n = 0;
    }
    for (size_t d = 0; d <= layout->n_docs && !rc; d++) {
        if (l->windows && d < layout->n_docs) {
            find_windows(l, &layout->docs[d]);
        }
        for (size_t h = 0; h < l->n && !rc && !is_stopped(l->stop); h++) {
            l->begin[d * l->n + h] = (uint32_t)l->sets[SET_LABELLED(h)].n;
            rc = d < layout->n_docs ? label_doc(l, h, d, err) : 0;
        }
    }
    for (size_t set = 0; set < 1 + 2 * l->n; set++) {
        l->views[set] = (struct unit_token_set){.at = l->sets[set].at, .n = l->sets[set].n};
    }
    for (size_t h = 0; h < l->n; h++) {
        l->answer_views[h] = l->hypotheses->items[h].answers_itself ? l->answers[h].at : NULL;
    }
    l->unit = (struct unit_labels){.n_hypotheses = l->n,
                                   .sets = l->views,
                                   .words = l->words,
                                   .gave_up = l->gave_up,
                                   .begin = l->begin,
                                   .answers = l->answer_views};
    return rc;
}

const struct unit_labels *labels_of_unit(const struct labels *l)
{
    return &l->unit;
}
