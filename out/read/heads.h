/*
 * heads.h - attention heads of a run: a row each, and one head's page
 *
 *     heads_read -> rows_free
 *     head_page_read -> head_page_free
 *
 * The loss without a head is that of its pair changed:whole, of a scan with --ablate heads.
 */
#ifndef GAPSCOPE_OUT_READ_HEADS_H
#define GAPSCOPE_OUT_READ_HEADS_H

#include "out/read/place.h"
#include "out/read/row.h"

/* A row of table head, with its loss. */
struct head_row {
    struct text model, head; // its model's name; "L1H3"
    struct text kind;        // "previous+induction", ...
    struct text ablation;    // what was changed for the loss: "zero.L1H3"; NULL: nothing
    double loss, loss_se;    // nats per token; NaN: the run has no such pair
    int64_t pair;            // its id; WHOLE_NULL: none
    int64_t model_id, layer, idx;
    int64_t n, n_dla, n_repeat, n_beyond;
    double to_bos, to_self, to_previous, to_duplicate, to_induction, entropy, distance, out_norm;
    double dla, dla_se, copying_score, copying_raw;
    double previous_token_score, duplicate_token_score, induction_score, bos_score, self_score;
};
extern const struct row_kind head_row_kind;

/* Whether 'sort' is a word that heads are sorted by; and all of them, for messages. */
#define HEADS_SORTS                                                                                \
    "loss, dla, induction, previous, duplicate, bos, self, copying, to_bos, to_self, "             \
    "to_previous, "                                                                                \
    "to_duplicate, to_induction, entropy, distance, norm"

/*
 * Up to 'most' heads, the greatest of what 'sort' says first; those that have none last.  NULL: by
 * loss, of a run without --ablate heads by dla.  model: its name, or NULL: of all.  rows_free() ends
 * *rows in any case.  Errors: ERR_USAGE (no such word), ERR_NOT_FOUND (the run has no heads, no such
 * model).
 */
int heads_read(struct head_row **rows, size_t *n, struct reader *r, const char *sort,
               const char *model, size_t most);

/* A hypothesis on a head's page. */
struct head_label_row {
    struct text name;
    int64_t n;
    double dla, dla_rest, to_label;
    double loss, loss_se, loss_rest; // the gap of whole over changed where it labels, and elsewhere
};
extern const struct row_kind head_label_kind;

struct head_example {
    struct text kind; // helps, hurts, random
    int64_t rank;
    double dla;
    struct json_object *sources; // [[back, id, attention], ...]; NULL: damaged
    struct place place;          // its activation is dla; activations: the attention to each token
    char *said;                  // the sources in words: "1 back ' the' 0.52, ..."
};
extern const struct row_kind head_example_kind;

struct head_page {
    struct head_row *head; // one
    size_t n_head;
    struct run_state state;
    struct head_label_row *labels; // [n_labels] the greatest loss first, then the greatest dla
    size_t n_labels;
    struct head_example *examples; // [n_examples]: helps, hurts, random
    size_t n_examples;
};

/* name: "NAME:L1H3", or "L1H3" where one model of the run has heads.  examples: of each kind.
 * head_page_free() ends *p, {0} before, in any case.  Errors: ERR_USAGE (no such word),
 * ERR_NOT_FOUND. */
int head_page_read(struct head_page *p, struct reader *r, const char *name, size_t examples);
void head_page_free(struct head_page *p);

#endif
