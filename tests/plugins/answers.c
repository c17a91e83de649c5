/*
 * A plugin that says what would follow: labels each token but the first of its window, and answers
 * the token before it.
 */
#include "miners/kinds/plugin.h"

static int answer(void *state, const struct gapscope_plugin_doc *doc, uint8_t *labels,
                  uint32_t *answers)
{
    (void)state;
    for (uint32_t i = 0; i < doc->n; i++) {
        labels[i] = i > doc->window_begin[i];
        if (labels[i] && answers) {
#if defined PLUGIN_ANSWERS_BEYOND
            answers[i] = 4000000000u;
#elif !defined PLUGIN_ANSWERS_FORGETS
            answers[i] = doc->ids[i - 1];
#endif
        }
    }
    return GAPSCOPE_PLUGIN_DONE;
}

static int label(void *state, const struct gapscope_plugin_doc *doc, uint8_t *labels)
{
    return answer(state, doc, labels, 0);
}

const struct gapscope_plugin gapscope_plugin = {
    .version = GAPSCOPE_PLUGIN_VERSION, .label = label, .answer = answer, .windows = 1};
