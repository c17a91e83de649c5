/*
 * bytes.h - the saved form of what a run is: numbers, texts and arrays, written and read back
 *
 * A number is 8 bytes, little-endian; a text is its length and its bytes; an array is its length
 * and its items.  Readers take any bytes: what is not as it must be is an error, and everything
 * read after it is empty.
 */
#ifndef GAPSCOPE_OUT_RESULTS_BYTES_H
#define GAPSCOPE_OUT_RESULTS_BYTES_H

#include <stddef.h>
#include <stdint.h>

#include "corpora/base/err.h"
#include "corpora/base/mem.h"

struct bytes_writer {
    struct buf *to;
    struct err *err;
    int rc; // the first error, ERR_NOMEM; what comes after it does nothing
};

void bytes_put_raw(struct bytes_writer *w, const void *bytes, size_t len);
void bytes_put(struct bytes_writer *w, uint64_t value);
void bytes_put_text(struct bytes_writer *w, const char *text);
void bytes_put_real(struct bytes_writer *w, double value); // its bits

struct bytes_reader {
    const unsigned char *at;
    size_t left;
    const char *of; // what the bytes are: "the saved run"
    struct err *err;
    int rc; // the first error, ERR_FORMAT or ERR_NOMEM; what comes after it reads zeros
};

/* Makes the reader fail: "the saved run is damaged: WHAT", unless it has failed before. */
void bytes_bad(struct bytes_reader *r, const char *what);

/* A number from min to max, or 'min' and an error. */
uint64_t bytes_get(struct bytes_reader *r, uint64_t min, uint64_t max, const char *what);
double bytes_get_real(struct bytes_reader *r, const char *what);

/* How many items of at least 'size' bytes follow: no more than there is room for; 0 with an error.
 * */
size_t bytes_get_n(struct bytes_reader *r, uint64_t max, size_t size, const char *what);

/* A new string; NULL only with an error. */
char *bytes_get_text(struct bytes_reader *r, const char *what);

/* n zeroed items, and *n_out set with them to n; NULL and 0 with an error. */
void *bytes_get_room(struct bytes_reader *r, size_t n, size_t size, size_t *n_out,
                     const char *what);

#endif
