/*
 * fetch_file.h - brings one file of a repository into the cache
 *
 * The file is hashed while it is written, and takes its name only if the hash is the hub's.  What an
 * interrupted download left is used: only the rest is asked for.
 */
#ifndef GAPSCOPE_MODEL_FETCH_FETCH_FILE_H
#define GAPSCOPE_MODEL_FETCH_FETCH_FILE_H

#include <stdbool.h>

#include "model/fetch/hub_client.h"
#include "model/fetch/hub_store.h"

struct fetch_file {
    struct hub_client *client;
    const struct hub_store *store;
    const char *kind, *repo, *commit; // the repository and the revision of it
    const char *name;                 // of the file in the repository
    bool quiet;
    uint64_t size;    // becomes the file's
    uint64_t fetched; // becomes the bytes that came over the network
    char *path;       // becomes the place in the snapshot, which the caller frees
};

/* Errors: those of hub_client_head() and hub_client_again(); ERR_FORMAT (the hash is another),
 * ERR_IO (the disk). */
int fetch_file(struct fetch_file *f, struct err *err);

#endif
