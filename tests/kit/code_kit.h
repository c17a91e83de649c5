/*
 * code_kit.h - hand-made documents for the tests of built-in miners
 *
 * Two ways to write a text, its tokens, and which of them a miner has to label:
 *
 *     check_tokens("number", "a |^1|^2| b");       | cuts; a ^ in front: labelled
 *     check_bytes("number", "a «12» b");           every byte is a token; those in « » are labelled
 *
 * Equal tokens have equal ids.  The text and all arrays are blocks of just their sizes, so that
 * ASan sees a byte too far; every check runs twice, the second time with a scratch full of what
 * means nothing.
 */
#ifndef GAPSCOPE_TESTS_KIT_CODE_KIT_H
#define GAPSCOPE_TESTS_KIT_CODE_KIT_H

#include "miners/code/code.h"

struct code_doc {
    struct tokens tokens;
    uint8_t *want; // [tokens.n]
};

void code_doc_cut(struct code_doc *d, const char *cut);
void code_doc_bytes(struct code_doc *d, const char *marked);

/* A document of text[len], of which every 'step' bytes are a token. */
void code_doc_steps(struct code_doc *d, const char *text, size_t len, size_t step);
void code_doc_free(struct code_doc *d);

/* label[tokens.n], to be freed; fails the test where the miner fails or labels are not 0 or 1. */
uint8_t *code_label(const char *miner, const struct tokens *doc);

void check_tokens(const char *miner, const char *cut);
void check_bytes(const char *miner, const char *marked);

#endif
