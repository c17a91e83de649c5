/*
 * prompts.h - a minimal pair: two prompts of as many tokens, and two answers of one token each
 */
#ifndef GAPSCOPE_SCAN_LOAD_PROMPTS_H
#define GAPSCOPE_SCAN_LOAD_PROMPTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "corpora/base/err.h"
#include "model/tokenizer/tokenizer.h"
#include "scan/load/lineup.h"

struct prompts {
    const struct tokenizer *tokenizer; // NULL: they were given as ids
    const char *texts[2];              // as they were given
    uint32_t *ids[2];                  // [n[0]], [n[1]]; of text: BOS first
    size_t n[2];                       // equal
    uint32_t answers[2];
};

/* The command line's prompts and answers: texts, or with 'ids' lists "[1,2,3]" and numbers. */
struct prompts_given {
    const char *texts[2], *answers[2];
    bool ids;
    bool special; // special tokens written in the text are recognised
    bool quiet;   // nothing stands on standard error
};

/* Reads both prompts and answers for the models and the tokenizer of 'l'; 'l' and 'given' outlive
 * *out, which prompts_free() ends in any case.  Errors: ERR_USAGE (not UTF-8, not ids, an empty
 * prompt, equal prompts or answers; an answer that is not one token: the message shows its tokens;
 * prompts of different lengths: both stand side by side on standard error); ERR_LIMIT (longer than
 * n_ctx); ERR_NOMEM. */
int prompts_read(struct prompts *out, const struct lineup *l, const struct prompts_given *given,
                 struct err *err);
void prompts_free(struct prompts *p); // {0} is allowed

// The room of a token's text with its NUL; longer ones are cut.
#define PROMPTS_TEXT ((size_t)256)

/* prompts_show(): a token for people, its text in quotes, or its id where there is no tokenizer.
 * prompts_text(): for programs, its text as valid UTF-8, with invalid bytes as \xNN. */
void prompts_show(const struct prompts *p, uint32_t id, char text[PROMPTS_TEXT]);
void prompts_text(const struct prompts *p, uint32_t id, char text[PROMPTS_TEXT]);

/* Prints both prompts side by side, one token per line, and marks those that differ.  Prompts of
 * different lengths are aligned at both ends.  Errors: ERR_NOMEM. */
int prompts_put(const struct prompts *p, FILE *to, size_t width, struct err *err);

#endif
