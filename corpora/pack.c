#include "corpora/pack.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <zstd.h>

#include "corpora/base/file.h"
#include "corpora/base/jsonw.h"
#include "corpora/base/utf8_repair.h"
#include "corpora/endings.h"
#include "corpora/jsonl.h"
#include "corpora/kind.h"
#include "corpora/pieces.h"
#include "corpora/records.h"
#include "corpora/shape.h"
#include "corpora/stream.h"

// A file whose first line is longer than this is not JSONL.
#define SNIFF_BYTES ((size_t)16 << 20)

struct packer {
    FILE *out;
    struct stat out_stat;
    ZSTD_CCtx *zstd;
    struct buf lines; // the frame that is being filled
    struct buf frame; // the same, compressed
    struct jsonl *jsonl;
    struct pieces pieces;
    struct pack_counts counts;
    pack_note *note;
    void *context;
};

static void say(const struct packer *p, const char *path, const char *why)
{
    if (p->note) {
        p->note(p->context, path, why);
    }
}

// --- frames ------------------------------------------------------------------------------------

static int write_frame(struct packer *p, struct err *err)
{
    const size_t bound = ZSTD_compressBound(p->lines.len);
    p->frame.len = 0;
    const int rc = buf_reserve(&p->frame, bound, err);
    if (rc) {
        return rc;
    }
    const size_t n =
        ZSTD_compress2(p->zstd, p->frame.data, p->frame.cap, p->lines.data, p->lines.len);
    if (ZSTD_isError(n)) {
        return err_set(err, ERR_NOMEM, "compressing: %s", ZSTD_getErrorName(n));
    }
    if (fwrite(p->frame.data, 1, n, p->out) != n) {
        return err_set(err, ERR_IO, "writing the corpus: %s", strerror(errno));
    }
    p->counts.text_bytes += p->lines.len;
    p->counts.zst_bytes += n;
    p->lines.len = 0;
    return 0;
}

/* Counts a record that was appended to p->lines, and writes the frame if it is full. */
static int end_record(struct packer *p, struct err *err)
{
    const int rc = buf_append(&p->lines, "\n", 1, err);
    if (rc) {
        return rc;
    }
    p->counts.records++;
    return p->lines.len < PACK_FRAME_BYTES ? 0 : write_frame(p, err);
}

// --- one file ----------------------------------------------------------------------------------

static bool is_bom(const char *text, size_t len)
{
    return len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Whether the first line of 's' that is not blank is a record with a text. */
static int sniff_record(struct packer *p, struct stream *s, bool *is_record, struct err *err)
{
    *is_record = false;
    for (size_t want = 64 << 10; want <= SNIFF_BYTES; want *= 2) {
        const char *text;
        const size_t n = stream_peek(s, want, &text);
        size_t at = is_bom(text, n) ? 3 : 0;
        while (at < n && is_blank(text[at])) {
            at++;
        }
        if (at < n && text[at] != '{') {
            return 0;
        }
        const char *lf = at < n ? memchr(text + at, '\n', n - at) : NULL;
        if (lf || n < want) {
            const size_t len = lf ? (size_t)(lf - text) - at : n - at;
            struct jsonl_record record;
            enum reject_reason reason;
            struct err why = {0};
            const int rc = jsonl_read(p->jsonl, text + at, len, &record, &reason, &why);
            *is_record = rc == 0;
            return rc == 0 || rc == ERR_FORMAT ? 0 : err_set(err, rc, "%s", why.msg);
        }
    }
    return 0;
}

/* Appends the record of one piece; 'path' is a JSON string. */
static int write_piece(struct packer *p, const struct doc *doc, const struct buf *path,
                       struct err *err)
{
    int rc = buf_append(&p->lines, "{\"text\":", 8, err);
    if (!rc) {
        rc = jsonw_string(&p->lines, doc->text, doc->len, err);
    }
    if (!rc) {
        rc = buf_printf(&p->lines, err, ",\"meta\":{\"path\":%.*s", (int)path->len, path->data);
    }
    if (!rc && doc->begins > 0) {
        rc = buf_printf(&p->lines, err, ",\"begins\":%" PRIu64, doc->begins);
    }
    if (!rc) {
        rc = buf_append(&p->lines, "}}", 2, err);
    }
    p->counts.repaired += doc->repaired;
    return rc ? rc : end_record(p, err);
}

/* 'path' as a JSON string. */
static int quote_path(struct buf *out, const char *path, struct err *err)
{
    struct buf valid = {0};
    uint64_t n_repaired = 0;
    int rc = utf8_repair(&valid, path, strlen(path), &n_repaired, err);
    if (!rc) {
        rc = jsonw_string(out, valid.data, valid.len, err);
    }
    buf_free(&valid);
    return rc;
}

static int pack_text(struct packer *p, struct stream *s, const char *path, struct err *err)
{
    struct buf quoted = {0};
    int rc = quote_path(&quoted, path, err);
    pieces_begin(&p->pieces);
    bool first = true;
    while (!rc && !p->pieces.finished) {
        const char *part;
        size_t len;
        rc = stream_read(s, &part, &len, err);
        if (!rc && len > 0) {
            const size_t skip = first && is_bom(part, len) ? 3 : 0;
            rc = pieces_add(&p->pieces, part + skip, len - skip, err);
            first = false;
        } else if (!rc) {
            rc = pieces_finish(&p->pieces, err);
        }
        struct doc doc;
        while (!rc && pieces_next(&p->pieces, &doc)) {
            rc = write_piece(p, &doc, &quoted, err);
        }
    }
    buf_free(&quoted);
    return rc;
}

/* Copies one line of JSONL, or says in 'why' what is wrong with it. */
static int pack_line(struct packer *p, struct line *line, struct err *why, struct err *err)
{
    if (line->too_long) {
        err_set(why, ERR_LIMIT, "longer than the limit of %zu bytes", LINES_MAX_BYTES);
        return 0;
    }
    while (is_blank(line->text[0])) {
        line->text++;
        line->len--;
    }
    while (is_blank(line->text[line->len - 1])) {
        line->len--;
    }
    struct jsonl_record record;
    enum reject_reason reason;
    int rc = jsonl_read(p->jsonl, line->text, line->len, &record, &reason, why);
    if (rc == ERR_FORMAT && reason == REJECT_NO_TEXT_FIELD) {
        *why = (struct err){0}; // the line is an object, which is enough
    } else if (rc == ERR_FORMAT) {
        return 0;
    } else if (rc) {
        return err_set(err, rc, "%s", why->msg);
    }
    const bool string = line->text[0] == '"';
    rc = string ? buf_append(&p->lines, "{\"text\":", 8, err) : 0;
    rc = rc ? rc : utf8_repair(&p->lines, line->text, line->len, &p->counts.repaired, err);
    rc = rc || !string ? rc : buf_append(&p->lines, "}", 1, err);
    return rc ? rc : end_record(p, err);
}

static int pack_records(struct packer *p, struct stream *s, const char *path,
                        const struct shape *shape, struct err *err)
{
    struct records records;
    records_begin(&records, s, shape->records, 0);
    jsonl_allow_strings(p->jsonl, shape->strings);
    uint64_t n_bad = 0, first_bad = 0;
    struct err first_why = {0};
    int rc;
    for (;;) {
        struct line line;
        rc = records_next(&records, &line, err);
        if (rc || line.number == 0) {
            break;
        }
        struct err why = {0};
        rc = pack_line(p, &line, &why, err);
        if (rc) {
            break;
        }
        if (why.code && n_bad++ == 0) {
            first_bad = line.number;
            first_why = why;
        }
    }
    records_end(&records);
    p->counts.skipped_bad += n_bad;
    if (!rc && n_bad > 0) {
        struct err note;
        err_set(&note, ERR_FORMAT,
                "records skipped: %" PRIu64 "; the first in line %" PRIu64 ": %s", n_bad, first_bad,
                first_why.msg);
        say(p, path, note.msg);
    }
    return rc;
}

/* Whether nothing comes before the end of 's', which may be damage. */
static int skip_empty(struct packer *p, struct stream *s, const char *path, struct err *err)
{
    size_t len;
    do {
        const char *text;
        const int rc = stream_read(s, &text, &len, err);
        if (rc) {
            return rc;
        }
    } while (len > 0);
    p->counts.skipped_empty++;
    say(p, path, "skipped: empty");
    return 0;
}

/* Finds the shape of the records; a file of one JSON value over several
 * lines, or without a text in its first record, is a text. */
static int find_shape(struct packer *p, struct stream *s, const char *path, struct shape *shape,
                      struct err *err)
{
    const bool named = endings_end_with(path, ".jsonl") || endings_end_with(path, ".ndjson");
    struct err why = {0};
    int rc = shape_find(s, named ? SHAPE_RECORDS : SHAPE_ANY, shape, &why);
    if (rc && rc != ERR_UNSUPPORTED) {
        return err_set(err, rc, "%s", why.msg);
    }
    bool found = !rc && (named || shape->records == RECORDS_LENGTHS);
    rc = 0;
    if (!found && shape->records == RECORDS_LINES && !shape->first && !shape->strings) {
        rc = sniff_record(p, s, &found, err); // its first line is long
    } else if (!found && shape->first && !shape->alone) {
        struct jsonl_record record;
        enum reject_reason reason;
        jsonl_allow_strings(p->jsonl, false); // an array of strings is not meant as records
        found = jsonl_read(p->jsonl, shape->first, shape->first_len, &record, &reason, &why) == 0;
    } else if (!found) {
        found = shape->records == RECORDS_LINES && shape->strings;
    }
    shape->records = found ? shape->records : RECORDS_NONE;
    return rc;
}

static int skip_binary(struct packer *p, const char *path, const char *what, const char *command)
{
    struct err note;
    err_set(&note, ERR_UNSUPPORTED, "skipped: %s%s%s%s", what, command ? "; `" : "",
            command ? command : "", command ? " >NEW` writes what can be packed" : "");
    p->counts.skipped_binary++;
    say(p, path, note.msg);
    return 0;
}

static int pack_stream(struct packer *p, struct stream *s, const char *path, struct err *err)
{
    const char *text;
    const size_t n = stream_peek(s, KIND_BYTES, &text);
    const struct kind *kind = kind_of(text, n);
    if (kind) {
        return skip_binary(p, path, kind->name, kind->command);
    }
    if (n == 0 || (n == 3 && is_bom(text, n))) {
        return skip_empty(p, s, path, err);
    }
    struct shape shape;
    const int rc = find_shape(p, s, path, &shape, err);
    if (rc) {
        return rc;
    }
    if (shape.records == RECORDS_LENGTHS) {
        return skip_binary(p, path, "lm_dataformat's .dat, which scan reads as it is", NULL);
    }
    p->counts.files++;
    return shape.records != RECORDS_NONE ? pack_records(p, s, path, &shape, err)
                                         : pack_text(p, s, path, err);
}

static int pack_file(struct packer *p, const char *path, struct err *err)
{
    struct stream *s;
    int rc = stream_open(&s, path, err);
    if (!rc) {
        rc = pack_stream(p, s, path, err);
        stream_close(s);
    }
    return rc;
}

// --- folders -----------------------------------------------------------------------------------

static int skip_special(struct packer *p, const char *path, const char *why)
{
    p->counts.skipped_special++;
    say(p, path, why);
    return 0;
}

static int is_not_hidden(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int path_error(const char *path, struct err *err)
{
    const enum err_code code = errno == ENOENT || errno == ENOTDIR ? ERR_NOT_FOUND : ERR_IO;
    return err_set(err, code, "%s: %s", path, strerror(errno));
}

static int pack_folder(struct packer *p, const char *folder, struct err *err);

/* named: the caller named this path, so it may be a link or a device.  Those inside a folder are
 * skipped, for links lead anywhere, even in circles. */
static int pack_path(struct packer *p, const char *path, bool named, struct err *err)
{
    if (named && strcmp(path, "-") == 0) {
        return pack_file(p, path, err);
    }
    struct stat st;
    if ((named ? stat(path, &st) : lstat(path, &st)) != 0) {
        return path_error(path, err);
    }
    if (S_ISDIR(st.st_mode)) {
        return pack_folder(p, path, err);
    }
    if (S_ISREG(p->out_stat.st_mode) && st.st_dev == p->out_stat.st_dev &&
        st.st_ino == p->out_stat.st_ino) {
        return skip_special(p, path, "skipped: the output itself");
    }
    if (!named && S_ISLNK(st.st_mode)) {
        return skip_special(p, path, "skipped: a link");
    }
    if (!named && !S_ISREG(st.st_mode)) {
        return skip_special(p, path, "skipped: not a regular file");
    }
    return pack_file(p, path, err);
}

static int pack_folder(struct packer *p, const char *folder, struct err *err)
{
    struct dirent **entries;
    const int n = scandir(folder, &entries, is_not_hidden, by_bytes);
    if (n < 0) {
        return path_error(folder, err);
    }
    int rc = 0;
    for (int i = 0; i < n; i++) {
        if (!rc) {
            char *path = file_join(folder, entries[i]->d_name);
            rc = path ? pack_path(p, path, false, err) : err_nomem(err, "a path");
            free(path);
        }
        free(entries[i]);
    }
    free(entries);
    return rc;
}

int pack(FILE *out, const char *const *paths, size_t n_paths, int level, struct pack_counts *counts,
         pack_note *note, void *context, struct err *err)
{
    *counts = (struct pack_counts){0};
    if (level < ZSTD_minCLevel() || level > ZSTD_maxCLevel()) {
        return err_set(err, ERR_USAGE, "level %d; zstd has %d to %d", level, ZSTD_minCLevel(),
                       ZSTD_maxCLevel());
    }
    struct packer p = {.out = out, .note = note, .context = context};
    int rc = jsonl_open(&p.jsonl, NULL, NULL, err);
    if (rc) {
        return rc;
    }
    p.zstd = ZSTD_createCCtx();
    if (!p.zstd) {
        rc = err_nomem(err, "compressing");
        goto out;
    }
    ZSTD_CCtx_setParameter(p.zstd, ZSTD_c_compressionLevel, level);
    ZSTD_CCtx_setParameter(p.zstd, ZSTD_c_checksumFlag, 1);
    (void)fstat(fileno(out), &p.out_stat); // fails on a stream in memory, which is no input either
    for (size_t i = 0; i < n_paths && !rc; i++) {
        rc = pack_path(&p, paths[i], true, err);
    }
    // An empty corpus is one empty frame: a file of 0 bytes would look like an interrupted copy.
    if (!rc && (p.lines.len > 0 || p.counts.zst_bytes == 0)) {
        rc = write_frame(&p, err);
    }
out:
    *counts = p.counts;
    jsonl_close(p.jsonl);
    ZSTD_freeCCtx(p.zstd);
    buf_free(&p.lines);
    buf_free(&p.frame);
    pieces_end(&p.pieces);
    return rc;
}
