#include "out/read/score.h"

#define WHOLE(field)                                                                               \
    {                                                                                              \
#field, CELL_WHOLE, offsetof(struct score, field)                                          \
    }
#define REAL(field)                                                                                \
    {                                                                                              \
#field, CELL_REAL, offsetof(struct score, field)                                           \
    }
#define TEXT(field)                                                                                \
    {                                                                                              \
#field, CELL_TEXT, offsetof(struct score, field)                                           \
    }

// clang-format off
#define SCORE_COLUMNS                                                                              \
    WHOLE(hypothesis), WHOLE(model), WHOLE(layer), WHOLE(idx), TEXT(split), WHOLE(n_pos),          \
    WHOLE(n_neg), WHOLE(docs_pos), REAL(prevalence), REAL(mean_pos), REAL(mean_neg), REAL(r),      \
    REAL(variance_explained), REAL(auroc), REAL(auroc_bound), REAL(average_precision),             \
    REAL(average_precision_bound), REAL(threshold), REAL(precision), REAL(recall), REAL(f1),       \
    REAL(mcc), REAL(mutual_information), REAL(mass_covered), REAL(top_covered)

static const struct column of_neuron[] = {TEXT(name), TEXT(kind), SCORE_COLUMNS};
static const struct column of_hypothesis[] = {TEXT(neuron), SCORE_COLUMNS};
// clang-format on

const struct row_kind score_of_neuron = ROW_KIND(struct score, of_neuron);
const struct row_kind score_of_hypothesis = ROW_KIND(struct score, of_hypothesis);
