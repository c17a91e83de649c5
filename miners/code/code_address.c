/*
 * code_address.c - addresses: url, email
 *
 * url    scheme://..., where the scheme is 2 to 16 of A-Z a-z 0-9 + . - and begins with a letter,
 *        and www.name...; it goes up to the next white space, control character, character beyond
 *        ASCII, one of < > " ` \ { } | ^, or a ) or ] that has no partner in it; its last character
 *        is not one that ends a sentence (. , ; : ! ? ' *).
 * email  name@domain.tld: the name consists of A-Z a-z 0-9 . _ % + - and does not begin with a
 *        point; the domain has at least two parts of letters, digits and -, the last of two letters
 *        or more.  user@host without a point is not an address.
 *
 * Every token that shares a byte with the address is labelled; a "<" in front or a "." behind is
 * not part of it.
 *
 *     see https://example.org/a_(b)?c=d.   labelled up to the d
 *     (http://example.org)                 labelled without the parentheses
 *     std::vector, C://, a@b               none
 */
#include "miners/code/code_list.h"

#include <string.h>

#include "miners/core/miner.h"

#define MAX_SCHEME 16

static bool in_scheme(const struct tokens *doc, size_t at)
{
    return text_is(doc, at, TEXT_ALNUM) || text_at(doc, at, '+') || text_at(doc, at, '.') ||
           text_at(doc, at, '-');
}

/* The beginning of the scheme in front of the :// at 'colon'; 'colon' if there is none. */
static size_t scheme_begin(const struct tokens *doc, size_t colon)
{
    size_t at = colon;
    while (colon - at < MAX_SCHEME && in_scheme(doc, at - 1)) {
        at--;
    }
    while (at < colon && !text_is(doc, at, TEXT_ALPHA)) {
        at++;
    }
    return colon - at >= 2 && !text_after_name(doc, at) ? at : colon;
}

static bool in_url(const struct tokens *doc, size_t at)
{
    const unsigned char c = at < doc->text_len ? (unsigned char)doc->text[at] : ' ';
    return c > ' ' && c < 0x7f && !strchr("<>\"`\\{}|^", c);
}

/* The end of an address whose rest begins at 'at'. */
static size_t url_end(const struct tokens *doc, size_t at)
{
    const size_t from = at;
    size_t round = 0, square = 0; // number of open brackets
    for (; in_url(doc, at); at++) {
        const char c = doc->text[at];
        if ((c == ')' && !round) || (c == ']' && !square)) {
            break;
        }
        round += c == '(' ? 1 : c == ')' ? SIZE_MAX : 0;
        square += c == '[' ? 1 : c == ']' ? SIZE_MAX : 0;
    }
    while (at > from && strchr(".,;:!?'*", doc->text[at - 1])) {
        at--;
    }
    return at;
}

static bool begins_www(const struct tokens *doc, size_t at)
{
    return text_begins(doc, at, "www.") && text_is(doc, at + 4, TEXT_ALNUM) &&
           !text_after_name(doc, at) && !text_at(doc, at - 1, '.') && !text_at(doc, at - 1, '-');
}

static int mark_urls(const struct tokens *doc, uint8_t *label)
{
    size_t token = 0;
    for (size_t at = 0, from, end; at < doc->text_len; at++) {
        if (doc->text[at] == ':' && text_begins(doc, at, "://") &&
            text_is(doc, at + 3, TEXT_ALNUM | TEXT_UNDER)) {
            from = scheme_begin(doc, at);
            end = from < at ? url_end(doc, at + 3) : at;
        } else if (doc->text[at] == 'w' && begins_www(doc, at)) {
            from = at;
            end = url_end(doc, at + 4);
        } else {
            continue;
        }
        if (end > at) {
            miner_mark(label, doc, &token, from, end, MARK_ALL);
            at = end - 1;
        }
    }
    return 0;
}

static bool in_mailbox(const struct tokens *doc, size_t at)
{
    return text_is(doc, at, TEXT_NAME) ||
           (at < doc->text_len && strchr(".%+-", doc->text[at]) && doc->text[at] != '\0');
}

/* The end of the domain that begins at 'at', or 0. */
static size_t domain_end(const struct tokens *doc, size_t at)
{
    size_t end = 0;
    for (size_t part = at;; part = at + 1) {
        at = part;
        while (text_is(doc, at, TEXT_ALNUM) || (text_at(doc, at, '-') && at > part)) {
            at++;
        }
        while (at > part && text_at(doc, at - 1, '-')) {
            at--;
        }
        const size_t letters = text_run_end(doc, part, TEXT_ALPHA);
        if (end && letters == at && letters - part >= 2) {
            end = at;
        } else if (at == part) {
            break;
        }
        end = end ? end : SIZE_MAX; // the first part alone is not enough
        if (!text_at(doc, at, '.')) {
            break;
        }
    }
    return end == SIZE_MAX ? 0 : end;
}

static int mark_emails(const struct tokens *doc, uint8_t *label)
{
    size_t token = 0;
    for (size_t at = 0; (at = text_find_byte(doc, at, '@')) < doc->text_len; at++) {
        size_t from = at;
        while (in_mailbox(doc, from - 1)) {
            from--;
        }
        from += text_at(doc, from, '.');
        const size_t end = from < at ? domain_end(doc, at + 1) : 0;
        if (end) {
            miner_mark(label, doc, &token, from, end, MARK_ALL);
        }
    }
    return 0;
}

CODE_LABEL(email, mark_emails(doc, label))
CODE_LABEL(url, mark_urls(doc, label))
