/*
 * code_number.c - numbers in ASCII digits, and the place of a token in them
 *
 * number            every token of a number
 * number_first      its first token
 * number_2          its second token
 * number_3plus      its third token and all after it
 * decimal_fraction  the tokens of the digits after its decimal point
 * year              a number of four digits, 1500 to 2099, that nothing marks as something else
 *
 * "Its tokens" are those that share a byte with it, so " 12" is the first token of 1234 just as
 * "12" is; its point and its commas belong to it.  A number is
 *   - digits, grouped by commas (1,234,567) or not, then perhaps a point with digits behind it,
 *     then perhaps an exponent (1.5e-3); a point with digits alone (.5);
 *   - 0x, 0b or 0o and the letters and digits that follow.
 * It does not begin inside a name: utf8, x86, _1, v1.2 have none; but 10px, 5th, 3D have one,
 * without the letters.  A sign is not part of it.  If points separate three or more groups of
 * digits (an address, a version: 127.0.0.1), each group is a number and none is a fraction.
 *
 * year: a year is not part of a longer or grouped number and has no fraction; no letter is behind
 * it except the s of 1990s, no currency sign, # or point in front, no % behind.  2020-11-24 has a
 * year; in a table of numbers a year may be one by chance.
 */
#include "miners/code/code_list.h"

#include <utf8proc.h>

#include "miners/core/miner.h"

struct number {
    size_t from, to;
    size_t fraction; // beginning of the digits behind the point; 'fraction_end' if there are none
    size_t fraction_end;
    bool plain; // it has only digits
};

static size_t digits_end(const struct tokens *doc, size_t at)
{
    return text_run_end(doc, at, TEXT_DIGIT);
}

static bool digit_at(const struct tokens *doc, size_t at)
{
    return text_is(doc, at, TEXT_DIGIT);
}

/* The end of the points and digits that follow the digits that end at 'at'. */
static size_t dotted_end(const struct tokens *doc, size_t at)
{
    while (text_at(doc, at, '.') && digit_at(doc, at + 1)) {
        at = digits_end(doc, at + 1);
    }
    return at;
}

/* The end of groups like ,ddd,ddd behind the 'n' digits that end at 'at'. */
static size_t grouped_end(const struct tokens *doc, size_t at, size_t n)
{
    while (n <= 3 && text_at(doc, at, ',') && digits_end(doc, at + 1) == at + 4) {
        at += 4;
    }
    return at;
}

static size_t exponent_end(const struct tokens *doc, size_t at)
{
    if (!text_at(doc, at, 'e') && !text_at(doc, at, 'E')) {
        return at;
    }
    const size_t sign = text_at(doc, at + 1, '-') || text_at(doc, at + 1, '+');
    const size_t end = digits_end(doc, at + 1 + sign);
    return end > at + 1 + sign && !text_is(doc, end, TEXT_NAME) ? end : at;
}

static bool is_prefixed(const struct tokens *doc, size_t at)
{
    return text_at(doc, at, '0') &&
           ((text_at(doc, at + 1, 'x') && text_is(doc, at + 2, TEXT_HEX)) ||
            ((text_at(doc, at + 1, 'b') || text_at(doc, at + 1, 'o')) && digit_at(doc, at + 2)));
}

/* Whether the digits at 'at', which end at 'end', are in a version or an address; *dotted is the
 * end of the last one. */
static bool in_dotted(const struct tokens *doc, size_t at, size_t end, size_t *dotted)
{
    if (at >= *dotted && text_at(doc, end, '.') && digit_at(doc, end + 1)) {
        const size_t second = digits_end(doc, end + 1), last = dotted_end(doc, second);
        *dotted = last > second ? last : *dotted;
    }
    return at < *dotted;
}

/* The number whose first digit is at 'at'. */
static struct number read_number(const struct tokens *doc, size_t at, size_t *dotted)
{
    struct number r = {.from = at};
    const size_t digits = digits_end(doc, at);
    if (is_prefixed(doc, at)) {
        r.to = r.fraction = r.fraction_end = text_run_end(doc, at, TEXT_NAME);
        return r;
    }
    if (in_dotted(doc, at, digits, dotted)) {
        r.to = r.fraction = r.fraction_end = digits;
        return r;
    }
    const size_t whole = grouped_end(doc, digits, digits - at);
    r.fraction = r.fraction_end = whole;
    if (text_at(doc, at - 1, '.') && !text_at(doc, at - 2, '.') && !text_after_name(doc, at - 1)) {
        r.from = at - 1;
        r.fraction = at;
        r.fraction_end = digits;
    } else if (text_at(doc, whole, '.') && digit_at(doc, whole + 1)) {
        r.fraction = whole + 1;
        r.fraction_end = digits_end(doc, whole + 1);
    }
    r.to = exponent_end(doc, r.fraction_end);
    r.plain = r.from == at && r.to == digits;
    return r;
}

/* Finds the first number from *at on and moves *at behind it. */
static bool next_number(const struct tokens *doc, size_t *at, size_t *dotted, struct number *r)
{
    for (;;) {
        *at = text_find(doc, *at, TEXT_DIGIT);
        if (*at == doc->text_len) {
            return false;
        }
        if (!text_after_name(doc, *at)) {
            break;
        }
        *at = dotted_end(doc, text_run_end(doc, *at, TEXT_NAME));
    }
    *r = read_number(doc, *at, dotted);
    *at = text_run_end(doc, r->to, TEXT_NAME); // skips the px of 10px
    return true;
}

static int mark_numbers(const struct tokens *doc, uint8_t *label, size_t lo, size_t hi)
{
    struct number r;
    for (size_t at = 0, dotted = 0, token = 0; next_number(doc, &at, &dotted, &r);) {
        mark_nth(label, doc, &token, r.from, r.to, lo, hi);
    }
    return 0;
}

static int mark_fractions(const struct tokens *doc, uint8_t *label)
{
    struct number r;
    for (size_t at = 0, dotted = 0, token = 0; next_number(doc, &at, &dotted, &r);) {
        if (r.fraction < r.fraction_end) {
            miner_mark(label, doc, &token, r.fraction, r.fraction_end, MARK_ALL);
        }
    }
    return 0;
}

static bool is_year(const struct tokens *doc, const struct number *r)
{
    if (!r->plain || r->to - r->from != 4) {
        return false;
    }
    int value = 0;
    for (size_t i = r->from; i < r->to; i++) {
        value = 10 * value + (doc->text[i] - '0');
    }
    const uint32_t before = text_char_before(doc, r->from);
    const bool decade = text_at(doc, r->to, 's') && !text_at_name(doc, r->to + 1);
    return value >= 1500 && value < 2100 && before != '#' && before != '.' &&
           utf8proc_category((utf8proc_int32_t)before) != UTF8PROC_CATEGORY_SC &&
           !text_at(doc, r->to, '%') && (decade || !text_at_name(doc, r->to));
}

static int mark_years(const struct tokens *doc, uint8_t *label)
{
    struct number r;
    for (size_t at = 0, dotted = 0, token = 0; next_number(doc, &at, &dotted, &r);) {
        if (is_year(doc, &r)) {
            miner_mark(label, doc, &token, r.from, r.to, MARK_ALL);
        }
    }
    return 0;
}

CODE_LABEL(decimal_fraction, mark_fractions(doc, label))
CODE_LABEL(number, mark_numbers(doc, label, 1, SIZE_MAX))
CODE_LABEL(number_2, mark_numbers(doc, label, 2, 2))
CODE_LABEL(number_3plus, mark_numbers(doc, label, 3, SIZE_MAX))
CODE_LABEL(number_first, mark_numbers(doc, label, 1, 1))
CODE_LABEL(year, mark_years(doc, label))
