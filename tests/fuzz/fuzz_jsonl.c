/* Property: any bytes, as JSONL or text, give docs of valid UTF-8 within the limit, numbered in
 * ascending order, whose pieces tile their record and share its domain, valid UTF-8 within its
 * limit too; what is passed over between them adds up to the rejects; taken in whole or in small
 * steps they give the same docs and the same rejects. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "corpora/base/mem.h"
#include "corpora/base/utf8.h"
#include "corpora/domain_name.h"
#include "corpora/jsonl.h"
#include "corpora/source.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define DOCS_MAX 2000

static void check(int holds)
{
    if (!holds) {
        abort();
    }
}

/* Appends all that is to be known of the docs to *out. */
static void take(const uint8_t *data, size_t size, size_t step,
                 const struct source_options *options, struct buf *out)
{
    struct stream *stream;
    struct source *s;
    struct err err = {0};
    check(stream_open_memory(&stream, "fuzz.jsonl", data, size, step, NULL) == 0);
    stream_limit_window(stream, 20);
    const int rc = source_open_stream(&s, stream, options, &err);
    if (rc) {
        check(rc == ERR_UNSUPPORTED && err.msg[0] != '\0');
        return;
    }
    enum source_status status = SOURCE_END;
    struct doc doc, last = {0};
    char domain[DOMAIN_NAME_BYTES + 1] = ""; // the last one
    uint64_t n_docs = 0, n_repaired = 0, n_passed = 0;
    while (n_docs < DOCS_MAX && (status = source_next(s, &doc, &err)) == SOURCE_DOC) {
        check(doc.len <= DOC_MAX_BYTES);
        check(utf8_valid_prefix(doc.text, doc.len) == doc.len);
        check(n_docs == 0 || doc.number > last.number);
        check(doc.begins == 0 || (doc.begins == last.begins + last.len && doc.line == last.line &&
                                  doc.number == last.number + 1));
        check(doc.repaired * 3 <= doc.len);
        const char *name = doc.domain ? doc.domain : "";
        const size_t name_len = strlen(name);
        check(!doc.domain == (name_len == 0) && name_len <= DOMAIN_NAME_BYTES);
        check(utf8_valid_prefix(name, name_len) == name_len);
        check(doc.begins == 0 || strcmp(domain, name) == 0);
        memcpy(domain, name, name_len + 1);
        n_passed += rejects_total(source_passed(s));
        n_docs++;
        n_repaired += doc.repaired;
        last = doc;
        check(buf_printf(out, NULL, "%llu %llu %llu %s ", (unsigned long long)doc.number,
                         (unsigned long long)doc.line, (unsigned long long)doc.repaired,
                         domain) == 0);
        check(buf_append(out, doc.text, doc.len, NULL) == 0);
    }
    check(n_repaired == source_repaired(s));
    if (status == SOURCE_END) {
        const uint64_t n_rejects = rejects_total(source_rejects(s));
        check(n_rejects >= source_damaged(s));
        check(n_rejects == n_passed + rejects_total(source_passed(s)));
        check(n_docs == 0 || last.number < n_docs + n_rejects - source_damaged(s));
        for (int i = 0; i < REJECT_N; i++) {
            const struct rejects *r = source_rejects(s);
            check(buf_printf(out, NULL, " %llu", (unsigned long long)r->n[i]) == 0);
            for (uint64_t k = 0; k < r->n[i] && k < REJECT_PLACES; k++) {
                const struct reject_place *p = &r->places[i][k];
                check(p->line > 0 && p->why[0] != '\0');
                check(buf_printf(out, NULL, " %llu %llu %s", (unsigned long long)p->line,
                                 (unsigned long long)p->byte, p->why) == 0);
            }
        }
    } else if (status == SOURCE_ERROR) {
        check(err.code == ERR_UNSUPPORTED && err.msg[0] != '\0');
    }
    source_close(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const size_t steps[] = {1, 2, 3, 5, 17, 100};
    const unsigned choice = size ? data[size - 1] : 0;
    const struct source_options options = {
        .format = (enum source_format)(choice % 3),
        .field = choice & 64 ? "meta.text" : NULL,
        .domain = choice & 32 ? "meta.text" : NULL,
        .line_max_bytes = choice & 128 ? 40 : 0,
    };
    struct buf whole = {0}, split = {0};
    take(data, size, 0, &options, &whole);
    take(data, size, steps[choice % (sizeof steps / sizeof *steps)], &options, &split);
    check(whole.len == split.len);
    check(whole.len == 0 || memcmp(whole.data, split.data, whole.len) == 0);
    buf_free(&whole);
    buf_free(&split);
    return 0;
}
