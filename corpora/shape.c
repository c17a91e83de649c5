#include "corpora/shape.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "corpora/base/json.h"
#include "corpora/base/mem.h"
#include "corpora/base/utf8.h"
#include "corpora/encoding.h"
#include "corpora/endings.h"
#include "corpora/kind.h"

// Blanks, lines of strings and lengths are looked at up to here.
#define LOOK_BYTES ((size_t)64 << 10)

// A first value that is longer than this is not seen whole.
#define LOOK_MOST ((size_t)16 << 20)

/* The beginning of a stream, as far as it was looked at. */
struct beginning {
    struct stream *stream;
    const char *text; // [n]; later calls of see() move it
    size_t n;
    bool whole; // the stream ends here, or fails
};

/* Looks at the first 'want' bytes.  More may have arrived, which must not matter. */
static void see(struct beginning *b, size_t want)
{
    const size_t n = stream_peek(b->stream, want, &b->text);
    b->whole = n < want;
    b->n = n < want ? n : want;
}

static size_t skip_blanks(const struct beginning *b, size_t at)
{
    while (at < b->n && json_is_space(b->text[at])) {
        at++;
    }
    return at;
}

static bool name_says_jsonl(const char *name)
{
    return endings_end_with(name, ".jsonl") || endings_end_with(name, ".ndjson") ||
           endings_end_with(name, ".json");
}

// --- JSON --------------------------------------------------------------------------------------

/* Whether text[len] is the beginning of a JSON value, or has a whole one at its beginning; *end:
 * how much of it that takes. */
static enum json_beginning prefix_of(struct json_parser *parser, const char *text, size_t len,
                                     size_t *end)
{
    enum json_beginning begins = JSON_WRONG;
    *end = 0;
    if (len == 0 || len > LOOK_MOST || memchr(text, '\0', len)) {
        return len == 0 ? JSON_BEGUN : JSON_WRONG;
    }
    if (json_begin(parser, &begins, end, text, len, NULL)) {
        mem_lost();
    }
    return begins;
}

/* Whether text[len] is one array, object or string with blanks around it. */
static bool is_json(struct json_parser *parser, const char *text, size_t len)
{
    size_t end;
    if (prefix_of(parser, text, len, &end) != JSON_WHOLE) {
        return false;
    }
    while (end < len && json_is_space(text[end])) {
        end++;
    }
    return end == len;
}

/* Whether a key and a colon stand behind the bracket at 'at', which no text has by chance. */
static bool has_key(const struct beginning *b, struct json_parser *parser, size_t at)
{
    size_t end, key = skip_blanks(b, at + 1);
    if (key == b->n || b->text[key] != '"' ||
        prefix_of(parser, b->text + key, b->n - key, &end) != JSON_WHOLE) {
        return false;
    }
    key = skip_blanks(b, key + end);
    return key < b->n && b->text[key] == ':';
}

/* Sees more until the JSON value at 'at' is whole or wrong. */
static enum json_beginning see_value(struct beginning *b, struct json_parser *parser, size_t at,
                                     size_t *end)
{
    for (size_t want = LOOK_BYTES;; want *= 2) {
        see(b, want);
        const enum json_beginning p = prefix_of(parser, b->text + at, b->n - at, end);
        if (p != JSON_BEGUN || b->whole || want >= LOOK_MOST) {
            *end += at;
            return p;
        }
    }
}

// --- one first byte after the other ------------------------------------------------------------

/* Whether the line at 'at' is whole within LOOK_BYTES and one JSON value: then it is the first of
 * JSONL, and nothing behind it needs to be seen. */
static bool is_first_line(struct beginning *b, struct json_parser *parser, size_t at,
                          struct shape *out)
{
    const char *lf;
    while (!(lf = memchr(b->text + at, '\n', b->n - at)) && !b->whole && b->n < LOOK_BYTES) {
        see(b, b->n + 1);
    }
    const size_t len = lf ? (size_t)(lf - b->text) - at : b->n - at;
    if ((!lf && !b->whole) || !is_json(parser, b->text + at, len)) {
        return false;
    }
    *out = (struct shape){.records = RECORDS_LINES, .first = b->text + at, .first_len = len};
    return true;
}

/* The first line is no whole value.  Are there values over several lines, or several on a line? */
static void find_values(struct beginning *b, struct json_parser *parser, size_t at,
                        struct shape *out)
{
    size_t end;
    see(b, LOOK_BYTES);
    if (!b->whole && !memchr(b->text + at, '\n', b->n - at)) {
        return; // one long line
    }
    const enum json_beginning p = see_value(b, parser, at, &end);
    if (p == JSON_WRONG || (p == JSON_BEGUN && b->whole)) {
        return;
    }
    if (p == JSON_WHOLE) {
        size_t next = end;
        while (next < b->n && (b->text[next] == ' ' || b->text[next] == '\t')) {
            next++;
        }
        const bool beside = next < b->n && memchr("{,", b->text[next], 2);
        if (!beside && !memchr(b->text + at, '\n', end - at)) {
            return;
        }
        out->first = b->text + at;
        out->first_len = end - at;
        out->alone = b->whole && skip_blanks(b, end) == b->n;
    }
    out->records = RECORDS_VALUES;
}

/* Whether a line behind 'at' within LOOK_BYTES begins an object with a key, and all that can be
 * seen of the line is JSON. */
static bool has_json_line(const struct beginning *b, struct json_parser *parser, size_t at)
{
    const char *lf;
    while ((lf = memchr(b->text + at, '\n', b->n - at))) {
        at = skip_blanks(b, (size_t)(lf - b->text));
        lf = memchr(b->text + at, '\n', b->n - at);
        const size_t len = (lf ? (size_t)(lf - b->text) : b->n) - at;
        size_t end;
        if (len > 0 && b->text[at] == '{' && has_key(b, parser, at) &&
            (is_json(parser, b->text + at, len) ||
             (!lf && prefix_of(parser, b->text + at, len, &end) == JSON_BEGUN))) {
            return true;
        }
    }
    return false;
}

static bool begins_value(const char *text, size_t len)
{
    static const char *const words[] = {"true", "false", "null", "NaN"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (len >= strlen(words[i]) && memcmp(text, words[i], strlen(words[i])) == 0) {
            return true;
        }
    }
    return memchr("\"'{[-0123456789", text[0], 15) != NULL;
}

/* Whether 'at' is where a key without quotes or in single quotes begins, as Python and JavaScript
 * print objects; a word and a colon before no value, as in "{ File: a.h }", is a text. */
static bool is_bare_key(const struct beginning *b, size_t at)
{
    if (b->text[at] == '\'') {
        return true;
    }
    const size_t from = at;
    while (at < b->n && (isalnum((unsigned char)b->text[at]) || b->text[at] == '_')) {
        at++;
    }
    const size_t colon = skip_blanks(b, at);
    if (at == from || colon == b->n || b->text[colon] != ':') {
        return false;
    }
    const size_t value = skip_blanks(b, colon + 1);
    return value == b->n || begins_value(b->text + value, b->n - value);
}

/* Whether what begins with the brace at 'at' is plainly no JSON: {\small, {{x}}, {% if %}, a block
 * of C.  One line of JSONL among the first makes it JSONL, of which the first line is broken. */
static bool is_text_in_braces(struct beginning *b, struct json_parser *parser, size_t at)
{
    if (name_says_jsonl(stream_name(b->stream))) {
        return false;
    }
    see(b, LOOK_BYTES);
    const size_t next = skip_blanks(b, at + 1);
    return next < b->n && b->text[next] != '"' && b->text[next] != '}' && !is_bare_key(b, next) &&
           !has_json_line(b, parser, at);
}

static int refuse_array(const struct beginning *b, const char *what, struct err *err)
{
    return err_set(err, ERR_UNSUPPORTED,
                   "%s: %s; objects with a text, or strings, are read from an array or one per "
                   "line (`jq -c '.[]' FILE >NEW` writes the items of arrays so); --format text "
                   "takes the file as text",
                   stream_name(b->stream), what);
}

/* What follows the array that ends at 'end': nothing, another array on its own line, or else. */
static enum json_beginning follows_array(const struct beginning *b, struct json_parser *parser,
                                         size_t end)
{
    size_t at = skip_blanks(b, end);
    if (at == b->n) {
        return JSON_WHOLE;
    }
    const char *lf = memchr(b->text + at, '\n', b->n - at);
    const size_t len = (lf ? (size_t)(lf - b->text) : b->n) - at;
    const bool array = b->text[at] == '[' && is_json(parser, b->text + at, len);
    return array && memchr(b->text + end, '\n', at - end) ? JSON_BEGUN : JSON_WRONG;
}

/* An array, as far as it can be seen. */
struct array {
    size_t at, item, item_end; // its bracket; its first item
    size_t next;               // what follows that, behind blanks
    size_t end;                // of the array, if it is whole
    enum json_beginning first; // of the first item
    enum json_beginning all;
};

static struct array look_at_array(struct beginning *b, struct json_parser *parser, size_t at)
{
    struct array a = {.at = at, .first = JSON_BEGUN, .all = JSON_BEGUN};
    see(b, LOOK_BYTES);
    a.item = a.item_end = a.next = skip_blanks(b, at + 1);
    if (a.item == b->n) {
        return a;
    }
    const bool empty = b->text[a.item] == ']';
    a.first = empty ? JSON_WHOLE : see_value(b, parser, a.item, &a.item_end);
    a.next = skip_blanks(b, a.item_end);
    a.all = prefix_of(parser, b->text + at, b->n - at, &a.end);
    a.end += at;
    return a;
}

/* Whether an item that ends before 'next' is followed as one is; the end of what can be seen is
 * no sign against it. */
static bool is_followed(const struct beginning *b, size_t next)
{
    return next == b->n || b->text[next] == ',' || b->text[next] == ']';
}

static bool is_of_objects(const struct beginning *b, struct json_parser *parser,
                          const struct array *a)
{
    switch (a->first) {
    case JSON_WHOLE:
        return is_followed(b, a->next) || has_key(b, parser, a->item);
    case JSON_BEGUN:
        return b->n - a->item > 1;
    case JSON_WRONG:
        break;
    }
    return has_key(b, parser, a->item);
}

/* Whether it is an array of strings where what can be seen of it is no JSON: then its first two
 * items are strings, for "["Yes", said Bob" is a text. */
static bool is_of_strings_and_broken(const struct beginning *b, struct json_parser *parser,
                                     const struct array *a)
{
    if (a->first != JSON_WHOLE || a->next == b->n || b->text[a->next] != ',') {
        return false;
    }
    size_t end, second = skip_blanks(b, a->next + 1);
    if (second == b->n || b->text[second] != '"') {
        return false;
    }
    const enum json_beginning p = prefix_of(parser, b->text + second, b->n - second, &end);
    return p == JSON_BEGUN || (p == JSON_WHOLE && is_followed(b, skip_blanks(b, second + end)));
}

/* Whether it is an array of texts, whole, cut or broken.  more: something follows its end. */
static bool is_of_texts(const struct beginning *b, struct json_parser *parser,
                        const struct array *a, bool more)
{
    switch (b->text[a->item]) {
    case '{':
        return is_of_objects(b, parser, a);
    case '"':
        if (name_says_jsonl(stream_name(b->stream))) {
            return true;
        }
        if (a->all == JSON_WRONG) {
            return is_of_strings_and_broken(b, parser, a);
        }
        return !more && (a->first == JSON_WHOLE || !b->whole);
    case ']':
        return !more;
    default:
        return false;
    }
}

static int find_array(struct beginning *b, struct json_parser *parser, size_t at, bool jsonl,
                      struct shape *out, struct err *err)
{
    const struct array a = look_at_array(b, parser, at);
    if (a.item == b->n) {
        return 0;
    }
    const enum json_beginning then =
        a.all == JSON_WHOLE ? follows_array(b, parser, a.end) : JSON_WHOLE;
    if (jsonl && then != JSON_WHOLE) {
        return 0; // lines, of which the first is an array
    }
    if (then == JSON_BEGUN) {
        return refuse_array(b, "a JSON array on each line", err);
    }
    if (is_of_texts(b, parser, &a, then != JSON_WHOLE)) {
        const bool whole = a.first == JSON_WHOLE && b->text[a.item] != ']';
        out->records = RECORDS_ARRAY;
        out->strings = true;
        out->first = whole ? b->text + a.item : NULL;
        out->first_len = whole ? a.item_end - a.item : 0;
        return 0;
    }
    const bool list = a.all != JSON_WRONG && a.next < b->n && b->text[a.next] == ',';
    if (list && then == JSON_WHOLE && b->text[a.item] != '"' && !jsonl) {
        return refuse_array(b, "a JSON array, whose first item is neither an object nor a string",
                            err);
    }
    return 0;
}

/* jsonl: the user, or the file's name, says that there are records. */
static void find_strings(struct beginning *b, struct json_parser *parser, size_t at, bool jsonl,
                         struct shape *out)
{
    see(b, LOOK_BYTES);
    size_t n_lines = 0;
    while (!jsonl && (at = skip_blanks(b, at)) < b->n) {
        const char *lf = memchr(b->text + at, '\n', b->n - at);
        const size_t end = lf ? (size_t)(lf - b->text) : b->n;
        if (!lf && !b->whole && n_lines > 0) {
            break; // a line of which the end is not seen
        }
        if (b->text[at] != '"' || !is_json(parser, b->text + at, end - at)) {
            return;
        }
        n_lines++;
        at = end;
    }
    if (jsonl || n_lines >= 2) {
        out->records = RECORDS_LINES;
        out->strings = true;
    }
}

static void find_marked(struct beginning *b, size_t at, struct shape *out)
{
    see(b, LOOK_BYTES);
    at = skip_blanks(b, at + 1);
    if (at < b->n && memchr("{[\"", b->text[at], 3)) {
        const char *mark = memchr(b->text + at, 0x1e, b->n - at);
        out->records = RECORDS_MARKED;
        out->strings = true;
        out->first = mark || b->whole ? b->text + at : NULL;
        out->first_len = mark ? (size_t)(mark - b->text) - at : out->first ? b->n - at : 0;
    }
}

/* Follows the lengths of lm_dataformat's .dat as far as they can be seen. */
static void find_lengths(struct beginning *b, struct shape *out)
{
    see(b, LOOK_BYTES);
    size_t at = 0, n_lengths = 0;
    bool any = false; // a line of zeros is no list of empty texts
    while (at < b->n && b->n - at >= RECORDS_LENGTH_DIGITS) {
        const uint64_t len = records_length(b->text + at);
        if (len == UINT64_MAX) {
            break;
        }
        any = any || len > 0;
        n_lengths++;
        at = len < b->n ? at + RECORDS_LENGTH_DIGITS + (size_t)len : b->n + 1;
    }
    if (!any) {
        return;
    }
    if (n_lengths >= 2 ||
        (n_lengths == 1 && (at == b->n || endings_end_with(stream_name(b->stream), ".dat")))) {
        out->records = RECORDS_LENGTHS;
    }
}

// --- all of them -------------------------------------------------------------------------------

/* Sees the first byte that is not blank, at *at; *at is b->n if there is none within LOOK_BYTES. */
static void see_first(struct beginning *b, size_t *at)
{
    see(b, 3);
    *at = utf8_bom(b->text, b->n);
    while ((*at = skip_blanks(b, *at)) == b->n && !b->whole && b->n < LOOK_BYTES) {
        see(b, b->n + 1);
    }
}

static int refuse_foreign(struct beginning *b, enum shape_want want, struct err *err)
{
    see(b, KIND_BYTES);
    const struct kind *k =
        want == SHAPE_ANY ? kind_of(b->text, b->n) : kind_of_any_encoding(b->text, b->n);
    return k ? kind_refuse(k, stream_name(b->stream), stream_kind(b->stream), want != SHAPE_IDS,
                           err)
             : 0;
}

/* The first line is JSON, of which ISO-2022 and HZ make strings that are no text; JSON itself cannot
 * have an escape character. */
static int refuse_escapes(const struct beginning *b, enum shape_want want,
                          const struct shape *shape, struct err *err)
{
    const size_t len = shape->first_len < KIND_BYTES ? shape->first_len : KIND_BYTES;
    const struct kind *k = encoding_in_json(shape->first, len);
    return k ? kind_refuse(k, stream_name(b->stream), stream_kind(b->stream), want != SHAPE_IDS,
                           err)
             : 0;
}

static bool begins_word(const struct beginning *b, size_t at, const char *word)
{
    return b->n - at >= strlen(word) && strncasecmp(b->text + at, word, strlen(word)) == 0;
}

/* Refuses an error page that was saved under the name of a file of JSON, also as XML. */
static int refuse_page(struct beginning *b, size_t at, enum shape_want want, struct err *err)
{
    static const struct kind page = {"a web page (HTML or XML), not JSON", NULL,
                                     "a failed download leaves such a page; download it again"};
    static const char *const tags[] = {"<!DOCTYPE", "<html", "<?xml", "<head",
                                       "<body",     "<!--",  "<Error"};
    see(b, LOOK_BYTES);
    for (size_t i = 0; i < sizeof tags / sizeof *tags; i++) {
        if (begins_word(b, at, tags[i])) {
            return kind_refuse(&page, stream_name(b->stream), stream_kind(b->stream),
                               want != SHAPE_IDS, err);
        }
    }
    return 0;
}

static int find(struct beginning *b, struct json_parser *parser, enum shape_want want,
                struct shape *out, struct err *err)
{
    const bool jsonl = want != SHAPE_ANY;
    size_t at;
    see_first(b, &at);
    const bool any = at < b->n;
    const char c = any ? b->text[at] : '\0';
    if (!any && b->whole && name_says_jsonl(stream_name(b->stream))) {
        out->records = RECORDS_LINES;
    }
    if (c == '{' && is_first_line(b, parser, at, out)) {
        return refuse_escapes(b, want, out, err);
    }
    int rc = refuse_foreign(b, want, err);
    if (rc) {
        return rc;
    }
    switch (c) {
    case '{':
        if (want != SHAPE_ANY || !is_text_in_braces(b, parser, at)) {
            out->records = RECORDS_LINES;
            find_values(b, parser, at, out);
        }
        break;
    case '[':
        rc = find_array(b, parser, at, jsonl, out, err);
        break;
    case '"':
        find_strings(b, parser, at, jsonl || name_says_jsonl(stream_name(b->stream)), out);
        break;
    case 0x1e:
        find_marked(b, at, out);
        break;
    case '0':
        find_lengths(b, out);
        break;
    default:
        break;
    }
    // Where the name or the user says that there are records, a comment or the end of a cut line
    // before them is a broken record.
    if (!rc && any && (jsonl || name_says_jsonl(stream_name(b->stream)))) {
        out->records = out->records == RECORDS_NONE ? RECORDS_LINES : out->records;
        rc = c == '<' ? refuse_page(b, at, want, err) : 0;
    }
    return rc;
}

int shape_find(struct stream *s, enum shape_want want, struct shape *out, struct err *err)
{
    struct beginning b = {.stream = s};
    struct json_parser *parser = json_lines_parser_new();
    if (!parser) {
        return err_nomem(err, "a reader of JSON");
    }
    *out = (struct shape){.records = want == SHAPE_ANY ? RECORDS_NONE : RECORDS_LINES};
    const int rc = find(&b, parser, want, out, err);
    json_parser_free(parser);
    return rc;
}
