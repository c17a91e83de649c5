#include "out/results/record/record_state.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <xxhash.h>

#include "corpora/base/file.h"
#include "corpora/base/mem.h"
#include "out/results/record/record.h"
#include "out/results/record/record_files.h"

#define MAGIC "gapscope record 2\n"
#define STATE_MAX ((size_t)4096)

int record_state_write(const struct record_state *s, const char *folder, struct err *err)
{
    char text[STATE_MAX];
    snprintf(text, sizeof text,
             MAGIC "run %s\nnext %" PRIu64 "\nskip %" PRIu64 "\nchunks %" PRIu64
                   "\nfilled %zu\nfinished %d\n",
             s->run, s->next, s->skip, s->chunks, s->filled, s->finished);
    const size_t len = strlen(text);
    snprintf(text + len, sizeof text - len, "hash %016" PRIx64 "\n",
             (uint64_t)XXH3_64bits(text, len));
    const int rc = record_put_text(folder, "state", text, err);
    return rc ? rc : record_sync_folder(folder, err);
}

static bool is_whole(const char *text)
{
    const char *last = strstr(text, "\nhash ");
    uint64_t hash = 0;
    int end = 0;
    return last && sscanf(last, "\nhash %16" SCNx64 "%n", &hash, &end) == 1 && last[end] == '\n' &&
           last[end + 1] == '\0' && XXH3_64bits(text, (size_t)(last - text) + 1) == hash;
}

static bool parse(struct record_state *s, const char *text)
{
    int finished = 0;
    const int n = sscanf(text,
                         MAGIC "run %32s next %" SCNu64 " skip %" SCNu64 " chunks %" SCNu64
                               " filled %zu finished %d",
                         s->run, &s->next, &s->skip, &s->chunks, &s->filled, &finished);
    s->finished = finished == 1;
    return n == 6 && is_whole(text) && s->filled < RECORD_CHUNK &&
           s->chunks < UINT64_MAX / RECORD_CHUNK && (finished & ~1) == 0 &&
           (s->filled == 0 || s->finished);
}

int record_state_read(struct record_state *out, const char *path, struct err *err)
{
    struct buf text = {0};
    int rc = file_read(path, STATE_MAX, &text, err);
    rc = rc ? rc : buf_append(&text, "", 1, err);
    if (!rc && (strlen(text.data) + 1 != text.len || !parse(out, text.data))) {
        rc = err_set(err, ERR_FORMAT,
                     "%s: damaged, or of another version of gapscope; --force begins the record "
                     "anew",
                     path);
    }
    buf_free(&text);
    return rc;
}
