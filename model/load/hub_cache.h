/*
 * hub_cache.h - where the Hugging Face cache is, and what is in it
 *
 * The variables and their order are those of Hugging Face's own client:
 *
 *     cache   HF_HUB_CACHE, else HUGGINGFACE_HUB_CACHE, else <home>/hub
 *     home    HF_HOME, else XDG_CACHE_HOME/huggingface, else ~/.cache/huggingface
 *
 * "~", "$NAME" and "${NAME}" in these are expanded.  A variable that is empty counts as not set.
 *
 *     <cache>/models--<owner>--<name>/refs/<revision>            a commit, 40 digits
 *                                    /blobs/<hash>                the files
 *                                    /snapshots/<commit>/<path>   links to them
 */
#ifndef GAPSCOPE_MODEL_LOAD_HUB_CACHE_H
#define GAPSCOPE_MODEL_LOAD_HUB_CACHE_H

#include <stdbool.h>

#include "corpora/base/err.h"

/* New strings that the caller frees; NULL with success: there is no home folder.  Errors: ERR_NOMEM. */
int hub_cache_folder(char **out, struct err *err);
int hub_cache_home(char **out, struct err *err);

/* The folder of a repository, "<cache>/models--OWNER--NAME".  kind: "models" or "datasets"; 'repo' is
 * "OWNER/NAME", or a name without an owner.  As hub_cache_folder(). */
int hub_cache_repo(char **out, const char *kind, const char *repo, struct err *err);

/* Whether the variable of that name is 1, ON, YES or TRUE, in any case. */
bool hub_cache_says(const char *variable);

/* Whether the hub must not be asked: HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE. */
bool hub_cache_offline(void);

#endif
