/*
 * words_ref.h - the words of a text by a regex engine: what model/tokenizer/pretokenize.c is tested against
 */
#ifndef GAPSCOPE_TESTS_REF_WORDS_REF_H
#define GAPSCOPE_TESTS_REF_WORDS_REF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* 'L', 'N', 'S', or 'O' for any other code point, as bytelevel_classes.tsv says. */
char words_ref_class(uint32_t code);

/* Puts where the words of text[len] (valid UTF-8) end into ends[len] and returns their number. */
size_t words_ref(const char *text, size_t len, bool digits, size_t *ends);

/* The same by GPT-4's pattern with \p{N}{1,most_digits}. */
size_t words_ref_gpt4(const char *text, size_t len, size_t most_digits, size_t *ends);

#endif
