#include "out/sql/script.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DIGEST "-- digest"
#define SPACE " \t\r\n"
#define WORD_CHARACTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"

// --- tokens ------------------------------------------------------------------------------------

/* The length of the comment or quoted text that begins at 'at', as SQLite takes it; 0: none. */
static size_t skip_length(const char *at, bool *comment)
{
    const char *end = NULL;
    *comment = true;
    if (at[0] == '-' && at[1] == '-') {
        return strcspn(at, "\n");
    }
    if (at[0] == '/' && at[1] == '*' && at[2]) {
        end = strstr(at + 2, "*/");
        return end ? (size_t)(end + 2 - at) : strlen(at);
    }
    *comment = false;
    if (at[0] == '\0' || !strchr("'\"`[", at[0])) {
        return 0;
    }
    end = strchr(at + 1, at[0] == '[' ? ']' : at[0]); // a doubled quote is two texts side by side
    return end ? (size_t)(end + 1 - at) : strlen(at);
}

int script_plain(struct buf *out, const char *statement, struct err *err)
{
    int rc = 0;
    bool space = false, comment;
    for (size_t n; *statement && !rc; statement += n) {
        n = skip_length(statement, &comment);
        if ((n > 0 && comment) || (n == 0 && strchr(SPACE, *statement))) {
            space = true;
            n = n > 0 ? n : 1;
            continue;
        }
        const char before = out->len > 0 ? out->data[out->len - 1] : '(';
        if (space && !strchr("(),", before) && !strchr("(),", *statement)) {
            rc = buf_append(out, " ", 1, err);
        }
        space = false;
        n = n > 0 ? n : 1;
        rc = rc ? rc : buf_append(out, statement, n, err);
    }
    return rc;
}

// --- reading a script --------------------------------------------------------------------------

void script_free(struct script *s)
{
    for (size_t i = 0; i < s->n; i++) {
        struct script_object *o = &s->items[i];
        for (size_t k = 0; k < o->n_columns; k++) {
            free(o->columns[k].name);
            free(o->columns[k].about);
        }
        free(o->columns);
        free(o->name);
        free(o->about);
        free(o->statement);
        free(o->select);
    }
    free(s->items);
    *s = (struct script){0};
}

const struct script_object *script_find(const struct script *s, const char *name)
{
    for (size_t i = 0; i < s->n; i++) {
        if (strcmp(s->items[i].name, name) == 0) {
            return &s->items[i];
        }
    }
    return NULL;
}

static int copy(char **out, const char *text, size_t len, struct err *err)
{
    *out = strndup(text, len);
    return *out ? 0 : err_nomem(err, "a table's text");
}

/* Appends comment[len], its dashes and blanks left out, to *about. */
static int add_about(char **about, const char *comment, size_t len, struct err *err)
{
    while (len > 0 && (*comment == '-' || *comment == ' ')) {
        comment++;
        len--;
    }
    char *both = NULL;
    const char *old = *about ? *about : "";
    if (asprintf(&both, "%s%s%.*s", old, *old ? " " : "", (int)len, comment) < 0) {
        return err_nomem(err, "a comment");
    }
    free(*about);
    *about = both;
    return 0;
}

static int add_column(struct script_object *o, const char *name, size_t len, struct err *err)
{
    int rc = mem_reserve(&o->columns, &o->columns_cap, o->n_columns + 1, sizeof *o->columns,
                         "columns", err);
    if (rc) {
        return rc;
    }
    struct script_column *column = &o->columns[o->n_columns++];
    *column = (struct script_column){0};
    rc = copy(&column->name, name, len, err);
    return rc ? rc : copy(&column->about, "", 0, err);
}

/* Reads the list of columns behind its bracket. */
static int read_columns(struct script_object *o, const char *at, struct err *err)
{
    int rc = 0, depth = 1;
    bool begins = true;       // an item of the list comes next
    char **about = &o->about; // whose comment comes next; NULL: that of a key
    for (size_t n; *at && depth > 0 && !rc; at += n) {
        bool comment;
        n = skip_length(at, &comment);
        if (n > 0 && comment && about) {
            rc = add_about(about, at, n, err);
        } else if (n == 0 && begins && strchr(WORD_CHARACTERS, *at)) {
            n = strspn(at, WORD_CHARACTERS);
            begins = false;
            const bool key = strncmp(at, "PRIMARY KEY", strlen("PRIMARY KEY")) == 0;
            rc = key ? 0 : add_column(o, at, n, err);
            about = key || rc ? NULL : &o->columns[o->n_columns - 1].about;
        } else if (n == 0) {
            depth += (*at == '(') - (*at == ')');
            begins = begins || (*at == ',' && depth == 1);
            n = 1;
        }
    }
    at += strspn(at, " ");
    if (!rc && about && strncmp(at, "--", 2) == 0) { // of a view's last column, behind the bracket
        rc = add_about(about, at, strcspn(at, "\n"), err);
    }
    for (size_t i = 0; i < o->n_columns; i++) {
        const char *text = o->columns[i].about ? o->columns[i].about : "";
        o->columns[i].json = strncmp(text, "json", 4) == 0 && (text[4] == ':' || text[4] == '\0');
    }
    return rc          ? rc
           : depth > 0 ? err_set(err, ERR_FORMAT, "%s: its columns do not end", o->name)
                       : 0;
}

/* The end of the statement: its semicolon, or NULL. */
static const char *statement_end(const char *at)
{
    for (size_t n; *at; at += n) {
        bool comment;
        n = skip_length(at, &comment);
        if (n == 0 && *at == ';') {
            return at;
        }
        n = n > 0 ? n : 1;
    }
    return NULL;
}

/* Reads the statement at *at, which then is behind it. */
static int read_statement(struct script *s, const char **at, bool view, struct err *err)
{
    const char *name = *at + strlen(view ? "CREATE VIEW " : "CREATE TABLE ");
    const size_t len = strspn(name, WORD_CHARACTERS);
    const char *end = statement_end(*at);
    if (len == 0 || name[len] != '(' || !end) {
        return err_set(err, ERR_FORMAT, "no name with a list of columns, or no semicolon");
    }
    int rc = mem_reserve(&s->items, &s->cap, s->n + 1, sizeof *s->items, "tables", err);
    if (rc) {
        return rc;
    }
    struct script_object *o = &s->items[s->n++];
    *o = (struct script_object){.view = view};
    rc = copy(&o->name, name, len, err);
    rc = rc ? rc : copy(&o->statement, *at, (size_t)(end - *at), err);
    rc = rc ? rc : copy(&o->about, "", 0, err);
    rc = rc ? rc : read_columns(o, name + len + 1, err);
    *at = end + 1;
    return rc;
}

/* Reads the digest's comment at *at, which then is behind it. */
static int read_digest(struct script *s, const char **at, struct err *err)
{
    struct script_object *o = s->n > 0 ? &s->items[s->n - 1] : NULL;
    char *text = NULL;
    const char *p = *at + strlen(DIGEST);
    size_t place = SCRIPT_ANY_PLACE;
    if (*p == ' ') {
        char *after;
        place = strtoul(p, &after, 10);
        p = after;
    }
    if (!o || o->view || o->select || place == 0 || *p != ':') {
        return err_set(err, ERR_FORMAT, "a digest without its table, or without its place");
    }
    int rc = 0;
    for (p++; !rc;) {
        const size_t len = strcspn(p, "\n");
        rc = add_about(&text, p, len, err);
        p += len;
        if (strncmp(p, "\n--", 3) != 0) {
            break;
        }
        p++;
    }
    const char *order = text ? strstr(text, " ORDER BY ") : NULL;
    if (!rc && !order) {
        rc = err_set(err, ERR_FORMAT, "a digest without an order of rows");
    }
    if (!rc && asprintf(&o->select, "SELECT %.*s FROM %s%s", (int)(order - text), text, o->name,
                        order) < 0) {
        o->select = NULL;
        rc = err_nomem(err, "a digest");
    }
    o->digest = rc ? 0 : place;
    free(text);
    *at = p;
    return rc;
}

static bool begins_with(const char *at, const char *word)
{
    return strncmp(at, word, strlen(word)) == 0;
}

static size_t line_of(const char *text, const char *at)
{
    size_t line = 1;
    for (; text < at; text++) {
        line += *text == '\n';
    }
    return line;
}

int script_read(struct script *s, const char *text, struct err *err)
{
    int rc = 0;
    const char *at = text + strspn(text, SPACE);
    for (const char *begin = at; *at && !rc; at += strspn(at, SPACE), begin = at) {
        if (begins_with(at, DIGEST)) {
            rc = read_digest(s, &at, err);
        } else if (begins_with(at, "--")) {
            at += strcspn(at, "\n");
        } else if (begins_with(at, "CREATE TABLE ") || begins_with(at, "CREATE VIEW ")) {
            rc = read_statement(s, &at, begins_with(at, "CREATE VIEW "), err);
        } else {
            rc = err_set(err, ERR_FORMAT, "neither a table nor a view");
        }
        if (rc) {
            err_prefix(err, "line %zu", line_of(text, begin));
        }
    }
    return rc;
}

// --- the database ------------------------------------------------------------------------------

int script_create(const struct script *s, const struct sql *db, struct err *err)
{
    int rc = 0;
    for (size_t i = 0; i < s->n && !rc; i++) {
        rc = sql_exec(db, s->items[i].statement, err);
    }
    return rc;
}

static const char *text_of(sqlite3_stmt *row, int column)
{
    const char *text = (const char *)sqlite3_column_text(row, column);
    return text ? text : "";
}

/* "a view", "an index", ... */
static const char *kind_of(sqlite3_stmt *row)
{
    static const char *const kinds[][2] = {
        {"view", "a view"}, {"index", "an index"}, {"trigger", "a trigger"}};
    const char *type = text_of(row, 1);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (strcmp(type, kinds[i][0]) == 0) {
            return kinds[i][1];
        }
    }
    return "a table";
}

static int same_statement(const char *one, const char *other, bool *same, struct err *err)
{
    struct buf a = {0}, b = {0};
    *same = strcmp(one, other) == 0;
    if (*same) {
        return 0;
    }
    int rc = script_plain(&a, one, err);
    rc = rc ? rc : script_plain(&b, other, err);
    *same = !rc && a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
    buf_free(&a);
    buf_free(&b);
    return rc;
}

/* An index that SQLite makes for the key of one of our tables: it has no text of its own. */
static bool is_automatic(const struct script *s, sqlite3_stmt *row)
{
    const struct script_object *table = script_find(s, text_of(row, 2));
    return strcmp(text_of(row, 1), "index") == 0 && sqlite3_column_type(row, 3) == SQLITE_NULL &&
           table && !table->view;
}

/* Is the row of sqlite_schema, (name, type, tbl_name, sql), what we make?  seen: of each object. */
static int check_row(const struct script *s, const struct sql *db, sqlite3_stmt *row, bool *seen,
                     struct err *err)
{
    const char *name = text_of(row, 0);
    const struct script_object *o = script_find(s, name);
    bool same = false;
    if (!o) {
        return is_automatic(s, row)
                   ? 0
                   : err_set(err, ERR_FORMAT, "%s: holds %s \"%s\", which gapscope does not make",
                             db->path, kind_of(row), name);
    }
    const char *type = o->view ? "view" : "table";
    if (strcmp(text_of(row, 1), type) != 0) {
        return err_set(err, ERR_FORMAT, "%s: holds %s \"%s\" in place of the %s of that name",
                       db->path, kind_of(row), name, type);
    }
    const int rc = same_statement(text_of(row, 3), o->statement, &same, err);
    if (!rc && (!same || strcmp(text_of(row, 2), name) != 0 || seen[o - s->items])) {
        return err_set(err, ERR_FORMAT, "%s: its %s \"%s\" is not as gapscope makes it", db->path,
                       type, name);
    }
    seen[o - s->items] = true;
    return rc;
}

int script_check(const struct script *s, const struct sql *db, struct err *err)
{
    int step = SQLITE_DONE;
    struct rows row;
    bool *seen = mem_zero(s->n, sizeof *seen); // [s->n]
    if (!seen) {
        return err_nomem(err, "tables");
    }
    rows_open(&row, db, "SELECT name, type, tbl_name, sql FROM sqlite_schema", err);
    while (!row.rc && (step = sqlite3_step(row.stmt)) == SQLITE_ROW) {
        row.rc = check_row(s, db, row.stmt, seen, err);
    }
    if (!row.rc && step != SQLITE_DONE) {
        row.rc = sql_fail(db, err);
    }
    for (size_t i = 0; i < s->n && !row.rc; i++) {
        if (!seen[i]) {
            row.rc = err_set(err, ERR_FORMAT, "%s: the file is damaged: its %s \"%s\" is missing",
                             db->path, s->items[i].view ? "view" : "table", s->items[i].name);
        }
    }
    free(seen);
    return rows_close(&row);
}
