/*
 * Seeds of skip-trigrams.
 */
#include "tests/fuzz/seeds.h"

#include "tests/fuzz/fuzz_skips.h"

/* which: 0 what is looked for, 1 what was found; as fuzz_skips.c has them. */
static void skips_seed(const char *name, unsigned char which, const struct buf *bytes)
{
    struct buf all = {0};
    must(buf_append(&all, &which, 1, NULL));
    must(buf_append(&all, bytes->data, bytes->len, NULL));
    write_seed("skips", name, all.data, all.len);
    buf_free(&all);
}

void seeds_of_skips(void)
{
    struct run r = sample_run_neurons();
    struct skip_shape *s = fuzz_skip_shape(&r), *unknown;
    struct skip_sums *k;
    struct buf bytes = {0};
    must(skip_shape_new(&unknown, &r, 0, NULL));
    must(skip_shape_save(unknown, &bytes, NULL));
    skips_seed("y_not_chosen", 0, &bytes);
    bytes.len = 0;
    must(skip_shape_save(s, &bytes, NULL));
    skips_seed("y_chosen", 0, &bytes);
    bytes.data[9] = 9; // neither chosen nor not
    skips_seed("n_chosen", 0, &bytes);
    bytes.len = 0;
    must(skip_sums_new(&k, s, NULL));
    must(skip_sums_save(k, &bytes, NULL));
    skips_seed("y_empty", 1, &bytes);
    bytes.len = 0;
    for (size_t i = 0; i < s->n_cells * skip_row(s->n_models); i++) {
        for (int doc = 0; doc < 9; doc++) {
            moments_add(&k->rows[i], (doc % 2 ? 3 : 4) * FIXED_ONE / 2, 4);
        }
    }
    must(skip_sums_save(k, &bytes, NULL));
    skips_seed("y_places", 1, &bytes);
    bytes.len -= 3;
    skips_seed("n_cut", 1, &bytes);
    buf_free(&bytes);
    skip_sums_free(k);
    skip_shape_free(s);
    skip_shape_free(unknown);
    run_free(&r);
}
