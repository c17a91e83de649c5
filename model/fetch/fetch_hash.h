/*
 * fetch_hash.h - the hash by which the hub knows a file, computed while the file is written
 *
 * Large files are known by their SHA-256 (64 digits), small ones by git's hash of a blob (40 digits):
 * the SHA-1 of "blob N", a NUL and the N bytes.
 */
#ifndef GAPSCOPE_MODEL_FETCH_FETCH_HASH_H
#define GAPSCOPE_MODEL_FETCH_FETCH_HASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "corpora/base/err.h"

#define FETCH_HASH_DIGITS 64

struct fetch_hash {
    void *digest; // libcrypto's
};

/* Whether the text is 40 or 64 hexadecimal digits in lower case. */
bool fetch_hash_is(const char *digits);

/* Begins the hash that 'like' is (fetch_hash_is()), of a file of n bytes.  Errors: ERR_NOMEM. */
int fetch_hash_begin(struct fetch_hash *h, const char *like, uint64_t n, struct err *err);
void fetch_hash_add(struct fetch_hash *h, const void *bytes, size_t len);

/* The hash of the bytes so far, as digits.  Only fetch_hash_free() may follow. */
void fetch_hash_end(struct fetch_hash *h, char digits[FETCH_HASH_DIGITS + 1]);
void fetch_hash_free(struct fetch_hash *h); // {0} is allowed

#endif
