/*
 * Seeds of heads, of what their inputs are made of, and of depths.
 */
#include <string.h>

#include "tests/fuzz/seeds.h"
#include "tests/kit/run_heads.h"

static void write_head_seed(const char *name, char which, const struct buf *bytes, size_t most)
{
    struct buf all = {0};
    must(buf_append(&all, &which, 1, NULL));
    must(buf_append(&all, bytes->data, bytes->len < most ? bytes->len : most, NULL));
    write_seed("heads", name, all.data, all.len);
    buf_free(&all);
}

void seeds_of_heads(void)
{
    static const struct collector_kind *const kinds[] = {&heads_collector, &composition_collector,
                                                         &depth_collector};
    static const char *const names[][4] = {
        {"y_heads", "n_heads_cut", "y_heads_shape", "n_shape_cut"},
        {"y_parts", "n_parts_cut", "y_parts_shape", "n_parts_shape"},
        {"y_depths", "n_depths_cut", "y_depths_shape", "n_depths_shape"}};
    struct run r = sample_run_heads();
    void *shapes[3];
    run_heads_shapes(&r, shapes);
    struct heads_scores *scores = calloc(6, sizeof *scores);
    strcpy(scores[3].kind, "previous+induction");
    heads_shape_set_scores(shapes[0], scores);
    for (size_t i = 0; i < 3; i++) {
        void *whole;
        struct buf bytes = {0};
        must(kinds[i]->shape_save(shapes[i], &bytes, NULL));
        write_head_seed(names[i][2], (char)(2 * i), &bytes, SIZE_MAX);
        write_head_seed(names[i][3], (char)(2 * i), &bytes, bytes.len - 1);
        must(kinds[i]->whole_new(&whole, shapes[i], NULL));
        if (i == 0) {
            struct heads *h = whole;
            struct example e = {.key = 7,
                                .activation = 0.5f,
                                .at = 3,
                                .n_tokens = 2,
                                .before = 1,
                                .n_acts = HEADS_SOURCES * 3,
                                .n_rows = 1};
            must(example_new(&e, NULL));
            must(example_insert(&h->lists[1], &e, 3, NULL));
            h->sums[2].n = 9;
            h->sums[2].sums[1] = -((__int128)1 << 90);
            h->labels[1].dla = -5;
            moments_add(&h->sums[2].dla, -1000, 4);
        }
        bytes.len = 0;
        must(kinds[i]->save(whole, 0, &bytes, NULL));
        write_head_seed(names[i][0], (char)(2 * i + 1), &bytes, SIZE_MAX);
        write_head_seed(names[i][1], (char)(2 * i + 1), &bytes, bytes.len - 1);
        kinds[i]->whole_free(whole);
        kinds[i]->shape_free(shapes[i]);
        buf_free(&bytes);
    }
    run_free(&r);
}
