#include "out/read/reader.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "corpora/base/file.h"
#include "corpora/base/mem.h"
#include "corpora/base/utf8_repair.h"
#include "out/text/printable.h"

#define WIDTH_DEFAULT 100 // where there is neither a terminal to ask nor COLUMNS
#define WIDTH_MIN 60
#define WIDTH_MAX 1000

// --- the terminal and the file -----------------------------------------------------------------

static int look_at_terminal(struct view *v, const char *color, const char *output, struct err *err)
{
    const char *term = getenv("TERM"), *no_color = getenv("NO_COLOR"), *columns = getenv("COLUMNS");
    const bool terminal = !output && isatty(STDOUT_FILENO);
    struct winsize size;
    if (!color || strcmp(color, "auto") == 0) {
        v->colour =
            terminal && term && *term && strcmp(term, "dumb") != 0 && !(no_color && *no_color);
    } else if (strcmp(color, "always") == 0) {
        v->colour = true;
    } else if (strcmp(color, "never") != 0) {
        return err_set(err, ERR_USAGE, "--color %s: always, never or auto is wanted", color);
    }
    size_t width = WIDTH_DEFAULT;
    if (terminal && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
        width = size.ws_col;
    } else if (columns && *columns >= '1' && *columns <= '9') {
        width = strtoul(columns, NULL, 10);
    }
    v->width = width < WIDTH_MIN ? WIDTH_MIN : width > WIDTH_MAX ? WIDTH_MAX : width;
    return 0;
}

int view_open_file(struct view *v, const char *path, struct err *err)
{
    *v = (struct view){.path = path};
    const int rc = store_open_read(&v->store, path, err);
    v->db = rc ? NULL : store_sqlite(v->store);
    return rc;
}

static int open_screen(struct view *v, const char *color, const char *output, struct err *err)
{
    const int rc = look_at_terminal(v, color, output, err);
    if (rc) {
        return rc;
    }
    v->to = open_memstream(&v->text, &v->len);
    return v->to ? 0 : err_nomem(err, "what is shown");
}

int view_open(struct view *v, const char *path, const char *color, const char *output,
              struct err *err)
{
    const int rc = view_open_file(v, path, err);
    return rc ? rc : open_screen(v, color, output, err);
}

int view_open_screen(struct view *v, const char *color, const char *output, struct err *err)
{
    *v = (struct view){0};
    return open_screen(v, color, output, err);
}

int view_close(struct view *v, int rc, const char *output, struct err *err)
{
    struct outfile out = {0};
    store_close(v->store);
    if (v->to && fclose(v->to) != 0 && !rc) {
        rc = err_nomem(err, "what is shown");
    }
    if (!rc && (rc = outfile_open(&out, output, err)) == 0) {
        fwrite(v->text, 1, v->len, out.stream);
        rc = outfile_commit(&out, err);
    }
    outfile_discard(&out);
    free(v->text);
    *v = (struct view){0};
    return rc;
}

// --- reading -----------------------------------------------------------------------------------

static int fail(const struct view *v, struct err *err)
{
    const int code = sqlite3_errcode(v->db) & 0xff;
    return err_set(err, code == SQLITE_IOERR ? ERR_IO : ERR_FORMAT, "%s: %s", v->path,
                   sqlite3_errmsg(v->db));
}

sqlite3_stmt *view_query(const struct view *v, const char *sql, const int64_t *args, int *rc,
                         struct err *err)
{
    sqlite3_stmt *stmt = NULL;
    if (!*rc && sqlite3_prepare_v2(v->db, sql, -1, &stmt, NULL) != SQLITE_OK) {
        *rc = fail(v, err);
    }
    view_again(stmt, args);
    return stmt;
}

void view_again(sqlite3_stmt *stmt, const int64_t *args)
{
    sqlite3_reset(stmt);
    for (int i = 0; i < sqlite3_bind_parameter_count(stmt); i++) {
        sqlite3_bind_int64(stmt, i + 1, args[i]);
    }
}

bool view_step(const struct view *v, sqlite3_stmt *stmt, int *rc, struct err *err)
{
    if (*rc) {
        return false;
    }
    const int code = sqlite3_step(stmt);
    if (code != SQLITE_ROW && code != SQLITE_DONE) {
        *rc = fail(v, err);
    }
    return code == SQLITE_ROW;
}

int64_t view_number(const struct view *v, const char *sql, const int64_t *args, int *rc,
                    struct err *err)
{
    sqlite3_stmt *stmt = view_query(v, sql, args, rc, err);
    const int64_t n = view_step(v, stmt, rc, err) ? sqlite3_column_int64(stmt, 0) : 0;
    sqlite3_finalize(stmt);
    return n;
}

const char *view_text(sqlite3_stmt *stmt, int column)
{
    const char *text = (const char *)sqlite3_column_text(stmt, column);
    return text ? text : "";
}

uint64_t view_u64(sqlite3_stmt *stmt, int column)
{
    return (uint64_t)sqlite3_column_int64(stmt, column);
}

bool view_is_null(sqlite3_stmt *stmt, int column)
{
    return sqlite3_column_type(stmt, column) == SQLITE_NULL;
}

double view_real(sqlite3_stmt *stmt, int column)
{
    return view_is_null(stmt, column) ? NAN : sqlite3_column_double(stmt, column);
}

char *view_strdup(sqlite3_stmt *stmt, int column, int *rc, struct err *err)
{
    char *text = strdup(view_text(stmt, column));
    if (!text && !*rc) {
        *rc = err_nomem(err, "a text");
    }
    return text;
}

/* json-c takes NaN and Infinity for numbers.  JSON has no capital N or I outside of strings. */
static bool has_odd_numbers(const char *text)
{
    for (bool quoted = false; *text; text++) {
        if (*text == '"') {
            quoted = !quoted;
        } else if (quoted && *text == '\\' && text[1]) {
            text++;
        } else if (!quoted && (*text == 'N' || *text == 'I')) {
            return true;
        }
    }
    return false;
}

struct json_object *view_json(sqlite3_stmt *stmt, int column)
{
    const char *text = view_text(stmt, column);
    if (has_odd_numbers(text)) {
        return NULL;
    }
    struct json_tokener *parser = json_parser_new();
    struct json_object *value = NULL;
    struct buf repaired = {0};
    uint64_t n;
    if (parser && utf8_repair(&repaired, text, strlen(text), &n, NULL) == 0 && repaired.len > 0) {
        json_parse(parser, &value, repaired.data, repaired.len, NULL);
    }
    json_tokener_free(parser);
    buf_free(&repaired);
    return value;
}

/* A cell of table 'meta'; "" where it is not there. */
static char *meta(const struct view *v, const char *key, int *rc, struct err *err)
{
    sqlite3_stmt *stmt =
        view_query(v, "SELECT value FROM meta WHERE key=?1", (int64_t[]){0}, rc, err);
    char *value = NULL;
    if (stmt) {
        sqlite3_bind_text(stmt, 1, key, -1, SQLITE_STATIC);
        value = strdup(view_step(v, stmt, rc, err) ? view_text(stmt, 0) : "");
        sqlite3_finalize(stmt);
    }
    if (!value && !*rc) {
        *rc = err_nomem(err, "meta");
    }
    return value;
}

int view_put_state(const struct view *v, struct err *err)
{
    int rc = 0;
    char *finished = meta(v, "finished", &rc, err);
    char *units = meta(v, "units", &rc, err);
    char *done = meta(v, "units_in_tables", &rc, err);
    if (rc) {
        goto out;
    }
    if (*finished) {
        fputs("finished ", v->to);
        show_text(v->to, finished, 0, SIZE_MAX);
    } else {
        fputs("not finished, ", v->to);
        show_text(v->to, *done ? done : "0", 0, SIZE_MAX);
        if (*units) {
            fputs(" of ", v->to);
            show_text(v->to, units, 0, SIZE_MAX);
        }
        fputs(" units so far", v->to);
    }
out:
    free(finished);
    free(units);
    free(done);
    return rc;
}

/* The characters up to the next space, and the bytes that they take. */
static size_t word_at(const char *text, size_t *bytes)
{
    char word[256];
    *bytes = strcspn(text, " ");
    snprintf(word, sizeof word, "%.*s", (int)*bytes, text);
    return show_count(word);
}

void view_note(const struct view *v, size_t indent, const char *fmt, ...)
{
    char *text = NULL;
    va_list args;
    va_start(args, fmt);
    const int len = vasprintf(&text, fmt, args);
    va_end(args);
    if (len < 0) {
        return; // nor will the memory stream find room: view_close() says so
    }
    size_t at = 0, bytes; // columns written
    for (char *word = text; *word; word += bytes) {
        word += strspn(word, " ");
        const size_t n = word_at(word, &bytes);
        if (n > 0 && at > indent && at + 1 + n > v->width) {
            putc('\n', v->to);
            at = 0;
        }
        if (n > 0) {
            const size_t blanks = at == 0 ? indent : 1;
            fprintf(v->to, "%*s", (int)blanks, "");
            show_text(v->to, word, 0, n);
            at += blanks + n;
        }
    }
    putc('\n', v->to);
    free(text);
}

// --- JSON out ----------------------------------------------------------------------------------

static void json_text(struct jsonout *j, const char *text, size_t len)
{
    struct buf repaired = {0};
    uint64_t n;
    if (utf8_repair(&repaired, text, len, &n, NULL) == 0) {
        jsonout_text(j, repaired.len ? repaired.data : "", repaired.len);
    } else {
        jsonout_string(j, "");
    }
    buf_free(&repaired);
}

void view_json_text(struct jsonout *j, const char *text)
{
    json_text(j, text, strlen(text));
}

static bool holds_json(const char *column)
{
    static const char *const names[] = {"detail",    "hist",      "tokens",   "activations",
                                        "labels",    "spec",      "labelled", "rest",
                                        "others",    "places",    "logprobs", "mean_logprob",
                                        "fillers_a", "fillers_b", "marked"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(column, names[i]) == 0) {
            return true;
        }
    }
    return false;
}

static void put_object(struct jsonout *j, struct json_object *value, int digits)
{
    jsonout_begin(j, '{');
    json_object_object_foreach(value, key, member)
    {
        jsonout_key(j, key);
        view_json_value(j, member, digits);
    }
    jsonout_end(j, '}');
}

void view_json_value(struct jsonout *j, struct json_object *value, int digits)
{
    switch (json_object_get_type(value)) {
    case json_type_object:
        put_object(j, value, digits);
        break;
    case json_type_array:
        jsonout_begin(j, '[');
        for (size_t i = 0; i < json_object_array_length(value); i++) {
            view_json_value(j, json_object_array_get_idx(value, i), digits);
        }
        jsonout_end(j, ']');
        break;
    case json_type_double:
        if (digits > 0) {
            jsonout_rounded(j, json_object_get_double(value), digits);
        } else {
            jsonout_double(j, json_object_get_double(value));
        }
        break;
    case json_type_string:
        jsonout_text(j, json_object_get_string(value), (size_t)json_object_get_string_len(value));
        break;
    default: // a whole number, true, false, null
        jsonout_raw(j, json_object_to_json_string(value));
    }
}

bool view_json_cell(struct jsonout *j, sqlite3_stmt *stmt, int column, int digits)
{
    bool whole = true;
    switch (sqlite3_column_type(stmt, column)) {
    case SQLITE_INTEGER:
        jsonout_i64(j, sqlite3_column_int64(stmt, column));
        break;
    case SQLITE_FLOAT:
        if (digits > 0) {
            jsonout_rounded(j, sqlite3_column_double(stmt, column), digits);
        } else {
            jsonout_double(j, sqlite3_column_double(stmt, column));
        }
        break;
    case SQLITE_NULL:
        jsonout_double(j, NAN);
        break;
    default:
        if (!holds_json(sqlite3_column_name(stmt, column))) {
            const char *text = view_text(stmt, column); // before its length, which is of this form
            json_text(j, text, (size_t)sqlite3_column_bytes(stmt, column));
            break;
        }
        struct json_object *value = view_json(stmt, column);
        whole = value || strcmp(view_text(stmt, column), "null") == 0;
        if (digits > 0) {
            view_json_value(j, value, digits);
        } else {
            jsonout_raw(j, json_object_to_json_string_ext(
                               value, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
        }
        json_object_put(value);
    }
    return whole;
}

size_t view_json_columns(struct jsonout *j, sqlite3_stmt *stmt, int from, int end)
{
    size_t damaged = 0;
    for (int i = from; i < end; i++) {
        jsonout_key(j, sqlite3_column_name(stmt, i));
        damaged += !view_json_cell(j, stmt, i, 0);
    }
    return damaged;
}

int view_json_table(const struct view *v, struct jsonout *j, const char *key, sqlite3_stmt *stmt,
                    int digits, struct err *err)
{
    int rc = 0;
    const int n = sqlite3_column_count(stmt);
    jsonout_key(j, key);
    jsonout_begin(j, '{');
    jsonout_key(j, "columns");
    jsonout_begin(j, '[');
    for (int i = 0; i < n; i++) {
        jsonout_string(j, sqlite3_column_name(stmt, i));
    }
    jsonout_end(j, ']');
    jsonout_key(j, "rows");
    jsonout_begin(j, '[');
    while (view_step(v, stmt, &rc, err)) {
        jsonout_begin(j, '[');
        for (int i = 0; i < n; i++) {
            view_json_cell(j, stmt, i, digits);
        }
        jsonout_end(j, ']');
    }
    jsonout_end(j, ']');
    jsonout_end(j, '}');
    return rc;
}

int view_json_rows(const struct view *v, struct jsonout *j, const char *key, const char *sql,
                   const int64_t *args, struct err *err)
{
    int rc = 0;
    sqlite3_stmt *stmt = view_query(v, sql, args, &rc, err);
    jsonout_key(j, key);
    jsonout_begin(j, '[');
    while (view_step(v, stmt, &rc, err)) {
        jsonout_begin(j, '{');
        view_json_columns(j, stmt, 0, sqlite3_column_count(stmt));
        jsonout_end(j, '}');
    }
    jsonout_end(j, ']');
    sqlite3_finalize(stmt);
    return rc;
}
