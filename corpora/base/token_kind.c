#include "corpora/base/token_kind.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <utf8proc.h>

#include "corpora/base/utf8.h"

enum kind {
    SPECIAL,
    PART,
    LINE_END,
    SPACES,
    DIGITS,
    WORD_SMALL,
    WORD_CAPITAL,
    CAPITALS,
    PIECE_SMALL,
    PIECE_CAPITAL,
    MIXED_CASE,
    OTHER_LETTERS,
    SIGNS,
    MIXED,
    N_KINDS
};

_Static_assert(N_KINDS == TOKEN_KINDS, "all kinds are counted");

static const char *const names[N_KINDS] = {
    [SPECIAL] = "special token",
    [PART] = "part of a character",
    [LINE_END] = "line end",
    [SPACES] = "spaces",
    [DIGITS] = "digits",
    [WORD_SMALL] = "word after a space, small letters",
    [WORD_CAPITAL] = "word after a space, Capital",
    [CAPITALS] = "CAPITALS",
    [PIECE_SMALL] = "piece or word without a space, small letters",
    [PIECE_CAPITAL] = "piece or word without a space, Capital",
    [MIXED_CASE] = "letters of mixed case",
    [OTHER_LETTERS] = "letters beyond a to z",
    [SIGNS] = "punctuation and signs",
    [MIXED] = "mixed",
};

const char *token_kind_name(size_t kind)
{
    return kind < N_KINDS ? names[kind] : NULL;
}

/* <|...|> */
static bool is_special(const char *text)
{
    const size_t len = strlen(text);
    return len >= 4 && strncmp(text, "<|", 2) == 0 && strcmp(text + len - 2, "|>") == 0 &&
           !strpbrk(text, "\r\n");
}

/* \xE2: bytes that are no characters are written so. */
static bool has_byte(const char *text)
{
    while ((text = strstr(text, "\\x"))) {
        text += 2;
        if (isxdigit((unsigned char)text[0]) && isxdigit((unsigned char)text[1])) {
            return true;
        }
    }
    return false;
}

static bool is_space(uint32_t c)
{
    return (c >= '\t' && c <= '\r') || c == 0xfeff ||
           (c != UINT32_MAX && (utf8proc_category((utf8proc_int32_t)c) == UTF8PROC_CATEGORY_ZS ||
                                utf8proc_category((utf8proc_int32_t)c) == UTF8PROC_CATEGORY_ZL ||
                                utf8proc_category((utf8proc_int32_t)c) == UTF8PROC_CATEGORY_ZP));
}

/* The classes of characters of a text, as bits: all that there are between its white space. */
enum {
    SMALL = 1,
    CAPITAL = 2,
    LETTER = 4, // or mark, beyond a to z
    DIGIT = 8,
    SIGN = 16,
    OTHER = 32,
};

static unsigned class_of(uint32_t c)
{
    if (c == UINT32_MAX) {
        return OTHER;
    }
    if (c < 0x80 && isalpha((int)c)) {
        return islower((int)c) ? SMALL : CAPITAL;
    }
    const char *category = utf8proc_category_string((utf8proc_int32_t)c);
    if (*category == 'L' || *category == 'M') {
        return LETTER;
    }
    if (strcmp(category, "Nd") == 0) {
        return DIGIT;
    }
    return *category == 'P' || *category == 'S' ? SIGN : OTHER;
}

struct shape {
    bool space_before, space_behind;
    unsigned classes; // of the characters between
    unsigned first;   // class of the first of them
    unsigned behind;  // classes of those behind it
    size_t n;         // how many
};

static struct shape shape_of(const char *text)
{
    struct shape s = {0};
    for (size_t left = strlen(text), used; left > 0; left -= used, text += used) {
        const uint32_t c = utf8_decode(text, left, &used);
        if (is_space(c)) {
            s.space_before = s.space_before || s.n == 0;
            s.space_behind = s.n > 0;
            continue;
        }
        const unsigned class = s.space_behind ? OTHER : class_of(c); // no space in between
        s.classes |= class;
        s.behind |= s.n > 0 ? class : 0;
        s.first = s.n > 0 ? s.first : class;
        s.n++;
    }
    return s;
}

static enum kind kind_of_letters(const struct shape *s)
{
    if (s->classes == SMALL) {
        return s->space_before ? WORD_SMALL : PIECE_SMALL;
    }
    if (s->first == CAPITAL && (s->behind & ~(unsigned)SMALL) == 0) {
        return s->space_before ? WORD_CAPITAL : PIECE_CAPITAL;
    }
    return s->classes == CAPITAL ? CAPITALS : MIXED_CASE;
}

size_t token_kind(const char *text)
{
    if (is_special(text)) {
        return SPECIAL;
    }
    if (has_byte(text)) {
        return PART;
    }
    const struct shape s = shape_of(text);
    if (s.n == 0 && s.space_before) {
        return text[strspn(text, " \t\r")] == '\n' ? LINE_END : SPACES;
    }
    if (s.classes == SIGN) {
        return SIGNS;
    }
    if (s.n == 0 || s.space_behind || (s.classes & (SIGN | OTHER))) {
        return MIXED;
    }
    if (s.classes == DIGIT) {
        return DIGITS;
    }
    if (s.classes & DIGIT) {
        return MIXED;
    }
    return s.classes & LETTER ? OTHER_LETTERS : kind_of_letters(&s);
}
