#include "out/results/gaps/tally_internal.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "out/results/domain_key.h"

size_t tally_domains_max(const struct tally_shape *shape)
{
    return shape->domains_max ? shape->domains_max : TALLY_DOMAINS_MAX;
}

int tally_domain_new(struct tally_domain *d, const struct tally_shape *shape, const char *name,
                     size_t len, struct err *err)
{
    *d = (struct tally_domain){
        .hash = XXH64(name, len, 0),
        .models = mem_zero(tally_full_models(shape), sizeof *d->models),
        .pairs = mem_zero(tally_full_pairs(shape), sizeof *d->pairs),
        .hypotheses = mem_zero(shape->n_hypotheses, sizeof *d->hypotheses),
    };
    if (len > 0) {
        d->name = strndup(name, len);
    }
    if (!d->models || !d->pairs || !d->hypotheses || (len > 0 && !d->name)) {
        tally_domain_free(d);
        return err_nomem(err, "a domain");
    }
    return 0;
}

void tally_domain_free(struct tally_domain *d)
{
    free(d->name);
    free(d->models);
    free(d->pairs);
    free(d->hypotheses);
    *d = (struct tally_domain){0};
}

/* domain_key_at() */
static struct domain_key key_at(const void *domains, size_t i)
{
    const struct tally_domain *d = (const struct tally_domain *)domains + i;
    return (struct domain_key){.name = d->name, .hash = d->hash};
}

int tally_domain_order(const struct tally_domain *a, const struct tally_domain *b)
{
    return domain_key_order(key_at(a, 0), key_at(b, 0));
}

static void add_sums(const struct tally_shape *shape, struct tally_domain *to,
                     const struct tally_domain *from)
{
    to->docs += from->docs;
    to->tokens += from->tokens;
    for (size_t i = 0; i < tally_full_models(shape); i++) {
        moments_merge(&to->models[i], &from->models[i]);
    }
    for (size_t i = 0; i < tally_full_pairs(shape); i++) {
        moments_merge(&to->pairs[i], &from->pairs[i]);
    }
    tally_hypotheses_merge(to->hypotheses, from->hypotheses, shape->n_hypotheses);
}

static int insert(struct tally *t, size_t at, const char *name, struct err *err)
{
    struct tally_domain fresh;
    int rc = mem_reserve(&t->domains, &t->domains_cap, t->n_domains + 1, sizeof *t->domains,
                         "domains", err);
    rc = rc ? rc : tally_domain_new(&fresh, t->shape, name, strlen(name), err);
    if (rc) {
        return rc;
    }
    if (t->n_domains == tally_domains_max(t->shape)) {
        struct tally_domain *last = &t->domains[--t->n_domains];
        add_sums(t->shape, &t->other, last);
        tally_domain_free(last);
    }
    memmove(&t->domains[at + 1], &t->domains[at], (t->n_domains - at) * sizeof *t->domains);
    t->domains[at] = fresh;
    t->n_domains++;
    return 0;
}

int tally_domain_get(struct tally *t, const char *name, struct tally_domain **out, struct err *err)
{
    const struct domain_key key = domain_key_of(name);
    bool is;
    const size_t at = domain_key_find(t->domains, t->n_domains, key_at, key, &is);
    if (is) {
        *out = &t->domains[at];
        return 0;
    }
    if (at == tally_domains_max(t->shape)) {
        *out = &t->other;
        return 0;
    }
    const int rc = insert(t, at, key.name, err);
    *out = rc ? NULL : &t->domains[at];
    return rc;
}

void tally_domains_clear(struct tally *t)
{
    for (size_t i = 0; i < t->n_domains; i++) {
        tally_domain_free(&t->domains[i]);
    }
    t->n_domains = 0;
    t->other.docs = t->other.tokens = 0;
    memset(t->other.models, 0, tally_full_models(t->shape) * sizeof *t->other.models);
    memset(t->other.pairs, 0, tally_full_pairs(t->shape) * sizeof *t->other.pairs);
    memset(t->other.hypotheses, 0, t->shape->n_hypotheses * sizeof *t->other.hypotheses);
}

/* What comes next of a's own and from's, into *next: its sums are added, its memory is a's own. */
static int take_next(struct tally *to, const struct tally *from, size_t *a, size_t *b,
                     struct tally_domain *next, struct err *err)
{
    const int order = *a == to->n_domains ? 1
                      : *b == from->n_domains
                          ? -1
                          : tally_domain_order(&to->domains[*a], &from->domains[*b]);
    if (order <= 0) {
        *next = to->domains[(*a)++];
    } else {
        const char *name = from->domains[*b].name;
        const int rc =
            tally_domain_new(next, to->shape, name ? name : "", name ? strlen(name) : 0, err);
        if (rc) {
            return rc;
        }
    }
    if (order >= 0) {
        add_sums(to->shape, next, &from->domains[(*b)++]);
    }
    return 0;
}

int tally_domains_merge(struct tally *to, const struct tally *from, struct err *err)
{
    add_sums(to->shape, &to->other, &from->other);
    const size_t max = tally_domains_max(to->shape), sum = to->n_domains + from->n_domains;
    const size_t cap = sum < max ? sum : max;
    struct tally_domain *merged = mem_new(cap, sizeof *merged);
    int rc = merged ? 0 : err_nomem(err, "domains");
    if (rc) {
        return rc;
    }
    size_t n = 0, a = 0, b = 0;
    while (!rc && n < cap && (a < to->n_domains || b < from->n_domains)) {
        rc = take_next(to, from, &a, &b, &merged[n], err);
        n += !rc;
    }
    for (; a < to->n_domains; a++) {
        add_sums(to->shape, &to->other, &to->domains[a]);
        tally_domain_free(&to->domains[a]);
    }
    for (; b < from->n_domains; b++) {
        add_sums(to->shape, &to->other, &from->domains[b]);
    }
    free(to->domains);
    to->domains = merged;
    to->n_domains = n;
    to->domains_cap = cap;
    return rc;
}
