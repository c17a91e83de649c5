/*
 * varints.h - results as bytes: numbers of 7 bits a byte, the lowest first, and lists of examples
 *
 * A number has one such writing, the shortest, and what is read must be that.  What is read is as
 * foreign as any file: a reader never reads beyond its bytes, and the first error stops it.
 */
#ifndef GAPSCOPE_OUT_RESULTS_VARINTS_H
#define GAPSCOPE_OUT_RESULTS_VARINTS_H

#include <stddef.h>
#include <stdint.h>

#include "corpora/base/err.h"
#include "corpora/base/mem.h"
#include "out/results/examples.h"

#define VARINT_MOST 19 // bytes of one of 128 bits

// --- writing

struct varints_writer {
    struct buf *to;
    struct err *err;
    int rc; // the first error, ERR_NOMEM; what comes after it does nothing
};

void varints_put(struct varints_writer *w, uint64_t value);

/* Room for n numbers; then each, unless w->rc. */
void varints_room(struct varints_writer *w, size_t n);
static inline void varints_next(struct buf *to, unsigned __int128 value)
{
    while (value >= 0x80) {
        to->data[to->len++] = (char)(0x80 | (value & 0x7f));
        value >>= 7;
    }
    to->data[to->len++] = (char)value;
}

/* A number with a sign, so that small ones are short. */
static inline unsigned __int128 varints_zigzag(__int128 value)
{
    return ((unsigned __int128)value << 1) ^ (unsigned __int128)(value >> 127);
}

/* n, and for each example its fields, labels, ids, and activations as they are. */
void varints_put_list(struct varints_writer *w, const struct example_list *l);

/* What becomes of the activations of many lists.  They stand behind all lists, bytes of the same
 * rank together, which compress better so. */
enum varints_acts {
    VARINTS_WHOLE, // all their bits
    VARINTS_DIGITS // four digits (four_digits.h), those that are shown
};

/* lists[n], one behind the other, and then the activations. */
void varints_put_lists(struct varints_writer *w, const struct example_list *lists, size_t n,
                       enum varints_acts acts);

// --- reading

struct varints_reader {
    const unsigned char *at;
    size_t left;
    const char *of; // what is read, for messages: "neurons"
    struct err *err;
    int rc; // the first error; what comes after it reads zeros
};

/* Says that the bytes are not what they should be: "the saved neurons are damaged: WHAT". */
void varints_bad(struct varints_reader *r, const char *what);

/* A number up to 'most', or 0 and an error. */
uint64_t varints_get(struct varints_reader *r, uint64_t most, const char *what);
unsigned __int128 varints_get_wide(struct varints_reader *r, const char *what);
void varints_want(struct varints_reader *r, uint64_t value, const char *what);

/* A zigzag number below 2^120 in size: a few of them can still be added. */
__int128 varints_get_signed(struct varints_reader *r, const char *what);

/* A list, empty before, of at most 'most' examples of n_words, and of n_acts or (0) one a token. */
void varints_get_list(struct varints_reader *r, struct example_list *l, uint32_t most,
                      uint32_t n_words, size_t n_acts);

/* lists[n], empty before, as varints_put_lists() wrote them. */
void varints_get_lists(struct varints_reader *r, struct example_list *lists, size_t n,
                       uint32_t most, uint32_t n_words, size_t n_acts, enum varints_acts acts);

#endif
