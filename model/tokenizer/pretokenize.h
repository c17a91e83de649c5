/*
 * pretokenize.h - where ByteLevel's pattern (GPT-2's) cuts a text into words
 *
 *     's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
 *
 * matched by C code, with the classes of Unicode 16 that the reference uses.  A text's words tile
 * it.  With 'digits' the pre-tokenizer Digits(individual_digits) comes first: each character of
 * \p{N} is a word of its own, and each piece between them is a text of its own.
 */
#ifndef GAPSCOPE_MODEL_TOKENIZER_PRETOKENIZE_H
#define GAPSCOPE_MODEL_TOKENIZER_PRETOKENIZE_H

#include <stdbool.h>
#include <stddef.h>

/* Makes the table of classes.  Call it before the first word; further calls, from any thread, do
 * nothing. */
void pretokenize_init(void);

/* The length in bytes of the first word of text[len], valid UTF-8, len > 0. */
size_t pretokenize_word(const char *text, size_t len, bool digits);

/*
 * The same of the pattern that GPT-4's tokenizer began with, and Llama 3's and Qwen's have:
 *
 *     (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,most}| ?[^\s\p{L}\p{N}]+[\r\n]*
 *     |\s*[\r\n]+|\s+(?!\S)|\s+
 */
size_t pretokenize_gpt4(const char *text, size_t len, size_t most_digits);

/* The end of the white space at text[at, len). */
size_t pretokenize_space_end(const char *text, size_t at, size_t len);

#endif
