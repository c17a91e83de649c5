#include "corpora/pack.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <zstd.h>

#include "corpora/base/file.h"
#include "corpora/base/json.h"
#include "corpora/base/jsonw.h"
#include "corpora/base/utf8.h"
#include "corpora/base/utf8_repair.h"
#include "corpora/endings.h"
#include "corpora/folders_seen.h"
#include "corpora/jsonl.h"
#include "corpora/kind.h"
#include "corpora/pack_domain.h"
#include "corpora/parquet/parquet.h"
#include "corpora/parquet_json.h"
#include "corpora/pieces.h"
#include "corpora/records.h"
#include "corpora/shape.h"
#include "corpora/stream.h"

// A file whose first line is longer than this is not JSONL.
#define SNIFF_BYTES ((size_t)16 << 20)

struct packer {
    FILE *out;
    struct stat outputs[2]; // the file behind 'out', and the one that it replaces
    size_t n_outputs;
    const char *output_name; // the last part of its path; NULL: none
    bool broken;             // the output cannot be written
    struct folders_seen folders;
    ZSTD_CCtx *zstd;
    struct buf lines; // the frame that is being filled
    struct buf frame; // the same, compressed
    struct jsonl *jsonl;
    struct pieces pieces;
    const struct pack_options *options;
    struct pack_counts counts;
    struct pack_domains domains;
    const char *root; // the named path that is being packed
    bool alone;       // no other was named
    pack_note *note;
    void *context;
};

static void say(const struct packer *p, const char *path, const char *why)
{
    if (p->note) {
        p->note(p->context, path, why, false);
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
        p->broken = true;
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

/* Whether the first line of 's' that is not blank is a record with a text. */
static int sniff_record(struct packer *p, struct stream *s, bool *is_record, struct err *err)
{
    *is_record = false;
    for (size_t want = 64 << 10; want <= SNIFF_BYTES; want *= 2) {
        const char *text;
        const size_t n = stream_peek(s, want, &text);
        size_t at = utf8_bom(text, n);
        while (at < n && json_is_space(text[at])) {
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

/* Appends the record of one piece; 'meta' is what stands in its "meta". */
static int write_piece(struct packer *p, const struct doc *doc, const struct buf *meta,
                       struct err *err)
{
    int rc = buf_append(&p->lines, "{\"text\":", 8, err);
    if (!rc) {
        rc = jsonw_string(&p->lines, doc->text, doc->len, err);
    }
    if (!rc) {
        rc = buf_printf(&p->lines, err, ",\"meta\":{%.*s", (int)meta->len, meta->data);
    }
    if (!rc && doc->begins > 0) {
        rc = buf_printf(&p->lines, err, ",\"begins\":%" PRIu64, doc->begins);
    }
    if (!rc) {
        rc = buf_append(&p->lines, "}}", 2, err);
    }
    p->counts.repaired += doc->repaired;
    p->counts.texts++;
    return rc ? rc : end_record(p, err);
}

/* The path, and the domain where there is one. */
static int write_meta(const struct packer *p, struct buf *out, const char *path, struct err *err)
{
    size_t n = p->domains.name ? strlen(p->domains.name) : 0;
    const char *domain = p->domains.name;
    if (p->domains.by_folder) {
        domain = pack_domain(path, p->root, p->alone, &n);
    }
    return pack_meta(out, path, domain, n, err);
}

/* Takes the next part of the text into p->pieces, or ends it.  *why: why it ends before its end. */
static int feed_text(struct packer *p, struct stream *s, bool *first, struct err *why,
                     struct err *err)
{
    const char *part;
    size_t len = 0;
    if (stream_read(s, &part, &len, why) || len == 0) {
        return pieces_finish(&p->pieces, err);
    }
    const size_t skip = *first ? utf8_bom(part, len) : 0;
    *first = false;
    return pieces_add(&p->pieces, part + skip, len - skip, err);
}

/* Of a file that cannot be read to its end, what comes before is packed. */
static int pack_text(struct packer *p, struct stream *s, const char *path, struct err *err)
{
    struct buf meta = {0};
    struct err why = {0};
    int rc = write_meta(p, &meta, path, err);
    pieces_begin(&p->pieces);
    bool first = true;
    while (!rc && !p->pieces.finished) {
        rc = feed_text(p, s, &first, &why, err);
        struct doc doc;
        while (!rc && pieces_next(&p->pieces, &doc)) {
            rc = why.code && doc.len == 0 ? 0 : write_piece(p, &doc, &meta, err);
        }
    }
    buf_free(&meta);
    if (rc || !why.code) {
        return rc;
    }
    return err_set(err, why.code, "%s", why.msg);
}

/* Counts the texts of records that are copied: 'line' is an object, with a text or without one. */
static void count_text(struct packer *p, const struct line *line, bool has_text)
{
    struct record_keys keys = {.ids = has_text};
    if (!has_text) {
        record_keys_of_line(&keys, line->text, line->len);
    }
    if (keys.ids) {
        p->counts.texts++;
    } else if (!p->counts.keys.any) {
        p->counts.keys = keys;
    }
}

/* Copies one line of JSONL, or says in 'why' what is wrong with it. */
static int pack_line(struct packer *p, struct line *line, struct err *why, struct err *err)
{
    if (line->too_long) {
        err_set(why, ERR_LIMIT, "longer than the limit of %zu bytes", LINES_MAX_BYTES);
        return 0;
    }
    while (json_is_space(line->text[0])) {
        line->text++;
        line->len--;
    }
    while (json_is_space(line->text[line->len - 1])) {
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
    count_text(p, line, rc == 0);
    const bool string = line->text[0] == '"';
    rc = string ? buf_append(&p->lines, "{\"text\":", 8, err) : 0;
    rc = rc ? rc : utf8_repair(&p->lines, line->text, line->len, &p->counts.repaired, err);
    if (!rc && string) {
        rc = buf_append(&p->lines, "}", 1, err);
    }
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
    if (n == 0 || (n == 3 && utf8_bom(text, n) == 3)) {
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

/* Counts and names what could not be read, so that the rest can be packed.  records: those written
 * before the file. */
static int pass_over(struct packer *p, const char *path, uint64_t records, const struct err *why)
{
    const size_t n = strlen(path);
    const bool named = strncmp(why->msg, path, n) == 0 && strncmp(why->msg + n, ": ", 2) == 0;
    struct err note;
    err_set(&note, why->code, "%s%s", why->msg + (named ? n + 2 : 0),
            p->counts.records > records ? "; what comes before is packed" : "; left out");
    p->counts.unreadable++;
    if (p->note) {
        p->note(p->context, path, note.msg, true);
    }
    return 0;
}

/* Ends a file with rc and *why.  records: those before the file.  named: the caller named it. */
static int end_file(struct packer *p, const char *path, bool named, uint64_t records, int rc,
                    const struct err *why, struct err *err)
{
    if (!rc || p->broken || rc == ERR_NOMEM || (named && !stream_is_damage(rc))) {
        return rc ? err_set(err, rc, "%s", why->msg) : 0;
    }
    return pass_over(p, path, records, why);
}

static int pack_rows(struct packer *p, struct parquet *rows, struct err *err)
{
    p->counts.files++;
    for (;;) {
        struct parquet_row row;
        int rc = parquet_next(rows, &row, err);
        if (rc || row.end) {
            return rc;
        }
        if (row.is_null || row.null_id) {
            p->counts.skipped_null++;
            continue;
        }
        p->counts.texts++;
        rc = parquet_json(&p->lines, &row, parquet_has_ids(rows), &p->counts.repaired, err);
        if (rc || (rc = end_record(p, err))) {
            return rc;
        }
    }
}

static int pack_parquet(struct packer *p, const char *path, bool named, struct err *err)
{
    const uint64_t records = p->counts.records;
    const struct parquet_options o = {PARQUET_TEXTS_OR_IDS, p->options->field, p->domains.name};
    struct parquet *rows = NULL;
    struct err why = {0};
    int rc = parquet_open(&rows, path, &o, &why);
    rc = rc ? rc : pack_rows(p, rows, &why);
    parquet_close(rows);
    return end_file(p, path, named, records, rc, &why, err);
}

static int pack_file(struct packer *p, const char *path, bool named, struct err *err)
{
    if (parquet_is(path)) {
        return pack_parquet(p, path, named, err);
    }
    const uint64_t records = p->counts.records;
    struct stream *s = NULL;
    struct err why = {0};
    int rc = named ? stream_open(&s, path, &why) : stream_open_regular(&s, path, &why);
    rc = rc ? rc : pack_stream(p, s, path, &why);
    stream_close(s);
    return end_file(p, path, named, records, rc, &why, err);
}

// --- folders -----------------------------------------------------------------------------------

static int skip_special(struct packer *p, const char *path, const char *why)
{
    p->counts.skipped_special++;
    say(p, path, why);
    return 0;
}

/* The error of the last system call on 'path': of one that was named it ends the packing, another
 * is passed over. */
static int path_error(struct packer *p, const char *path, bool named, struct err *err)
{
    const enum err_code code = errno == ENOENT || errno == ENOTDIR ? ERR_NOT_FOUND : ERR_IO;
    struct err why;
    const bool gone = code == ERR_NOT_FOUND && !named;
    err_set(&why, code, "%s: %s", path,
            gone ? "a link that leads nowhere, or a file that has just been removed"
                 : strerror(errno));
    return named ? err_set(err, code, "%s", why.msg) : pass_over(p, path, p->counts.records, &why);
}

static bool is_output(const struct packer *p, const struct stat *st)
{
    bool is = false;
    for (size_t i = 0; i < p->n_outputs; i++) {
        is = is || (st->st_dev == p->outputs[i].st_dev && st->st_ino == p->outputs[i].st_ino);
    }
    return is;
}

/* Is it what a pack of the same name left when it was killed: "<output>.tmp-<pid>"? */
static bool is_leftover(const struct packer *p, const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    const size_t n = p->output_name ? strlen(p->output_name) : 0;
    return n > 0 && strncmp(name, p->output_name, n) == 0 && strncmp(name + n, ".tmp-", 5) == 0 &&
           name[n + 5] && !name[n + 5 + strspn(name + n + 5, "0123456789")];
}

static int pack_folder(struct packer *p, const char *folder, const struct stat *st, bool named,
                       struct err *err);

/* named: the caller named this path, so it may be a link to a folder, or a device.  Inside a folder
 * links to folders are skipped, for they lead anywhere, even in circles. */
static int pack_path(struct packer *p, const char *path, bool named, struct err *err)
{
    if (named && strcmp(path, "-") == 0) {
        return pack_file(p, path, named, err);
    }
    struct stat link, st;
    if (lstat(path, &link) != 0) {
        return path_error(p, path, named, err);
    }
    if (is_output(p, &link)) {
        return skip_special(p, path, "skipped: the output itself");
    }
    if (!named && is_leftover(p, path)) {
        return skip_special(p, path, "skipped: left by a run that was killed");
    }
    if (stat(path, &st) != 0) {
        return path_error(p, path, named, err);
    }
    if (S_ISDIR(st.st_mode) && S_ISLNK(link.st_mode) && !named) {
        return skip_special(p, path, "skipped: a link to a folder; name it to pack it");
    }
    if (S_ISDIR(st.st_mode)) {
        return pack_folder(p, path, &st, named, err);
    }
    if (is_output(p, &st)) {
        return skip_special(p, path, "skipped: the output itself");
    }
    if (!named && !S_ISREG(st.st_mode)) {
        return skip_special(p, path, "skipped: not a regular file");
    }
    return pack_file(p, path, named, err);
}

static int pack_folder(struct packer *p, const char *folder, const struct stat *st, bool named,
                       struct err *err)
{
    bool had = false;
    int rc = folders_seen_add(&p->folders, st, &had, err);
    if (rc) {
        return rc;
    }
    if (had) {
        p->counts.skipped_again++;
        say(p, folder, "skipped: this folder is packed already");
        return 0;
    }
    struct dirent **entries;
    const int n = folders_list(folder, &entries);
    if (n < 0) {
        return path_error(p, folder, named, err);
    }
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

/* What must not be packed into itself.  A stream in memory has no file, and neither may 'path'. */
static void find_outputs(struct packer *p, const char *path)
{
    struct stat *st = &p->outputs[0];
    if (fstat(fileno(p->out), st) == 0 && S_ISREG(st->st_mode)) {
        st = &p->outputs[++p->n_outputs];
    }
    if (path && strcmp(path, "-") != 0) {
        const char *slash = strrchr(path, '/');
        p->output_name = slash ? slash + 1 : path;
    }
    if (p->output_name && lstat(path, st) == 0 && (S_ISREG(st->st_mode) || S_ISLNK(st->st_mode))) {
        p->n_outputs++;
    }
}

int pack(FILE *out, const char *output_path, const char *const *paths, size_t n_paths,
         const struct pack_options *options, struct pack_counts *counts, pack_note *note,
         void *context, struct err *err)
{
    *counts = (struct pack_counts){0};
    if (options->level < ZSTD_minCLevel() || options->level > ZSTD_maxCLevel()) {
        return err_set(err, ERR_USAGE, "level %d; zstd has %d to %d", options->level,
                       ZSTD_minCLevel(), ZSTD_maxCLevel());
    }
    struct packer p = {.out = out,
                       .options = options,
                       .domains = options->domains,
                       .alone = n_paths == 1,
                       .note = note,
                       .context = context};
    int rc = jsonl_open(&p.jsonl, NULL, NULL, err);
    if (rc) {
        return rc;
    }
    p.zstd = ZSTD_createCCtx();
    if (!p.zstd) {
        rc = err_nomem(err, "compressing");
        goto out;
    }
    ZSTD_CCtx_setParameter(p.zstd, ZSTD_c_compressionLevel, options->level);
    ZSTD_CCtx_setParameter(p.zstd, ZSTD_c_checksumFlag, 1);
    find_outputs(&p, output_path);
    for (size_t i = 0; i < n_paths && !rc; i++) {
        p.root = paths[i];
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
    folders_seen_free(&p.folders);
    return rc;
}
