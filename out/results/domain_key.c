#include "out/results/domain_key.h"

#include <string.h>
#include <xxhash.h>

struct domain_key domain_key_of(const char *name)
{
    const char *text = name ? name : "";
    return (struct domain_key){.name = text, .hash = XXH64(text, strlen(text), 0)};
}

int domain_key_order(struct domain_key a, struct domain_key b)
{
    return a.hash != b.hash ? (a.hash < b.hash ? -1 : 1)
                            : strcmp(a.name ? a.name : "", b.name ? b.name : "");
}

size_t domain_key_find(const void *items, size_t n, domain_key_at *at, struct domain_key key,
                       bool *is)
{
    size_t low = 0, high = n;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (domain_key_order(at(items, middle), key) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    *is = low < n && domain_key_order(at(items, low), key) == 0;
    return low;
}
