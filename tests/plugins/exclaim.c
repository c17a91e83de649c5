/*
 * A plugin as people write them: labels each token that ends with an exclamation mark.  A document
 * that begins with "skip" is given up, one that begins with "count" shows the state.
 */
#include "miners/kinds/plugin.h"

#include <stdlib.h>
#include <string.h>

/* Shows that each thread has its own: how many documents it has seen. */
struct state {
    unsigned n_docs;
};

static void *state_new(void)
{
    return calloc(1, sizeof(struct state));
}

static int label(void *state, const struct gapscope_plugin_doc *doc, uint8_t *labels)
{
    struct state *s = state;
    s->n_docs++;
    if (doc->len >= 4 && memcmp(doc->text, "skip", 4) == 0) {
        return GAPSCOPE_PLUGIN_GAVE_UP;
    }
    if (doc->len >= 5 && memcmp(doc->text, "count", 5) == 0) {
        memset(labels, 0, doc->n);
        labels[s->n_docs - 1 < doc->n ? s->n_docs - 1 : doc->n - 1] = 1;
        return GAPSCOPE_PLUGIN_DONE;
    }
    for (size_t i = 0; i < doc->n; i++) {
        labels[i] = doc->text[doc->ends[i] - 1] == '!';
    }
    return GAPSCOPE_PLUGIN_DONE;
}

#ifdef PLUGIN_EXCLAIM_ONE
/* What stands where a plugin of version 1 has no members is never called. */
static int never(void *state, const struct gapscope_plugin_doc *doc, uint8_t *labels,
                 uint32_t *answers)
{
    (void)state;
    (void)doc;
    (void)labels;
    (void)answers;
    abort();
}
#endif

const struct gapscope_plugin gapscope_plugin = {
#ifdef PLUGIN_EXCLAIM_ONE
    .version = 1,
    .answer = never,
    .windows = 1,
#else
    .version = GAPSCOPE_PLUGIN_VERSION,
#endif
    .state_new = state_new,
    .state_free = free,
    .label = label,
};
