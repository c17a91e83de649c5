/*
 * code_markup.c - the parts of HTML and XML
 *
 * html_tag_name   the name in <name ...> and </name>
 * html_attribute  the name of an attribute of a tag
 * html_value      an attribute's value, without its quotes
 * html_comment    the text between <!-- and -->
 * html_text       text between tags that is not white space alone, from behind the first tag to
 *                 before the last, except inside script and style
 *
 * Every token that shares a byte with it is labelled; text counts from its first character that is
 * not white space to its last.
 *
 * A tag is < or </, a name (a letter, then letters, digits and : . _ -), perhaps attributes (NAME,
 * NAME=word, NAME="...", NAME='...'), optional white space, and > or />; anything else, like
 * <a@b.c> or a < b, is text.  A value with quotes may contain < and line ends.
 * Declarations, <!DOCTYPE ...> and <?xml ...?>, are tags without parts.
 *
 * Only documents that look like markup have labels: they begin with <!DOCTYPE, <?xml or <html, or
 * have more </name> than one for every 500 bytes.  C++ with its vector<int> has none, Python that
 * writes XML has few.
 */
#include "miners/code/code_list.h"

#include <string.h>
#include <strings.h>

#include "miners/core/miner.h"

#define BYTES_A_TAG 500

enum part { TAG_NAME, ATTRIBUTE, VALUE, COMMENT, TEXT };

struct reader {
    const struct tokens *doc;
    uint8_t *label;
    enum part asked;
    size_t token;      // for miner_mark()
    bool unclosed[2];  // a search for ' and for " has reached the end without finding one
    size_t text_begin; // of text that waits for a tag behind it; SIZE_MAX: there was no tag yet
    const char *raw;   // the element script or style that the place is in; NULL: neither
};

static void emit(struct reader *r, enum part part, size_t from, size_t to)
{
    if (part == r->asked && from < to) {
        miner_mark(r->label, r->doc, &r->token, from, to, MARK_ALL);
    }
}

static size_t name_end(const struct tokens *doc, size_t at)
{
    while (text_is(doc, at, TEXT_NAME) || text_at(doc, at, ':') || text_at(doc, at, '-') ||
           text_at(doc, at, '.')) {
        at++;
    }
    return at;
}

static bool same_word(const struct tokens *doc, size_t from, size_t to, const char *word)
{
    return to - from == strlen(word) && strncasecmp(doc->text + from, word, to - from) == 0;
}

/* The end of the value at 'at' and where to continue, or 0. */
static size_t value_end(struct reader *r, size_t at, size_t *next)
{
    const struct tokens *doc = r->doc;
    if (text_at(doc, at, '"') || text_at(doc, at, '\'')) {
        bool *unclosed = &r->unclosed[doc->text[at] == '"'];
        const size_t end = *unclosed ? doc->text_len : text_find_byte(doc, at + 1, doc->text[at]);
        *unclosed |= end == doc->text_len;
        *next = end + 1;
        return *unclosed ? 0 : end;
    }
    const size_t from = at;
    while (at < doc->text_len && !text_is(doc, at, TEXT_SPACE) &&
           !strchr("<>\"'=`", doc->text[at])) {
        at++;
    }
    *next = at;
    return at > from ? at : 0;
}

/* Reads the attribute at 'at' and labels its parts if 'emits'; returns where to continue, or 0. */
static size_t read_attribute(struct reader *r, size_t at, bool emits)
{
    const struct tokens *doc = r->doc;
    const size_t from = at;
    at += text_at(doc, at, '@') || text_at(doc, at, ':') || text_at(doc, at, '#');
    const size_t end = name_end(doc, at);
    if (end == at) {
        return 0;
    }
    size_t next = end;
    const size_t equals = text_run_end(doc, end, TEXT_SPACE);
    size_t value = 0, last = 0;
    if (text_at(doc, equals, '=')) {
        value = text_run_end(doc, equals + 1, TEXT_SPACE);
        last = value_end(r, value, &next);
        if (!last) {
            return 0;
        }
        value += text_at(doc, value, '"') || text_at(doc, value, '\'');
    }
    if (emits) {
        emit(r, ATTRIBUTE, from, end);
        emit(r, VALUE, value, last);
    }
    return next;
}

/* Reads the tag whose name begins at 'name' and labels its parts if 'emits'; returns its end, or
 * 0. */
static size_t read_tag(struct reader *r, size_t name, bool emits)
{
    const struct tokens *doc = r->doc;
    size_t at = name_end(doc, name);
    if (emits) {
        emit(r, TAG_NAME, name, at);
    }
    for (;;) {
        const size_t next = text_run_end(doc, at, TEXT_SPACE);
        if (text_at(doc, next, '>')) {
            return next + 1;
        }
        if (text_at(doc, next, '/') && text_at(doc, next + 1, '>')) {
            return next + 2;
        }
        at = next > at ? read_attribute(r, next, emits) : 0;
        if (!at) {
            return 0;
        }
    }
}

/* The end of the comment or declaration that begins with <! or <? at 'at', or 0. */
static size_t declaration_end(struct reader *r, size_t at)
{
    const struct tokens *doc = r->doc;
    if (text_begins(doc, at, "<!--")) {
        const char *close = memmem(doc->text + at + 4, doc->text_len - at - 4, "-->", 3);
        const size_t end = close ? (size_t)(close - doc->text) : doc->text_len;
        emit(r, COMMENT, at + 4, end);
        return end + (close ? 3 : 0);
    }
    size_t end = at + 2;
    while (end < doc->text_len && doc->text[end] != '<' && doc->text[end] != '>') {
        end++;
    }
    return text_is(doc, at + 2, TEXT_ALPHA) && text_at(doc, end, '>') ? end + 1 : 0;
}

/* Labels the waiting text, if any, which ends at 'to'. */
static void end_text(struct reader *r, size_t to)
{
    size_t from = r->text_begin;
    while (from < to && text_is(r->doc, from, TEXT_SPACE)) {
        from++;
    }
    while (to > from && text_is(r->doc, to - 1, TEXT_SPACE)) {
        to--;
    }
    emit(r, TEXT, from, to);
}

/* Reads the tag or comment that begins with the < at 'at'; returns its end, or 0 if it is text. */
static size_t read_markup(struct reader *r, size_t at)
{
    const struct tokens *doc = r->doc;
    const bool closes = text_at(doc, at + 1, '/');
    const size_t name = at + 1 + closes;
    if (r->raw && !(closes && same_word(doc, name, name_end(doc, name), r->raw))) {
        return 0;
    }
    if (!text_is(doc, name, TEXT_ALPHA)) {
        const bool declares = text_at(doc, at + 1, '!') || text_at(doc, at + 1, '?');
        return declares ? declaration_end(r, at) : 0;
    }
    const size_t end = read_tag(r, name, false);
    if (!end) {
        return 0;
    }
    read_tag(r, name, true);
    const bool empty = text_at(doc, end - 2, '/');
    const size_t behind = name_end(doc, name);
    r->raw = closes || empty                          ? NULL
             : same_word(doc, name, behind, "script") ? "script"
             : same_word(doc, name, behind, "style")  ? "style"
                                                      : NULL;
    return end;
}

static bool is_markup(const struct tokens *doc)
{
    const size_t first = text_run_end(doc, 0, TEXT_SPACE);
    if (text_begins(doc, first, "<?xml") ||
        (doc->text_len - first >= 9 && strncasecmp(doc->text + first, "<!doctype", 9) == 0) ||
        (doc->text_len - first >= 5 && strncasecmp(doc->text + first, "<html", 5) == 0)) {
        return true;
    }
    size_t n = 0;
    for (size_t at = 0; (at = text_find_byte(doc, at, '<')) < doc->text_len; at++) {
        n += text_at(doc, at + 1, '/') && text_is(doc, at + 2, TEXT_ALPHA) &&
             text_at(doc, name_end(doc, at + 2), '>');
    }
    return n > doc->text_len / BYTES_A_TAG;
}

static int mark_markup(const struct tokens *doc, uint8_t *label, enum part asked)
{
    if (!is_markup(doc)) {
        return 0;
    }
    struct reader r = {.doc = doc, .label = label, .asked = asked, .text_begin = SIZE_MAX};
    for (size_t at = 0; (at = text_find_byte(doc, at, '<')) < doc->text_len;) {
        const bool raw = r.raw != NULL;
        const size_t end = read_markup(&r, at);
        if (!end) {
            at++;
            continue;
        }
        if (!raw) {
            end_text(&r, at);
        }
        r.text_begin = at = end;
    }
    return 0;
}

CODE_LABEL(html_attribute, mark_markup(doc, label, ATTRIBUTE))
CODE_LABEL(html_comment, mark_markup(doc, label, COMMENT))
CODE_LABEL(html_tag_name, mark_markup(doc, label, TAG_NAME))
CODE_LABEL(html_text, mark_markup(doc, label, TEXT))
CODE_LABEL(html_value, mark_markup(doc, label, VALUE))
