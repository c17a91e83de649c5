/*
 * Plugins that do not keep to the interface; PLUGIN_BAD_... says how.
 */
#include "miners/kinds/plugin.h"

#include <string.h>

#if defined PLUGIN_BAD_SYMBOL
const int another_symbol = 1;
#else

#if defined PLUGIN_BAD_NO_LABEL
#define LABEL NULL
#else
#define LABEL label
static int label(void *state, const struct gapscope_plugin_doc *doc, uint8_t *labels)
{
    (void)state;
    memset(labels, 0, doc->n);
#if defined PLUGIN_BAD_FEWER
    labels[doc->n - 1] = GAPSCOPE_PLUGIN_UNSET; // as if it had not been written to
#elif defined PLUGIN_BAD_VALUE
    labels[0] = 2;
#endif
    return doc->len == 4 ? GAPSCOPE_PLUGIN_FAILED : GAPSCOPE_PLUGIN_DONE;
}
#endif

#if defined PLUGIN_BAD_STATE
static void *state_new(void)
{
    return NULL;
}
#endif

const struct gapscope_plugin gapscope_plugin = {
#if defined PLUGIN_BAD_VERSION
    .version = GAPSCOPE_PLUGIN_VERSION + 6,
#else
    .version = GAPSCOPE_PLUGIN_VERSION,
#endif
#if defined PLUGIN_BAD_STATE
    .state_new = state_new,
#endif
    .label = LABEL,
};
#endif
