#include "tests/fuzz/seeds_classes.h"

#include "out/results/classes/classes.h"

int seeds_write_classes(void (*write)(const char *, const char *, const void *, size_t))
{
    static const struct classes_shape shape = {
        .n_models = 1, .n_pairs = 1, .n_hypotheses = 1, .floor = -6};
    struct classes *c = NULL;
    struct buf empty = {0}, some = {0};
    int rc = classes_new(&c, &shape, NULL);
    rc = rc ? rc : classes_save(c, &empty, NULL);
    for (size_t i = 0; i < 3 && !rc; i++) {
        moments_add(&classes_of(c, i)[2 * i], -5 * FIXED_ONE, 3);
        moments_add(&classes_of(c, i)[TOKEN_KINDS], (int64_t)i * FIXED_ONE, i);
    }
    rc = rc ? rc : classes_save(c, &some, NULL);
    rc = rc ? rc : buf_append(&some, "12345678", 8, NULL);
    if (!rc) {
        write("classes", "y_empty", empty.data, empty.len);
        write("classes", "y_some", some.data, some.len - 8);
        write("classes", "n_cut", some.data, some.len - 16);
        write("classes", "n_more", some.data, some.len);
    }
    classes_free(c);
    buf_free(&empty);
    buf_free(&some);
    return rc;
}
