#include "scan/cmd/missing_units.h"

#include "corpora/base/plural.h"

#include <inttypes.h>
#include <stdio.h>

#define RANGES_MAX 8 // shown

/* The first unit from 'at' on that is in the file, or is not; n: there is none. */
static uint64_t next_unit(uint64_t at, bool in_file, uint64_t n, missing_units_has *has,
                          const void *file)
{
    while (at < n && has(file, at) != in_file) {
        at++;
    }
    return at;
}

/* Are the missing units those of one part?  Then *part and *n_parts say of which. */
static bool is_part(uint64_t *part, uint64_t *n_parts, uint64_t n, missing_units_has *has,
                    const void *file)
{
    *part = next_unit(0, false, n, has, file);
    *n_parts = next_unit(*part + 1, false, n, has, file) - *part;
    bool is = *part + *n_parts<n && * n_parts> 1 && *part < *n_parts;
    for (uint64_t unit = 0; unit < n && is; unit++) {
        is = has(file, unit) == (unit % *n_parts != *part);
    }
    return is;
}

static void print_ranges(uint64_t n, missing_units_has *has, const void *file)
{
    unsigned shown = 0;
    for (uint64_t at = next_unit(0, false, n, has, file), end; at < n;
         at = next_unit(end, false, n, has, file)) {
        end = next_unit(at, true, n, has, file);
        const char *before = shown > 0 ? ", " : "";
        if (shown++ == RANGES_MAX) {
            fprintf(stderr, "%sand others", before);
            return;
        }
        fprintf(stderr, "%s%" PRIu64, before, at);
        if (end - at > 1) {
            fprintf(stderr, "-%" PRIu64, end - 1);
        }
    }
}

void missing_units_print(const char *path, const char *command, uint64_t n, missing_units_has *has,
                         const void *file)
{
    uint64_t missing = 0, part, n_parts;
    for (uint64_t unit = 0; unit < n; unit++) {
        missing += !has(file, unit);
    }
    fprintf(stderr,
            "gapscope merge: %s: incomplete: %" PRIu64 " of %" PRIu64 " unit%s %s missing: ", path,
            missing, n, plural_s(n), missing == 1 ? "is" : "are");
    if (is_part(&part, &n_parts, n, has, file)) {
        fprintf(stderr, "those of --part %" PRIu64 "/%" PRIu64, part, n_parts);
    } else {
        print_ranges(n, has, file);
    }
    fprintf(stderr,
            "\n  let gapscope %s finish every part (--part I/N), then merge them all, or this file "
            "and the others\n",
            command);
}
