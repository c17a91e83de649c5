/*
 * code_text.h - classes of a document's bytes, and marking its tokens, for built-in miners
 *
 * Classes are those of ASCII; a byte of any other character is TEXT_HIGH.  A place past the end,
 * including SIZE_MAX (the one before 0), is in no class, so callers may ask for any neighbour.
 */
#ifndef GAPSCOPE_MINERS_CODE_CODE_TEXT_H
#define GAPSCOPE_MINERS_CODE_CODE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "corpora/base/doc.h"

enum text_class {
    TEXT_UPPER = 1,  // A-Z
    TEXT_LOWER = 2,  // a-z
    TEXT_DIGIT = 4,  // 0-9
    TEXT_HEX = 8,    // 0-9 a-f A-F
    TEXT_BLANK = 16, // space, tab, CR, VT, FF
    TEXT_LF = 32,
    TEXT_UNDER = 64, // _
    TEXT_HIGH = 128,
    TEXT_ALPHA = TEXT_UPPER | TEXT_LOWER,
    TEXT_ALNUM = TEXT_ALPHA | TEXT_DIGIT,
    TEXT_NAME = TEXT_ALNUM | TEXT_UNDER,
    TEXT_SPACE = TEXT_BLANK | TEXT_LF,
};
extern const uint8_t text_classes[256];

/* Whether the byte at 'at' is in one of the classes. */
static inline bool text_is(const struct tokens *doc, size_t at, unsigned classes)
{
    return at < doc->text_len && (text_classes[(unsigned char)doc->text[at]] & classes);
}

/* Whether the byte at 'at' is c. */
static inline bool text_at(const struct tokens *doc, size_t at, char byte)
{
    return at < doc->text_len && doc->text[at] == byte;
}

/* The first place from 'at' on that is in none of the classes: the end of a run of such bytes. */
static inline size_t text_run_end(const struct tokens *doc, size_t at, unsigned classes)
{
    while (text_is(doc, at, classes)) {
        at++;
    }
    return at;
}

/* The first place from 'at' on that is in one of the classes, or text_len. */
static inline size_t text_find(const struct tokens *doc, size_t at, unsigned classes)
{
    while (at < doc->text_len && !text_is(doc, at, classes)) {
        at++;
    }
    return at;
}

/* The character before 'at'; 0 at the beginning. */
uint32_t text_char_before(const struct tokens *doc, size_t at);

/* Whether a name could continue at 'at': the character before it is in TEXT_NAME, or is a letter
 * beyond ASCII that is a capital or a small letter (so not a Chinese one). */
bool text_after_name(const struct tokens *doc, size_t at);

/* Whether the character at 'at' is such a character. */
bool text_at_name(const struct tokens *doc, size_t at);

/* The first byte c from 'at' on, or text_len. */
size_t text_find_byte(const struct tokens *doc, size_t at, char byte);

/* Whether text[at..] begins with 'word'. */
bool text_begins(const struct tokens *doc, size_t at, const char *word);

/* Words are runs of letters of any script and the marks on them.  The beginning of the next word
 * from 'at' on (or text_len), and the end of the word that begins at 'at' ('at' if none does). */
size_t text_letters_begin(const struct tokens *doc, size_t at);
size_t text_letters_end(const struct tokens *doc, size_t at);

/*
 * A line.  text_line() gives the line that begins at l->next (0 at first); false after the last.
 */
struct text_line {
    size_t begin, first,
        end; // of the line, of what is not blank in it (or end), its LF or text_len
    size_t next;
};
bool text_line(const struct tokens *doc, struct text_line *l);

/* Whether the string that the quote at 'at' opens is closed before its line ends; *end is behind
 * the closing quote, or at the line's end.  A backslash escapes what is behind it, also an LF. */
bool text_string(const struct tokens *doc, size_t at, size_t *end);

/*
 * Whether text[n], which has only letters, digits and + / - _, is too mixed to be words:
 *   - less than half of it (from 40 characters on, less than two thirds) is in parts that look
 *     like a word or a number: three or more small letters, with or without a capital in front,
 *     with a vowel among them; three capitals or more (AA is not a word: it is zeros in base64);
 *     four digits or more;
 *   - the rest has capitals, small letters and digits;
 *   - between some two signs capitals and small letters mix, except for a capital in front;
 *   - there are 8 different characters, and in up to 128 characters at most an eighth are signs.
 */
bool text_is_random(const char *text, size_t n);

/* The offset of token i's first byte. */
static inline size_t token_begin(const struct tokens *doc, size_t i)
{
    return i ? doc->ends[i - 1] : 0;
}

/*
 * Like miner_mark(), for a state rather than a thing: labels the tokens whose end is in [from, to),
 * which are those after whose last byte the state holds.  Spans come in order.
 */
void mark_state(uint8_t *label, const struct tokens *doc, size_t *at, size_t from, size_t to);

/* Labels tokens lo to hi, counted from 1, of those that share a byte with text[from, to).  Spans
 * come in order. */
void mark_nth(uint8_t *label, const struct tokens *doc, size_t *at, size_t from, size_t to,
              size_t lo, size_t hi);

#endif
