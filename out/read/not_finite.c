#include "out/read/not_finite.h"

static const struct column columns[] = {
    {"name", CELL_TEXT, offsetof(struct not_finite_model, name)},
    {"n_not_finite", CELL_WHOLE, offsetof(struct not_finite_model, n_not_finite)},
    {"tokens", CELL_WHOLE, offsetof(struct not_finite_model, tokens)},
};
const struct row_kind not_finite_kind = ROW_KIND(struct not_finite_model, columns);

int not_finite_read(struct not_finite_model **items, size_t *n, struct reader *r)
{
    return rows_read(items, n, &not_finite_kind, r,
                     "SELECT name, n_not_finite, tokens FROM model"
                     " WHERE typeof(n_not_finite) = 'integer' AND n_not_finite > 0 ORDER BY id",
                     NULL);
}

void not_finite_json(struct jsonout *j, const struct not_finite_model *items, size_t n)
{
    if (n > 0) {
        rows_json(j, "not_finite", &not_finite_kind, items, n);
    }
}
