#include "out/read/neuron_name.h"

#include <stdio.h>
#include <string.h>

size_t neuron_name_read(const char *text, size_t *layer, size_t *index)
{
    int end = 0;
    if (sscanf(text, "L%5zuN%9zu%n", layer, index, &end) != 2) {
        return 0;
    }
    // sscanf() takes spaces and signs for a part of a number.
    return strcspn(text, " \t\n\v\f\r+-") < (size_t)end ? 0 : (size_t)end;
}

int site_read(const char *text, enum site *out, struct err *err)
{
    *out = SITE_DEFAULT;
    if (!text) {
        return 0;
    }
    for (enum site site = SITE_PRE; site <= SITE_POST; site++) {
        if (strcmp(text, site_name(site)) == 0) {
            *out = site;
            return 0;
        }
    }
    return err_set(err, ERR_USAGE, "--site %s: pre, mid or post is wanted", text);
}
