/*
 * skip_list.h - the skip-trigrams of a run, and the bugs where two of them cross
 */
#ifndef GAPSCOPE_OUT_READ_SKIP_LIST_H
#define GAPSCOPE_OUT_READ_SKIP_LIST_H

#include "corpora/base/mem.h"
#include "out/read/place.h"
#include "out/read/row.h"

struct skip_row {
    int64_t id, n, docs;
    struct text head, a, b, c; // "L0H3"; texts of the tokens, "<id>" with --ids
    double attention, raises, strength, rate, rate_se;
    struct json_object *models; // [{"model", "p", "p_se", "logprob"}, ...] in the run's order
};
extern const struct row_kind skip_kind;

struct skip_bug_row {
    int64_t id, n, docs, contexts, skip1, skip2;
    struct text head, a, b1, c1, b2, c2;
    double rate, p_base, p_low, p_contexts, p_without_a, p_without_head, fall_without_a,
        fall_without_head;
    struct json_object *fixes;      // [{"model", "p", "fixed", "logprob_c1_less"}, ...]
    struct json_object *components; // [{"model", "component", "direct", "change", ...}, ...]
};
extern const struct row_kind skip_bug_kind;

struct skip_place_row {
    int64_t rank;
    struct place place;
    struct json_object *marked;   // [index of A]
    struct json_object *logprobs; // of what follows B, of each model
};
extern const struct row_kind skip_place_kind;

enum skip_sort { SKIP_BY_STRENGTH, SKIP_BY_PLACES, SKIP_BY_RATE };

/* Up to 'most' skip-trigrams; all: also those without a place.  rows_free() ends *rows in any
 * case, here and below. */
int skip_rows_read(struct skip_row **rows, size_t *n, struct reader *r, enum skip_sort sort,
                   bool all, size_t most);

/* One of them, {0} before; false: it is not there. */
bool skip_row_read(struct skip_row *row, struct reader *r, int64_t id);

/* Places of one, with the texts of their tokens; place_free() ends each's place, too. */
int skip_places_read(struct skip_place_row **rows, size_t *n, struct reader *r, int64_t id,
                     size_t most);

int skip_bugs_read(struct skip_bug_row **rows, size_t *n, struct reader *r, size_t most);

/* What the run says of all of them (meta's 'skips'), parsed; NULL: it is not finished, or did not
 * look.  json_object_put() it. */
struct json_object *skip_run_read(struct reader *r);

/* The base's name as a new string; "" where it is not known. */
char *skip_base_name(struct reader *r, struct json_object *run);

/* Appends how many there are at each stage, in words.  run: skip_run_read()'s. */
int skip_funnel_words(struct buf *out, struct json_object *run, const char *base, struct err *err);

/* ERR_NOT_FOUND where the run did not look for any. */
int skips_any(struct reader *r);

#endif
