/*
 * code_python.c - strings and comments of Python
 *
 * in_string     inside of a string, docstrings included
 * in_docstring  inside of a string that is a statement of its own and the first thing of the
 *               document, or of a def or class
 * in_comment    inside of a comment, from behind its # to the line's end
 *
 * The state after the token's last byte counts: opening quotes (all three of a long string's) are
 * labelled if they end a token, the closing quote is not; of the tokens x|="|a|" the second and
 * third are.  A comment's LF is not labelled.
 *
 * The reader knows ' and ", three of them, backslashes (also in raw strings, where they keep the
 * quote from closing as well), prefixes (r b u f and two of these), and comments.  f-strings are
 * strings throughout.  A quote right behind any other name or digit is an apostrophe.  A string
 * with one quote that is not closed in its line (which a backslash before the LF continues) is not
 * a string, and the rest of that line is not read; a string of three quotes that is never closed
 * goes on to the document's end, because a text may have been cut.
 *
 * Only documents that look like Python have labels.  They have one of these:
 *   - a line "def NAME(..." or "class NAME..." (async or not) that ends with a colon
 *   - a line "from NAME import ..."
 *   - a first line "#!...python"
 * or these two together:
 *   - a line "import NAME" with nothing behind but more names, "as" and commas
 *   - a line "if ...:", "elif ...:", "for ... in ...:", "while ...:", "try:", "else:", "with ...:"
 *     or "except...:"
 * So the labels depend on later text as well.
 */
#include "miners/code/code_list.h"

#include <string.h>

/* The end of the line's code: before white space, and before a comment that no quote precedes. */
static size_t code_end(const struct tokens *doc, const struct text_line *l)
{
    size_t end = l->first;
    while (end < l->end && !strchr("#'\"", doc->text[end])) {
        end++;
    }
    end = text_at(doc, end, '#') ? end : l->end;
    while (end > l->first && text_is(doc, end - 1, TEXT_BLANK)) {
        end--;
    }
    return end;
}

/* Whether text[from, to) has only names, points, commas, blanks and characters of 'more'. */
static bool only_names(const struct tokens *doc, size_t from, size_t to, const char *more)
{
    for (size_t i = from; i < to; i++) {
        const char c = doc->text[i];
        if (!text_is(doc, i, TEXT_NAME | TEXT_BLANK) && c != '.' && c != ',' &&
            (c == '\0' || !strchr(more, c))) {
            return false;
        }
    }
    return to > from;
}

static bool is_definition(const struct tokens *doc, size_t at, size_t end)
{
    at += text_begins(doc, at, "async ") ? 6 : 0;
    const bool def = text_begins(doc, at, "def ");
    if (!def && !text_begins(doc, at, "class ")) {
        return false;
    }
    const size_t name = at + (def ? 4 : 6), behind = text_run_end(doc, name, TEXT_NAME | TEXT_HIGH);
    return behind > name && (text_at(doc, behind, '(') || (!def && behind + 1 == end)) &&
           text_at(doc, end - 1, ':');
}

static bool is_block(const struct tokens *doc, size_t at, size_t end)
{
    static const char *const words[] = {"if ",  "elif ", "while ", "with ",
                                        "try:", "else:", "except"};
    if (!text_at(doc, end - 1, ':')) {
        return false;
    }
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (text_begins(doc, at, words[i])) {
            return true;
        }
    }
    return text_begins(doc, at, "for ") && memmem(doc->text + at, end - at, " in ", 4);
}

static bool is_python(const struct tokens *doc)
{
    bool imports = false, block = false;
    for (struct text_line l = {0}; text_line(doc, &l);) {
        const size_t at = l.first;
        if (at == l.end || (!strchr("acdefitw", doc->text[at]) && l.begin > 0)) {
            continue;
        }
        const size_t end = code_end(doc, &l);
        if (is_definition(doc, at, end) ||
            (l.begin == 0 && text_begins(doc, 0, "#!") && memmem(doc->text, l.end, "python", 6))) {
            return true;
        }
        if (text_begins(doc, at, "from ")) {
            const size_t name = text_run_end(doc, at + 5, TEXT_NAME);
            const char *import = memmem(doc->text + at, end - at, " import ", 8);
            const size_t words = import ? (size_t)(import - doc->text) : at;
            if (import && (name > at + 5 || text_at(doc, name, '.')) &&
                text_find(doc, at + 5, TEXT_BLANK) == words &&
                only_names(doc, words + 8, end, "()*\\")) {
                return true;
            }
        }
        imports |= text_begins(doc, at, "import ") && only_names(doc, at + 7, end, "");
        block |= is_block(doc, at, end);
        if (imports && block) {
            return true;
        }
    }
    return false;
}

enum what { STRING, DOCSTRING, COMMENT };

struct lexer {
    const struct tokens *doc;
    uint8_t *label;
    enum what asked;
    size_t token;    // for mark_state()
    size_t depth;    // number of open brackets
    bool line_begin; // only white space and a string's prefix were read of the line
    bool defines;    // the statement begins with def or class
    char last;       // the last character of code that was read; '\0' at first
};

static void emit(struct lexer *x, enum what what, size_t from, size_t to)
{
    if (what == x->asked || (what == DOCSTRING && x->asked == STRING)) {
        mark_state(x->label, x->doc, &x->token, from, to);
    }
}

/* The end of the string with three quotes, or of the document. */
static size_t long_end(const struct tokens *doc, size_t at)
{
    const char quote = doc->text[at];
    for (at += 3; at < doc->text_len; at++) {
        if (doc->text[at] == quote && text_at(doc, at + 1, quote) && text_at(doc, at + 2, quote)) {
            return at + 3;
        }
        at += doc->text[at] == '\\';
    }
    return doc->text_len + 1;
}

/* Reads the string at 'at' and returns where to continue. */
static size_t read_string(struct lexer *x, size_t at)
{
    const struct tokens *doc = x->doc;
    const char quote = doc->text[at];
    const bool is_long = text_at(doc, at + 1, quote) && text_at(doc, at + 2, quote);
    size_t end = is_long ? long_end(doc, at) : 0;
    if (is_long || text_string(doc, at, &end)) {
        const bool documents =
            x->line_begin && !x->depth && (x->last == '\0' || (x->last == ':' && x->defines));
        emit(x, documents ? DOCSTRING : STRING, at + (is_long ? 3 : 1), end);
    }
    x->line_begin = false;
    x->last = quote;
    return end;
}

/* Reads the name or number at 'at' with a quote behind it that opens nothing; returns where to
 * continue. */
static size_t read_name(struct lexer *x, size_t at)
{
    const struct tokens *doc = x->doc;
    const size_t end = text_run_end(doc, at, TEXT_NAME | TEXT_HIGH);
    const bool quoted = text_at(doc, end, '"') || text_at(doc, end, '\'');
    if (quoted && end - at <= 2 && strchr("rRbBuUfF", doc->text[at]) &&
        strchr("rRbBuUfF", doc->text[end - 1])) {
        return end;
    }
    if (x->line_begin && (x->depth == 0 || text_at(doc, at - 1, '\n'))) {
        x->defines = text_begins(doc, at, "def ") || text_begins(doc, at, "class ") ||
                     text_begins(doc, at, "async ");
        x->depth = x->defines ? 0 : x->depth; // an unclosed bracket does not last
    }
    x->line_begin = false;
    x->last = doc->text[at];
    return end + quoted;
}

static size_t read_next(struct lexer *x, size_t at)
{
    const struct tokens *doc = x->doc;
    const char c = doc->text[at];
    if (text_is(doc, at, TEXT_BLANK)) {
        return at + 1;
    }
    if (c == '\n') {
        x->line_begin = true;
        return at + 1;
    }
    if (text_is(doc, at, TEXT_NAME | TEXT_HIGH)) {
        return read_name(x, at);
    }
    if (c == '"' || c == '\'') {
        return read_string(x, at);
    }
    if (c == '#') {
        const size_t end = text_find_byte(doc, at, '\n');
        emit(x, COMMENT, at + 1, end + 1);
        return end;
    }
    if (c == '(' || c == '[' || c == '{') {
        x->depth++;
    } else if ((c == ')' || c == ']' || c == '}') && x->depth > 0) {
        x->depth--;
    }
    x->line_begin = false;
    x->last = c ? c : '.'; // '\0' is kept for "nothing"
    return at + 1;
}

static int mark_python(const struct tokens *doc, uint8_t *label, enum what asked)
{
    if (!is_python(doc)) {
        return 0;
    }
    struct lexer x = {.doc = doc, .label = label, .asked = asked, .line_begin = true};
    for (size_t at = 0; at < doc->text_len;) {
        at = read_next(&x, at);
    }
    return 0;
}

CODE_LABEL(in_comment, mark_python(doc, label, COMMENT))
CODE_LABEL(in_docstring, mark_python(doc, label, DOCSTRING))
CODE_LABEL(in_string, mark_python(doc, label, STRING))
