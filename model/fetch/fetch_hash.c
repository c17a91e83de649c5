#include "model/fetch/fetch_hash.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#define SHA1_DIGITS 40

bool fetch_hash_is(const char *digits)
{
    const size_t n = strspn(digits, "0123456789abcdef");
    return digits[n] == '\0' && (n == SHA1_DIGITS || n == FETCH_HASH_DIGITS);
}

int fetch_hash_begin(struct fetch_hash *h, const char *like, uint64_t n, struct err *err)
{
    const bool git = strlen(like) == SHA1_DIGITS;
    fetch_hash_free(h);
    h->digest = EVP_MD_CTX_new();
    if (!h->digest || EVP_DigestInit_ex(h->digest, git ? EVP_sha1() : EVP_sha256(), NULL) != 1) {
        fetch_hash_free(h);
        return err_nomem(err, "a hash");
    }
    if (git) {
        char head[40];
        const int len = snprintf(head, sizeof head, "blob %llu", (unsigned long long)n);
        fetch_hash_add(h, head, (size_t)len + 1);
    }
    return 0;
}

void fetch_hash_add(struct fetch_hash *h, const void *bytes, size_t len)
{
    (void)EVP_DigestUpdate(h->digest, bytes, len); // it fails only where it was not begun
}

void fetch_hash_end(struct fetch_hash *h, char digits[FETCH_HASH_DIGITS + 1])
{
    unsigned char bytes[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    digits[0] = '\0';
    if (EVP_DigestFinal_ex(h->digest, bytes, &len) != 1) {
        return;
    }
    for (unsigned i = 0; i < len && i < FETCH_HASH_DIGITS / 2; i++) {
        snprintf(digits + (size_t)2 * i, 3, "%02x", bytes[i]);
    }
}

void fetch_hash_free(struct fetch_hash *h)
{
    EVP_MD_CTX_free(h->digest);
    h->digest = NULL;
}
