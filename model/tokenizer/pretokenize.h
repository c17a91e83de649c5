/*
 * pretokenize.h - where ByteLevel's pattern (GPT-2's) cuts a text into words
 *
 *     's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
 *
 * matched by hand, with the classes of Unicode 16 that the reference executes.  Every text is
 * tiled by its words.  With 'digits' the pre-tokenizer Digits(individual_digits) comes first: each
 * character of \p{N} stands alone, and what is left between them is a text of its own.
 */
#ifndef GAPSCOPE_MODEL_TOKENIZER_PRETOKENIZE_H
#define GAPSCOPE_MODEL_TOKENIZER_PRETOKENIZE_H

#include <stdbool.h>
#include <stddef.h>

/* Makes the table of classes; to be called before the first word, as often as one likes, from any
 * thread. */
void pretokenize_init(void);

/* The bytes of the first word of text[len], valid UTF-8, len > 0. */
size_t pretokenize_word(const char *text, size_t len, bool digits);

#endif
