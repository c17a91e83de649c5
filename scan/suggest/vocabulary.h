/*
 * vocabulary.h - the tokens of a run: their bytes, and how often they stand in the corpus
 *
 * Table 'token' shows a byte that is no part of a whole character as \xNN.
 *
 * Threads: read only once it is made.
 */
#ifndef GAPSCOPE_SCAN_SUGGEST_VOCABULARY_H
#define GAPSCOPE_SCAN_SUGGEST_VOCABULARY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "corpora/base/doc.h"
#include "out/read/reader.h"

struct vocabulary {
    struct vocabulary_token {
        char *bytes; // [len]; NULL: the run has no text of it
        size_t len;
        bool is_text;    // the text names it: no other token has the same, nothing is escaped
        uint64_t places; // of it in the corpus; 0: not known
    } * items;           // [n], by id
    size_t n;
    bool has_texts;
    uint32_t *by_text; // [n_by_text] ids in the order of their bytes, of those that have some
    size_t n_by_text;
};

/* vocabulary_free() ends *v, {0} before, in any case. */
int vocabulary_read(struct vocabulary *v, struct reader *r);
void vocabulary_free(struct vocabulary *v);

/* The lowest id of the token of exactly this text; UINT32_MAX: there is none.  Has the type
 * hypotheses_token_id. */
uint32_t vocabulary_id(const void *vocabulary, const char *text, size_t len);

/* Whether a text can stand in a double-quoted one of YAML as jsonw_string() writes it. */
bool vocabulary_is_plain(const char *text, size_t len);

/* Fills ends and text of t->ids[t->n] in; a byte that is no part of a whole character there becomes
 * '?'.  Errors: ERR_NOMEM. */
int vocabulary_text(const struct vocabulary *v, struct tokens *t, struct err *err);

#endif
