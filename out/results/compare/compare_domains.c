#include "out/results/compare/compare_internal.h"

#include <stdlib.h>
#include <string.h>

#include "out/results/domain_key.h"

static int domain_new(struct compare_domain *d, const struct compare_shape *s, const char *name,
                      struct err *err)
{
    *d = (struct compare_domain){.name = strdup(name),
                                 .hash = domain_key_of(name).hash,
                                 .pairs = mem_zero(s->n_pairs, sizeof *d->pairs)};
    if (d->name && d->pairs) {
        return 0;
    }
    free(d->name);
    free(d->pairs);
    return err_nomem(err, "a domain");
}

static void domain_free(struct compare_domain *d)
{
    free(d->name);
    free(d->pairs);
}

/* domain_key_at() */
static struct domain_key key_at(const void *domains, size_t i)
{
    const struct compare_domain *d = (const struct compare_domain *)domains + i;
    return (struct domain_key){.name = d->name, .hash = d->hash};
}

int compare_domain_order(const struct compare_domain *a, const struct compare_domain *b)
{
    return domain_key_order(key_at(a, 0), key_at(b, 0));
}

static void add_sums(const struct compare_shape *s, struct compare_domain *to,
                     const struct compare_domain *from)
{
    for (size_t p = 0; p < s->n_pairs; p++) {
        compare_sums_merge(&to->pairs[p], &from->pairs[p]);
    }
}

int compare_domain_append(struct compare *c, const char *name, struct err *err)
{
    struct compare_domain fresh;
    int rc = mem_reserve(&c->domains, &c->domains_cap, c->n_domains + 1, sizeof *c->domains,
                         "domains", err);
    rc = rc ? rc : domain_new(&fresh, c->shape, name, err);
    if (!rc) {
        c->domains[c->n_domains++] = fresh;
    }
    return rc;
}

int compare_domain_get(struct compare *c, const char *name, struct compare_domain **out,
                       struct err *err)
{
    const struct domain_key key = domain_key_of(name);
    bool is;
    const size_t at = domain_key_find(c->domains, c->n_domains, key_at, key, &is);
    const bool beyond = !is && at == COMPARE_DOMAINS_MAX;
    if (is || beyond) {
        *out = is ? &c->domains[at] : &c->other;
        return 0;
    }
    const int rc = compare_domain_append(c, key.name, err);
    if (rc) {
        *out = NULL;
        return rc;
    }
    const struct compare_domain fresh = c->domains[c->n_domains - 1];
    memmove(&c->domains[at + 1], &c->domains[at], (c->n_domains - 1 - at) * sizeof *c->domains);
    c->domains[at] = fresh;
    if (c->n_domains > COMPARE_DOMAINS_MAX) {
        struct compare_domain *last = &c->domains[--c->n_domains];
        add_sums(c->shape, &c->other, last);
        domain_free(last);
    }
    *out = &c->domains[at];
    return 0;
}

void compare_domains_clear(struct compare *c)
{
    for (size_t i = 0; i < c->n_domains; i++) {
        domain_free(&c->domains[i]);
    }
    c->n_domains = 0;
    if (c->other.pairs) {
        memset(c->other.pairs, 0, c->shape->n_pairs * sizeof *c->other.pairs);
    }
}

int compare_domains_merge(struct compare *to, const struct compare *from, struct err *err)
{
    int rc = 0;
    add_sums(to->shape, &to->other, &from->other);
    for (size_t i = 0; i < from->n_domains && !rc; i++) {
        struct compare_domain *d = NULL;
        rc = compare_domain_get(to, from->domains[i].name, &d, err);
        if (!rc) {
            add_sums(to->shape, d, &from->domains[i]);
        }
    }
    return rc;
}
