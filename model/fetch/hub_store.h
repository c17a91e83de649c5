/*
 * hub_store.h - puts files into the Hugging Face cache, as Hugging Face's own client does
 *
 *     blobs/<etag>                        a file, under its hash
 *     blobs/<etag>.gapscope.incomplete    one that is being downloaded, or was interrupted
 *     snapshots/<commit>/<path>           a link to it; a copy where links are not possible
 *     refs/<revision>                     the commit, without a line end
 *     <cache>/.locks/<repository>/<etag>.lock   held while the file is written
 *
 * What stands under its final name is whole: it was written under another and renamed.
 */
#ifndef GAPSCOPE_MODEL_FETCH_HUB_STORE_H
#define GAPSCOPE_MODEL_FETCH_HUB_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "corpora/base/mem.h"

struct hub_store {
    char *cache;  // its folder
    char *folder; // of the repository: <cache>/models--OWNER--NAME
};

/* kind, repo: as hub_cache_repo().  Makes nothing yet.  Errors: ERR_NOT_FOUND (there is no home
 * folder), ERR_NOMEM. */
int hub_store_open(struct hub_store *out, const char *kind, const char *repo, struct err *err);
void hub_store_close(struct hub_store *s); // {0} is allowed

/* "folder/a/b": a new string; NULL: no memory.  b: NULL for "folder/a". */
char *hub_store_path(const struct hub_store *s, const char *a, const char *b);

/* Makes the folders that 'path' needs.  Errors: ERR_IO, ERR_NOMEM. */
int hub_store_make_folders(const char *path, struct err *err);

/* Makes the cache, with the file that tells backups to leave it out.  Errors: as above. */
int hub_store_make_cache(const struct hub_store *s, struct err *err);

/* Waits for the lock of the file 'etag'; *fd becomes its descriptor, -1 where locks do not work.
 * hub_store_unlock(fd) ends it.  waiting: called once before it waits; NULL: not. */
int hub_store_lock(const struct hub_store *s, const char *etag, void (*waiting)(void), int *fd,
                   struct err *err);
void hub_store_unlock(int fd);

/* Puts the blob 'etag' into the snapshot, at *path, a new string.  Errors: ERR_IO, ERR_NOMEM. */
int hub_store_link(const struct hub_store *s, const char *etag, const char *commit,
                   const char *name, char **path, struct err *err);

/* Sets the revision to the commit.  Errors: ERR_IO, ERR_NOMEM. */
int hub_store_set_ref(const struct hub_store *s, const char *revision, const char *commit,
                      struct err *err);

/* The commit of the revision, in a new string; NULL with success: it is not known. */
int hub_store_ref(const struct hub_store *s, const char *revision, char **commit, struct err *err);

#endif
