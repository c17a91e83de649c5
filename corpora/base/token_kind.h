/*
 * token_kind.h - what kind of token a text is: a word, digits, a line end, ...
 *
 * It depends on the text alone, in which a byte that is no part of a character is written \xE2.
 */
#ifndef GAPSCOPE_CORPORA_BASE_TOKEN_KIND_H
#define GAPSCOPE_CORPORA_BASE_TOKEN_KIND_H

#include <stddef.h>

#define TOKEN_KINDS 14

size_t token_kind(const char *text); // below TOKEN_KINDS

/* "digits"; NULL from the number of kinds on. */
const char *token_kind_name(size_t kind);

#endif
