/*
 * code_line.c - the place of a token in its line, and the line's indentation
 *
 * indent         a token that ends in the white space in front of a line, or where that ends: the
 *                second of the tokens "\n", "  ", "x", and the first of "\n  ", "x"
 * indent_1       ... of a line that is one level deep
 * indent_2       ... of a line that is two levels deep
 * indent_3plus   ... of a line that is three or more levels deep
 * indent_more    the first token with a character that is not white space, in a line deeper than
 *                the last line that is not blank
 * indent_less    ... in a line less deep
 * line_first     ... in any line
 * after_newline  a token that begins right behind an LF
 * quoted_email   every token of a quoted line, from its > to its last character
 *
 * Blank lines have no indentation.  A level is a tab, or the number of spaces by which the
 * document's lines most often go deeper (2 to 8; the smallest of several; 4 if no line goes
 * deeper).  A remainder of less than a level is dropped, so the asterisks of a comment in C are as
 * deep as its first line.  If the white space is several tokens, a line's level may show only after
 * the token.  For indent_more and indent_less a tab goes to the next multiple of 8 columns.
 *
 * quoted_email: lines that begin with > in the first column, followed by a space, another >, a
 * letter or the line's end.  Excluded are >>> if no line begins with one or two > (Python's
 * prompt), and all lines of a document in which no line begins with "> " and a letter or digit.
 */
#include "miners/code/code_list.h"

#include "miners/core/miner.h"

#define TAB_COLUMNS 8
#define MAX_LEVEL 8
#define DEFAULT_LEVEL 4

static bool is_blank(const struct text_line *l)
{
    return l->first == l->end;
}

/* The indentation that text[begin, first) makes. */
static size_t columns(const struct tokens *doc, const struct text_line *l)
{
    size_t n = 0;
    for (size_t i = l->begin; i < l->first; i++) {
        n = doc->text[i] == '\t' ? (n / TAB_COLUMNS + 1) * TAB_COLUMNS : n + 1;
    }
    return n;
}

/* The number of spaces in a level. */
static size_t level_spaces(const struct tokens *doc)
{
    size_t counts[MAX_LEVEL + 1] = {0}, best = DEFAULT_LEVEL, last = 0;
    for (struct text_line l = {0}; text_line(doc, &l);) {
        if (is_blank(&l)) {
            continue;
        }
        const size_t now = columns(doc, &l), deeper = now > last ? now - last : 0;
        counts[deeper >= 2 && deeper <= MAX_LEVEL && !text_at(doc, l.begin, '\t') ? deeper : 0]++;
        last = now;
    }
    size_t most = 0;
    for (size_t i = 2; i <= MAX_LEVEL; i++) {
        if (counts[i] > most) {
            most = counts[i];
            best = i;
        }
    }
    return best;
}

static size_t level(const struct tokens *doc, const struct text_line *l, size_t spaces)
{
    size_t n_tabs = 0;
    for (size_t i = l->begin; i < l->first; i++) {
        n_tabs += doc->text[i] == '\t';
    }
    return n_tabs + (l->first - l->begin - n_tabs) / spaces;
}

/* Labels the indentation of lines whose level is in [lo, hi]. */
static int mark_indent(const struct tokens *doc, uint8_t *label, size_t lo, size_t hi)
{
    const size_t spaces = lo == 0 ? 1 : level_spaces(doc);
    size_t token = 0;
    for (struct text_line l = {0}; text_line(doc, &l);) {
        if (!is_blank(&l) && l.first > l.begin) {
            const size_t n = level(doc, &l, spaces);
            if (n >= lo && n <= hi) {
                mark_state(label, doc, &token, l.begin + 1, l.first + 1);
            }
        }
    }
    return 0;
}

enum change { ANY, MORE, LESS };

static int mark_line_first(const struct tokens *doc, uint8_t *label, enum change change)
{
    size_t token = 0, last = 0;
    for (struct text_line l = {0}; text_line(doc, &l);) {
        if (is_blank(&l)) {
            continue;
        }
        const size_t now = columns(doc, &l);
        if (change == ANY || (change == MORE && now > last) || (change == LESS && now < last)) {
            miner_mark(label, doc, &token, l.first, l.first + 1, MARK_ALL);
        }
        last = now;
    }
    return 0;
}

static int mark_after_newline(const struct tokens *doc, uint8_t *label)
{
    for (size_t i = 1; i < doc->n; i++) {
        label[i] = doc->text[doc->ends[i - 1] - 1] == '\n';
    }
    return 0;
}

/* The number of > with which the line begins, if they look like quoted mail. */
static size_t quote_depth(const struct tokens *doc, const struct text_line *l)
{
    size_t n = 0, at = l->begin;
    while (text_at(doc, at, '>')) {
        n++;
        at++;
        at += text_at(doc, at, ' ') && text_at(doc, at + 1, '>');
    }
    return at == l->end || text_is(doc, at, TEXT_SPACE | TEXT_ALPHA | TEXT_HIGH) ? n : 0;
}

static int mark_quoted(const struct tokens *doc, uint8_t *label)
{
    bool any = false, shallow = false;
    for (struct text_line l = {0}; text_line(doc, &l);) {
        if (text_at(doc, l.begin, '>')) {
            const size_t n = quote_depth(doc, &l);
            any |= text_at(doc, l.begin + 1, ' ') && text_is(doc, l.begin + 2, TEXT_ALNUM);
            shallow |= n == 1 || n == 2;
        }
    }
    size_t token = 0;
    for (struct text_line l = {0}; any && text_line(doc, &l);) {
        if (text_at(doc, l.begin, '>')) {
            const size_t n = quote_depth(doc, &l);
            if (n && (n != 3 || shallow)) {
                miner_mark(label, doc, &token, l.begin, l.end, MARK_ALL);
            }
        }
    }
    return 0;
}

CODE_LABEL(after_newline, mark_after_newline(doc, label))
CODE_LABEL(indent, mark_indent(doc, label, 0, SIZE_MAX))
CODE_LABEL(indent_1, mark_indent(doc, label, 1, 1))
CODE_LABEL(indent_2, mark_indent(doc, label, 2, 2))
CODE_LABEL(indent_3plus, mark_indent(doc, label, 3, SIZE_MAX))
CODE_LABEL(indent_less, mark_line_first(doc, label, LESS))
CODE_LABEL(indent_more, mark_line_first(doc, label, MORE))
CODE_LABEL(line_first, mark_line_first(doc, label, ANY))
CODE_LABEL(quoted_email, mark_quoted(doc, label))
