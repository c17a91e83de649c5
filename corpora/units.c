#include "corpora/units.h"

#include <stdlib.h>
#include <string.h>

#include "corpora/idlist.h"
#include "corpora/stream.h"

struct units {
    const struct shards *shards;
    struct units_options options;
    uint64_t number;   // of the next unit
    uint64_t raw_told; // the sum of 'raw' of the units before it

    size_t shard;      // the current shard, or the next if none is open
    uint64_t raw_done; // bytes of the shards before it
    // The current shard is open as one of these.
    struct source *source;
    struct idlist *list;

    // The document after the last unit; without it nobody knows whether that was its shard's last.
    bool ahead;
    struct doc doc;      // from the source; with ids only its number is set
    const uint32_t *ids; // [n_ids], from the list
    size_t n_ids;
    struct rejects passed; // rejects before that document, or up to the end of the shard
};

/* The name under which the first list of a shard stands, as units_check() says it. */
static int check_ids(const char *path, const struct units_options *o, const char **ids_key,
                     struct err *err)
{
    struct idlist *list = NULL;
    const uint32_t *ids;
    size_t n;
    const int rc = idlist_open(&list, path, o->source.field, o->n_ctx, o->d_vocab, err);
    if (!rc && !o->source.field && !*ids_key) {
        struct err later = {0}; // whoever reads the list meets it again
        (void)idlist_next(list, &ids, &n, &later);
        const char *key = idlist_key(list);
        *ids_key = key && strcmp(key, "ids") != 0 ? key : NULL;
    }
    idlist_close(list);
    return rc;
}

int units_check(const struct shards *shards, const struct units_options *options,
                const char **ids_key, struct err *err)
{
    int rc = 0;
    *ids_key = NULL;
    for (size_t i = 0; i < shards->n && !rc; i++) {
        const char *path = shards->items[i].path;
        if (options->ids) {
            rc = check_ids(path, options, ids_key, err);
        } else {
            struct source *source = NULL;
            rc = source_open(&source, path, &options->source, err);
            source_close(source);
        }
    }
    return rc;
}

int units_open(struct units **out, const struct shards *shards, const struct units_options *options,
               struct err *err)
{
    struct units *r = mem_zero(1, sizeof *r);
    if (!r) {
        return err_nomem(err, "a reader of units");
    }
    r->shards = shards;
    r->options = *options;
    *out = r;
    return 0;
}

void units_close(struct units *r)
{
    if (!r) {
        return;
    }
    source_close(r->source);
    idlist_close(r->list);
    free(r);
}

uint64_t units_tell_raw(const struct units *r)
{
    if (r->source) {
        return r->raw_done + source_tell_raw(r->source);
    }
    return r->raw_done + (r->list ? idlist_tell_raw(r->list) : 0);
}

void unit_free(struct unit *u)
{
    free(u->docs);
    buf_free(&u->text);
    free(u->ids);
    buf_free(&u->names);
    *u = (struct unit){0};
}

/* Empties *u and keeps its memory. */
static void unit_clear(struct unit *u)
{
    u->last = false;
    u->n_docs = 0;
    u->text.len = 0;
    u->n_ids = 0;
    u->names.len = 0;
    memset(u->rejects.n, 0, sizeof u->rejects.n);
    u->repaired = 0;
}

static bool unit_is_full(const struct unit *u)
{
    return u->text.len + u->n_ids * UNIT_ID_BYTES >= UNIT_BYTES || u->n_docs == UNIT_DOCS;
}

/* Adds 'name' to u->names, unless the previous document has the same; *at becomes its offset. */
static int add_domain(struct unit *u, const char *name, size_t *at, struct err *err)
{
    const size_t before = u->n_docs ? u->docs[u->n_docs - 1].domain : SIZE_MAX;
    if (before != SIZE_MAX && strcmp(u->names.data + before, name) == 0) {
        *at = before;
        return 0;
    }
    *at = u->names.len;
    return buf_append(&u->names, name, strlen(name) + 1, err);
}

static int add_text(struct unit *u, const struct doc *doc, struct err *err)
{
    struct unit_doc *d = &u->docs[u->n_docs];
    *d = (struct unit_doc){
        .number = doc->number, .at = u->text.len, .len = doc->len, .domain = SIZE_MAX};
    int rc = buf_append(&u->text, doc->text, doc->len, err);
    if (!rc && doc->domain) {
        rc = add_domain(u, doc->domain, &d->domain, err);
    }
    u->repaired += doc->repaired;
    return rc;
}

static int add_ids(struct unit *u, uint64_t number, const uint32_t *ids, size_t n, struct err *err)
{
    const int rc = mem_reserve(&u->ids, &u->ids_cap, u->n_ids + n, sizeof *u->ids, "ids", err);
    if (rc) {
        return rc;
    }
    u->docs[u->n_docs] =
        (struct unit_doc){.number = number, .at = u->n_ids, .len = n, .domain = SIZE_MAX};
    memcpy(u->ids + u->n_ids, ids, n * sizeof *ids);
    u->n_ids += n;
    return 0;
}

static void take_passed(struct units *r, struct unit *u)
{
    rejects_append(&u->rejects, &r->passed);
    memset(r->passed.n, 0, sizeof r->passed.n);
}

/* Moves the document that was read ahead, and the rejects before it, into the unit. */
static int take_doc(struct units *r, struct unit *u, struct err *err)
{
    take_passed(r, u);
    int rc = mem_reserve(&u->docs, &u->docs_cap, u->n_docs + 1, sizeof *u->docs, "documents", err);
    if (!rc) {
        rc = r->list ? add_ids(u, r->doc.number, r->ids, r->n_ids, err) : add_text(u, &r->doc, err);
    }
    u->n_docs++;
    return rc;
}

/* Reads ahead the next list of ids; damage ends the shard and is counted. */
static int read_list(struct units *r, struct err *err)
{
    struct err why = {0};
    const int rc = idlist_next(r->list, &r->ids, &r->n_ids, &why);
    if (rc && !stream_is_damage(rc)) {
        return err_set(err, rc, "%s", why.msg);
    }
    if (rc) {
        uint64_t line, byte;
        idlist_tell(r->list, &line, &byte);
        rejects_add_damage(&r->passed, r->shards->items[r->shard].path, idlist_has_rows(r->list),
                           line, byte, &why);
    }
    r->doc.number++;
    r->ahead = r->n_ids > 0;
    return 0;
}

/* Reads ahead the next document of the shard, if there is one. */
static int read_ahead(struct units *r, struct err *err)
{
    if (r->list) {
        return read_list(r, err);
    }
    const enum source_status status = source_next(r->source, &r->doc, err);
    if (status == SOURCE_ERROR) {
        return (int)err->code;
    }
    rejects_append(&r->passed, source_passed(r->source));
    r->ahead = status == SOURCE_DOC;
    return 0;
}

static int open_shard(struct units *r, struct err *err)
{
    const struct shard *shard = &r->shards->items[r->shard];
    const struct units_options *o = &r->options;
    int rc = shard_check(shard, err);
    if (rc) {
        return rc;
    }
    r->doc = (struct doc){.number = UINT64_MAX}; // the first list gets number 0
    if (o->ids) {
        rc = idlist_open(&r->list, shard->path, o->source.field, o->n_ctx, o->d_vocab, err);
    } else {
        rc = source_open(&r->source, shard->path, &o->source, err);
    }
    return rc ? rc : read_ahead(r, err);
}

/* Ends a shard that was read to its end.  The check comes here because a shard that has become
 * shorter meanwhile looked damaged. */
static int end_shard(struct units *r, struct err *err)
{
    const struct shard *shard = &r->shards->items[r->shard];
    source_close(r->source);
    idlist_close(r->list);
    r->source = NULL;
    r->list = NULL;
    r->raw_done += shard->bytes;
    r->shard++;
    return shard_check(shard, err);
}

/* Fills the unit, at most to the end of the shard. */
static int fill(struct units *r, struct unit *u, struct err *err)
{
    u->shard = (uint32_t)r->shard;
    int rc = 0;
    while (r->ahead && !unit_is_full(u) && !rc) {
        rc = take_doc(r, u, err);
        if (!rc) {
            rc = read_ahead(r, err);
        }
    }
    if (rc || r->ahead) {
        return rc;
    }
    take_passed(r, u);
    u->last = true;
    return end_shard(r, err);
}

/* Attributes the bytes read since the last unit to this one. */
static void tell_raw(struct units *r, struct unit *u)
{
    const uint64_t raw = units_tell_raw(r);
    u->raw = raw - r->raw_told;
    r->raw_told = raw;
}

int units_next(struct units *r, struct unit *u, struct err *err)
{
    for (;;) {
        unit_clear(u);
        const bool is_open = r->source || r->list;
        if (!is_open && r->shard == r->shards->n) {
            u->number = UNIT_END;
            tell_raw(r, u);
            return 0;
        }
        int rc = is_open ? 0 : open_shard(r, err);
        if (!rc) {
            rc = fill(r, u, err);
        }
        if (rc) {
            return rc;
        }
        if (u->n_docs > 0 || rejects_total(&u->rejects) > 0) {
            u->number = r->number++;
            tell_raw(r, u);
            return 0;
        }
    }
}
