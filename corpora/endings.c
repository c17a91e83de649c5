#include "corpora/endings.h"

#include <stddef.h>
#include <string.h>

static bool ends_with(const char *name, size_t len, const char *ending)
{
    const size_t n = strlen(ending);
    return len > n && memcmp(name + len - n, ending, n) == 0;
}

/* The length of 'name' without .zst, .zstd or .gz. */
static size_t unpacked_len(const char *name)
{
    static const char *const endings[] = {".zst", ".zstd", ".gz"};
    const size_t len = strlen(name);
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        if (ends_with(name, len, endings[i])) {
            return len - strlen(endings[i]);
        }
    }
    return len;
}

bool endings_say_compressed(const char *name)
{
    return unpacked_len(name) < strlen(name);
}

bool endings_end_with(const char *name, const char *ending)
{
    return ends_with(name, unpacked_len(name), ending);
}
