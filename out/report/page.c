#include "out/report/page.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "corpora/base/file.h"
#include "corpora/base/mem.h"
#include "corpora/base/path_error.h"
#include "corpora/base/utf8_repair.h"
#include "out/report/assets.h"

#define FILES_SUFFIX "_files"

/* A page in the making. */
struct making {
    struct page *page;
    const struct chunks *chunks;
    bool *inside; // [chunks->n]: stands in the page
    char nonce[17];
    struct outfile out;
};

// --- which chunks where ------------------------------------------------------------------------

static bool is_block(const struct chunk *chunk)
{
    return strncmp(chunk->name, "neuron/", strlen("neuron/")) == 0;
}

/* In order, but the neurons' own chunks last, as long as there is room. */
static void choose(struct making *m)
{
    size_t left = m->page->bytes_max, taken = strlen(asset_page);
    for (size_t i = 0; i < asset_n_scripts; i++) {
        taken += strlen(asset_scripts[i]);
    }
    taken += strlen(asset_style);
    left -= taken < left ? taken : left;
    for (int blocks = 0; blocks < 2; blocks++) {
        for (size_t i = 0; i < m->chunks->n; i++) {
            const size_t len = m->chunks->items[i].len + 2 * CHUNK_NAME; // with its tags
            if (is_block(&m->chunks->items[i]) == (blocks == 1)) {
                m->inside[i] = len <= left;
                left = m->inside[i] ? left - len : 0; // nothing behind what found no room
            }
        }
    }
}

// --- the files ---------------------------------------------------------------------------------

/* "report.html" -> "report_files". */
static char *folder_of(const char *output)
{
    const char *slash = strrchr(output, '/'), *dot = strrchr(output, '.');
    const size_t len = dot && (!slash || dot > slash + 1) ? (size_t)(dot - output) : strlen(output);
    char *folder = mem_new(len + sizeof FILES_SUFFIX, 1);
    if (folder) {
        memcpy(folder, output, len);
        memcpy(folder + len, FILES_SUFFIX, sizeof FILES_SUFFIX);
    }
    return folder;
}

static int write_file(struct making *m, const struct chunk *chunk, struct err *err)
{
    char name[CHUNK_NAME + 8];
    snprintf(name, sizeof name, "%s.js", chunk->name);
    char *slash = strchr(name, '/');
    if (slash) {
        *slash = '-';
    }
    char *path = file_join(m->page->folder, name);
    int rc = path ? outfile_open(&m->out, path, err) : err_nomem(err, "a path");
    if (!rc) {
        const int n = fprintf(m->out.stream, "gapscope_chunk(\"%s\",\"%s\",\"%s\");\n", m->nonce,
                              chunk->name, chunk->base64);
        rc = outfile_commit(&m->out, err);
        m->page->n_files++;
        m->page->bytes_files += n > 0 ? (size_t)n : 0;
    }
    free(path);
    return rc;
}

static int write_files(struct making *m, struct err *err)
{
    int rc = 0;
    for (size_t i = 0; i < m->chunks->n && !rc; i++) {
        if (m->inside[i]) {
            continue;
        }
        if (!m->page->folder) {
            m->page->folder = folder_of(m->page->output);
            if (!m->page->folder) {
                return err_nomem(err, "a path");
            }
            if (mkdir(m->page->folder, 0777) != 0 && errno != EEXIST) {
                return path_write_error(m->page->folder, errno, err);
            }
        }
        rc = write_file(m, &m->chunks->items[i], err);
    }
    return rc;
}

// --- the page ----------------------------------------------------------------------------------

/* Text between tags or in quotes. */
static int put_text(FILE *to, const char *text, struct err *err)
{
    struct buf repaired = {0};
    uint64_t n;
    const int rc = utf8_repair(&repaired, text, strlen(text), &n, err);
    for (size_t i = 0; i < repaired.len && !rc; i++) {
        const char c = repaired.data[i];
        if (strchr("&<>\"'", c) || (unsigned char)c < ' ') {
            fprintf(to, "&#%d;", c >= ' ' ? c : 0xfffd);
        } else {
            putc(c, to);
        }
    }
    buf_free(&repaired);
    return rc;
}

static int put_title(struct making *m, struct err *err)
{
    return put_text(m->out.stream, m->page->title, err);
}

static int put_nonce(struct making *m, struct err *err)
{
    (void)err;
    fputs(m->nonce, m->out.stream);
    return 0;
}

static int put_style(struct making *m, struct err *err)
{
    (void)err;
    fputs(asset_style, m->out.stream);
    return 0;
}

static int put_scripts(struct making *m, struct err *err)
{
    (void)err;
    for (size_t i = 0; i < asset_n_scripts; i++) {
        fputs(asset_scripts[i], m->out.stream);
    }
    return 0;
}

/* The folder as the page knows it, percent-encoded: its name may hold anything. */
static int put_folder(struct making *m, struct err *err)
{
    char *name = m->page->folder ? file_base_name(m->page->folder) : strdup("");
    if (!name) {
        return err_nomem(err, "a path");
    }
    for (const char *c = name; *c; c++) {
        const bool plain = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') ||
                           (*c >= '0' && *c <= '9') || strchr("-_.", *c);
        fprintf(m->out.stream, plain ? "%c" : "%%%02X", (unsigned char)*c);
    }
    free(name);
    return 0;
}

static int put_data(struct making *m, struct err *err)
{
    (void)err;
    for (size_t i = 0; i < m->chunks->n; i++) {
        const struct chunk *chunk = &m->chunks->items[i];
        if (m->inside[i]) {
            fprintf(m->out.stream, "<script type=\"text/plain\" data-chunk=\"%s\">%s</script>\n",
                    chunk->name, chunk->base64);
        }
    }
    return 0;
}

static const struct {
    const char *mark; // in page.html
    int (*put)(struct making *m, struct err *err);
} marks[] = {
    {"{{title}}", put_title}, {"{{nonce}}", put_nonce},     {"{{style}}", put_style},
    {"{{data}}", put_data},   {"{{scripts}}", put_scripts}, {"{{folder}}", put_folder},
};

static int put_page(struct making *m, struct err *err)
{
    int rc = 0;
    for (const char *at = asset_page; *at && !rc;) {
        const size_t plain = strcspn(at, "{");
        fwrite(at, 1, plain, m->out.stream);
        at += plain;
        size_t i = 0;
        while (i < sizeof marks / sizeof *marks &&
               strncmp(at, marks[i].mark, strlen(marks[i].mark)) != 0) {
            i++;
        }
        if (i < sizeof marks / sizeof *marks) {
            rc = marks[i].put(m, err);
            at += strlen(marks[i].mark);
        } else if (*at) {
            putc(*at++, m->out.stream);
        }
    }
    return rc;
}

int page_write(struct page *p, const struct chunks *chunks, struct err *err)
{
    struct making m = {.page = p, .chunks = chunks};
    snprintf(m.nonce, sizeof m.nonce, "%016" PRIx64, chunks->hash);
    m.inside = mem_zero(chunks->n, sizeof *m.inside);
    if (!m.inside) {
        return err_nomem(err, "a report");
    }
    choose(&m);
    int rc = write_files(&m, err);
    rc = rc ? rc : outfile_open(&m.out, p->output, err);
    rc = rc ? rc : put_page(&m, err);
    if (!rc) {
        const long at = ftell(m.out.stream); // -1 of a pipe
        p->bytes = at > 0 ? (size_t)at : 0;
        rc = outfile_commit(&m.out, err);
    }
    outfile_discard(&m.out);
    free(m.inside);
    return rc;
}
