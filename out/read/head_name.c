#include "out/read/head_name.h"

#include <stdio.h>
#include <string.h>

size_t head_name_read(const char *text, size_t *layer, size_t *index)
{
    int end = 0;
    if (sscanf(text, "L%5zuH%9zu%n", layer, index, &end) != 2) {
        return 0;
    }
    // sscanf() takes spaces and signs for a part of a number.
    return strcspn(text, " \t\n\v\f\r+-") < (size_t)end ? 0 : (size_t)end;
}
