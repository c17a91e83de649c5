/*
 * code_case.c - words by their capitals
 *
 * all_caps         A-Z 0-9 _ with two capitals or more: NASA, HTTP2, MAX_VALUE
 * camel_case       letters and digits, a letter first, in which a capital follows a small letter:
 *                  camelCase, CamelCase, XMLHttpRequest, also iPhone, McDonald, PhD; up to 64
 *                  characters; with 16 or more it must not satisfy text_is_random() (base64); not
 *                  behind a backslash (\xFa)
 * snake_case       a-z 0-9 _ with a letter, and with a _ that has one of a-z 0-9 on either side:
 *                  snake_case, _my_name; not __init__, not MAX_VALUE
 * capitalised_mid  a capital and then small letters (of any script that has them) behind a space,
 *                  which is behind a letter, a digit or a comma: a name, or a German noun, in the
 *                  middle of a sentence.  A word after a point, a colon, a quote, a bracket or a
 *                  line end does not count, so Smith in Mr. Smith does not.
 *
 * A word is a maximal run of A-Z a-z 0-9 _.  Every token that shares a byte with it is labelled,
 * although its class may show only later: "camel" of camelCase is labelled.
 */
#include "miners/code/code_list.h"

#include "miners/core/miner.h"

#define MAX_CAMEL 64
#define MIN_RANDOM 16

typedef bool word_test(const struct tokens *doc, size_t from, size_t to);

static bool is_all_caps(const struct tokens *doc, size_t from, size_t to)
{
    size_t n_upper = 0;
    for (size_t i = from; i < to; i++) {
        n_upper += text_is(doc, i, TEXT_UPPER);
        if (text_is(doc, i, TEXT_LOWER)) {
            return false;
        }
    }
    return n_upper >= 2;
}

static bool is_camel(const struct tokens *doc, size_t from, size_t to)
{
    bool changes = false;
    if (to - from > MAX_CAMEL || !text_is(doc, from, TEXT_ALPHA) || text_at(doc, from - 1, '\\')) {
        return false;
    }
    for (size_t i = from + 1; i < to; i++) {
        changes |= text_is(doc, i, TEXT_UPPER) && text_is(doc, i - 1, TEXT_LOWER);
        if (doc->text[i] == '_') {
            return false;
        }
    }
    return changes && (to - from < MIN_RANDOM || !text_is_random(doc->text + from, to - from));
}

static bool is_snake(const struct tokens *doc, size_t from, size_t to)
{
    bool joins = false, has_letter = false;
    for (size_t i = from; i < to; i++) {
        if (text_is(doc, i, TEXT_UPPER)) {
            return false;
        }
        has_letter |= text_is(doc, i, TEXT_LOWER);
        joins |= doc->text[i] == '_' && i > from && i + 1 < to && doc->text[i - 1] != '_' &&
                 doc->text[i + 1] != '_';
    }
    return joins && has_letter;
}

static bool is_capitalised_mid(const struct tokens *doc, size_t from, size_t to)
{
    if (!text_is(doc, from, TEXT_UPPER) || !text_at(doc, from - 1, ' ') ||
        (!text_at(doc, from - 2, ',') && !text_after_name(doc, from - 1))) {
        return false;
    }
    return text_run_end(doc, from + 1, TEXT_LOWER) == to &&
           (to - from > 1 || text_at_name(doc, to)); // no I, but one with an accented letter
}

static int mark_words(const struct tokens *doc, uint8_t *label, word_test *test)
{
    size_t token = 0;
    for (size_t from = 0, to; from < doc->text_len; from = to + 1) {
        to = text_run_end(doc, from, TEXT_NAME);
        if (to - from >= 2 && test(doc, from, to)) {
            miner_mark(label, doc, &token, from, to, MARK_ALL);
        }
    }
    return 0;
}

static int mark_capitalised_mid(const struct tokens *doc, uint8_t *label)
{
    size_t token = 0;
    for (size_t from = 0, to; from < doc->text_len; from = to + 1) {
        to = text_run_end(doc, from, TEXT_NAME);
        if (to > from && is_capitalised_mid(doc, from, to)) {
            miner_mark(label, doc, &token, from, text_letters_end(doc, to), MARK_ALL);
        }
    }
    return 0;
}

CODE_LABEL(all_caps, mark_words(doc, label, is_all_caps))
CODE_LABEL(camel_case, mark_words(doc, label, is_camel))
CODE_LABEL(capitalised_mid, mark_capitalised_mid(doc, label))
CODE_LABEL(snake_case, mark_words(doc, label, is_snake))
