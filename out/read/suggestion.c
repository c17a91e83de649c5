#include "out/read/suggestion.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void suggestion_name(char name[SUGGESTION_NAME], const char *model, int64_t layer, int64_t index)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                  "0123456789._-";
    char end[48];
    const int len = snprintf(end, sizeof end, ".L%" PRId64 "N%" PRId64, layer, index);
    snprintf(name, SUGGESTION_NAME, "%.*s", SUGGESTION_NAME - 1 - len, model);
    for (char *c = name; *c; c++) {
        *c = strchr(allowed, *c) ? *c : '-';
    }
    strcat(name, end);
}
