/*
 * code_clike.c - strings and comments of C and languages written like it
 *
 * c_string   inside of a string: "...", '...', `...`
 * c_comment  inside of a comment: from behind a // to the line's end, and of a slash and asterisk
 *            to the asterisk and slash that end it (or to the document's end)
 *
 * The state after the token's last byte counts: an opening quote or comment mark is labelled if it
 * ends a token, a closing one is not.  " and ' close in their line or open nothing (and the rest of
 * that line is not read); a backslash escapes; ` may span lines, and opens nothing if no other
 * follows.  A ' does not open behind a letter, a digit, < or & (don't, 1'000, Rust's &'a), nor does
 * // behind a colon (http://).  The slashes of JavaScript's regular expressions are not read.
 *
 * Only documents that look like C have labels: C, C++, Java, JavaScript, Go, Rust, C#, PHP, CSS,
 * JSON.  Such a document has a line #include <... or #include "...; or, of its lines that are
 * neither blank nor comments nor begin with #, at least three and at least a third end with ; or {
 * or } or },.  A document is excluded if a line begins with my $, use strict, use warnings or =head
 * (Perl), or if most of the lines with such an end begin with a backslash (LaTeX).  So the labels
 * depend on later text as well.
 */
#include "miners/code/code_list.h"

#include <string.h>

static bool is_perl(const struct tokens *doc, size_t at)
{
    return text_begins(doc, at, "my $") || text_begins(doc, at, "use strict") ||
           text_begins(doc, at, "use warnings") || text_begins(doc, at, "=head");
}

static bool is_include(const struct tokens *doc, size_t at)
{
    return text_begins(doc, at, "#include <") || text_begins(doc, at, "#include \"");
}

static bool is_clike(const struct tokens *doc)
{
    size_t n = 0, n_ends = 0, n_latex = 0;
    bool includes = false;
    for (struct text_line l = {0}; text_line(doc, &l);) {
        const size_t at = l.first;
        size_t end = l.end;
        while (end > at && text_is(doc, end - 1, TEXT_BLANK)) {
            end--;
        }
        if (end == at) {
            continue;
        }
        if (is_perl(doc, at)) {
            return false;
        }
        includes |= is_include(doc, at);
        const char c = doc->text[at], last = doc->text[end - 1];
        if (c == '#' || c == '*' ||
            (c == '/' && (text_at(doc, at + 1, '/') || text_at(doc, at + 1, '*')))) {
            continue;
        }
        const bool ends = last == ';' || last == '{' || last == '}' ||
                          (last == ',' && text_at(doc, end - 2, '}'));
        n++;
        n_ends += ends;
        n_latex += ends && c == '\\';
    }
    return includes || (n_ends >= 3 && 3 * n_ends >= n && 2 * n_latex <= n_ends);
}

enum what { STRING, COMMENT };

struct lexer {
    const struct tokens *doc;
    uint8_t *label;
    enum what asked;
    size_t token; // for mark_state()
};

static void emit(struct lexer *x, enum what what, size_t from, size_t to)
{
    if (what == x->asked) {
        mark_state(x->label, x->doc, &x->token, from, to);
    }
}

/* Reads the comment at 'at' and returns its end. */
static size_t read_comment(struct lexer *x, size_t at)
{
    const struct tokens *doc = x->doc;
    if (text_at(doc, at + 1, '/')) {
        const size_t end = text_find_byte(doc, at, '\n');
        emit(x, COMMENT, at + 2, end + 1);
        return end;
    }
    const char *close = memmem(doc->text + at + 2, doc->text_len - at - 2, "*/", 2);
    const size_t end = close ? (size_t)(close - doc->text) + 2 : doc->text_len + 1;
    emit(x, COMMENT, at + 2, end);
    return end;
}

/* Reads the string at 'at' and returns where to continue. */
static size_t read_string(struct lexer *x, size_t at)
{
    const struct tokens *doc = x->doc;
    const char quote = doc->text[at];
    if (quote == '\'' && (text_is(doc, at - 1, TEXT_NAME | TEXT_HIGH) ||
                          text_at(doc, at - 1, '<') || text_at(doc, at - 1, '&'))) {
        return at + 1;
    }
    size_t end;
    if (text_string(doc, at, &end)) {
        emit(x, STRING, at + 1, end);
    }
    return end;
}

static int mark_clike(const struct tokens *doc, uint8_t *label, enum what asked)
{
    if (!is_clike(doc)) {
        return 0;
    }
    struct lexer x = {.doc = doc, .label = label, .asked = asked};
    for (size_t at = 0; at < doc->text_len;) {
        const char c = doc->text[at];
        if (c == '"' || c == '\'') {
            at = read_string(&x, at);
        } else if (c == '`') {
            const size_t end = text_find_byte(doc, at + 1, '`');
            if (end < doc->text_len) {
                emit(&x, STRING, at + 1, end + 1);
            }
            at = end < doc->text_len ? end + 1 : at + 1;
        } else if (c == '/' && (text_at(doc, at + 1, '*') ||
                                (text_at(doc, at + 1, '/') && !text_at(doc, at - 1, ':')))) {
            at = read_comment(&x, at);
        } else {
            at++;
        }
    }
    return 0;
}

CODE_LABEL(c_comment, mark_clike(doc, label, COMMENT))
CODE_LABEL(c_string, mark_clike(doc, label, STRING))
