#include "scan/cli/values.h"

#include <string.h>

enum value_kind value_kind(const char *value)
{
    static const char *const files[] = {"FILE", "FILE.yaml", "FILE.ngrams", "F.ngrams", "run.db"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        if (strcmp(value, files[i]) == 0) {
            return VALUE_FILE;
        }
    }
    if (strncmp(value, "DIR", 3) == 0) {
        return VALUE_FOLDER;
    }
    if (strcmp(value, "M") == 0 || strcmp(value, "[NAME=]M") == 0) {
        return VALUE_MODEL;
    }
    return strchr(value, '|') ? VALUE_WORDS : VALUE_TEXT;
}
