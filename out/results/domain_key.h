/*
 * domain_key.h - the order of domains, by which a list of the first of them merges exactly
 */
#ifndef GAPSCOPE_OUT_RESULTS_DOMAIN_KEY_H
#define GAPSCOPE_OUT_RESULTS_DOMAIN_KEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct domain_key {
    const char *name; // NULL: that of documents without a domain, as ""
    uint64_t hash;    // XXH64, seed 0
};

/* The key of a name, which outlives it. */
struct domain_key domain_key_of(const char *name);

/* Ascending by (hash, name): below 0, 0, or above 0. */
int domain_key_order(struct domain_key a, struct domain_key b);

/* The key of item i of a list. */
typedef struct domain_key domain_key_at(const void *items, size_t i);

/* Where the key is among the n ascending items, or would be; *is: it is there. */
size_t domain_key_find(const void *items, size_t n, domain_key_at *at, struct domain_key key,
                       bool *is);

#endif
