#include "out/read/standard_error.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

const char *standard_error_text(char text[STANDARD_ERROR_TEXT], double se, int digits)
{
    if (!isfinite(se)) {
        return strcpy(text, "-");
    }
    // a damaged run.db may hold anything
    snprintf(text, STANDARD_ERROR_TEXT, fabs(se) < 1e9 ? "%.*f" : "%.*g", digits, se);
    return text;
}
