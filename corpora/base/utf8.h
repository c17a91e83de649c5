/*
 * utf8.h - UTF-8 as The Unicode Standard defines it (table 3-7): no surrogates, no overlong forms
 */
#ifndef GAPSCOPE_CORPORA_BASE_UTF8_H
#define GAPSCOPE_CORPORA_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The code point that begins at text[0], text of len > 0 bytes, and its length in *used.
 * Where no valid character begins there: UINT32_MAX, and *used is the length of the maximal
 * subpart (1 to 3 bytes), which one U+FFFD replaces (Unicode 15, section 3.9).
 */
uint32_t utf8_decode(const char *text, size_t len, size_t *used);

/* As utf8_decode() for text known to be valid: no checks. */
uint32_t utf8_decode_valid(const char *text, size_t *used);

/* Writes 'code' (a scalar value) to out and returns the number of bytes, 1 to 4. */
size_t utf8_encode(uint32_t code, char out[4]);

/* The length of the longest valid beginning of text: len when all of it is valid. */
size_t utf8_valid_prefix(const char *text, size_t len);

/* How many bytes at the end of text (0 to 3) begin a character whose rest is missing: what to keep
 * back when text is a part of a longer one. */
size_t utf8_unfinished(const char *text, size_t len);

/* The length of the byte order mark that text begins with, or 0. */
size_t utf8_bom(const char *text, size_t len);

/* Whether the character turns the direction of writing: it can make a line show other than it is. */
bool utf8_turns(uint32_t code);

#endif
