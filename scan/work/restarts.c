#include "scan/work/restarts.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "corpora/base/plural.h"
#include "out/sql/sql.h"
#include "out/store/meta.h"

/* store_writer */
static int write_value(void *context, const struct sql *sql, struct err *err)
{
    struct rows w;
    rows_open(&w, sql, "INSERT OR REPLACE INTO meta VALUES('" RESTARTS_KEY "',?)", err);
    rows_text(&w, context);
    rows_next(&w);
    return rows_close(&w);
}

int restarts_count(struct store *s, uint64_t units_done, size_t most, const char *path,
                   struct err *err)
{
    char *old = NULL, text[64];
    uint64_t units = 0, starts = 0;
    if (most == 0) {
        return 0;
    }
    int rc = meta_get(&old, s, RESTARTS_KEY, err);
    if (rc) {
        return rc;
    }
    if (!old || sscanf(old, "%" SCNu64 " %" SCNu64, &units, &starts) != 2 || units != units_done) {
        starts = 0;
    }
    free(old);
    const bool too_many = starts > most;
    snprintf(text, sizeof text, "%" PRIu64 " %" PRIu64, units_done, too_many ? 0 : starts + 1);
    rc = store_write(s, write_value, text, err);
    if (rc || !too_many) {
        return rc;
    }
    return err_set(err, ERR_LIMIT,
                   "%s: begun %" PRIu64
                   " time%s without finishing a unit (--restarts %zu): give it "
                   "more time or memory (gapscope scan --dry-run says how much a unit takes), then "
                   "run the same command again",
                   path, starts, plural_s(starts), most);
}
