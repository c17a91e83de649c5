#include "miners/code.h"

#include <string.h>

/* In the order of their names; {0} ends them. */
static const struct code_miner miners[] = {
    {0},
};

void code_scratch_free(struct code_scratch *s)
{
    buf_free(&s->a);
    buf_free(&s->b);
    buf_free(&s->c);
}

const struct code_miner *code_at(size_t i)
{
    size_t n = 0;
    while (miners[n].name && n < i) {
        n++;
    }
    return miners[n].name ? &miners[n] : NULL;
}

const struct code_miner *code_named(const char *name)
{
    const struct code_miner *m = miners;
    while (m->name && strcmp(m->name, name) != 0) {
        m++;
    }
    return m->name ? m : NULL;
}
