#include "out/read/real_text.h"

#include <math.h>
#include <stdio.h>

const char *real_text(char text[REAL_TEXT], double value, int digits, bool sign)
{
    if (!isfinite(value)) {
        snprintf(text, REAL_TEXT, "-");
    } else if (fabs(value) >= 1e15) {
        snprintf(text, REAL_TEXT, sign ? "%+.*e" : "%.*e", 3, value);
    } else {
        snprintf(text, REAL_TEXT, sign ? "%+.*f" : "%.*f", digits, value);
    }
    return text;
}
