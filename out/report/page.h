/*
 * page.h - the chunks of a report as one page, and as files beside it where they are too many
 *
 *     report.html            page.html with the style, the scripts and chunks in their places
 *     report_files/X.js      a chunk that found no room: gapscope_chunk("nonce", "neuron/0", "...")
 *
 * The page asks for nothing from any network, and its Content-Security-Policy says so: what runs is
 * what has the nonce, a number that no text of a corpus can know.
 */
#ifndef GAPSCOPE_OUT_REPORT_PAGE_H
#define GAPSCOPE_OUT_REPORT_PAGE_H

#include <stddef.h>

#include "corpora/base/err.h"
#include "out/report/chunks.h"

struct page {
    const char *title;  // text, of any bytes
    const char *output; // "-" or NULL: standard output
    size_t bytes_max;   // of the page: what is more goes into files; SIZE_MAX for standard output
    // page_write()'s
    size_t bytes;                // of the page
    size_t n_files, bytes_files; // beside it
    char *folder;                // their folder, NULL where there are none; the caller frees it
};

/* Writes the files first and the page last, each whole or not at all.
 * Errors: ERR_IO, ERR_NOMEM. */
int page_write(struct page *p, const struct chunks *chunks, struct err *err);

#endif
