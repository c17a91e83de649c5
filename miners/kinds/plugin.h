/*
 * plugin.h - the interface of a miner that you compile yourself as a shared object
 *
 * This file needs nothing else of gapscope: copy it beside your source.
 *
 *     #include "plugin.h"
 *
 *     static int label(void *state, const struct gapscope_plugin_doc *doc, uint8_t *labels)
 *     {
 *         for (size_t i = 0; i < doc->n; i++) {
 *             labels[i] = doc->text[doc->ends[i] - 1] == '!';
 *         }
 *         return GAPSCOPE_PLUGIN_DONE;
 *     }
 *
 *     const struct gapscope_plugin gapscope_plugin = {
 *         .version = GAPSCOPE_PLUGIN_VERSION, .label = label};
 *
 *     cc -shared -fPIC -O2 -o libmine.so mine.c
 *
 *     hypotheses:
 *       - {name: mine, plugin: ./libmine.so}
 *
 * A plugin's labels of a document must depend on that document alone: documents come in any order,
 * from several threads, and again after a run was stopped.  It runs inside of gapscope, so a plugin
 * that crashes ends the run; use 'exec:' for a program that you do not trust that far.
 *
 * From version 2 on a plugin may also say which token would follow each labelled one (answer), and
 * see where the models' windows begin (windows).  One that was compiled for version 1 works as before.
 *
 * Threads: each thread has its own state; calls with different states may come at the same time.
 */
#ifndef GAPSCOPE_MINERS_KINDS_PLUGIN_H
#define GAPSCOPE_MINERS_KINDS_PLUGIN_H

#include <stddef.h>
#include <stdint.h>

/* The version of this interface; gapscope takes plugins of version 1 and 2. */
#define GAPSCOPE_PLUGIN_VERSION 2

/* A document and its tokens, without BOS. */
struct gapscope_plugin_doc {
    const char *text;     // [len], valid UTF-8, may hold NULs, no NUL at the end
    size_t len;           // bytes
    const uint32_t *ids;  // [n]
    const uint32_t *ends; // [n], ascending: token i is the bytes [i ? ends[i-1] : 0, ends[i]) of
                          // text; it may begin or end inside of a character; the last is len
    size_t n;             // > 0

    // version 2
    const uint32_t *window_begin; // [n] the first token of this text in the model's window of
                                  // token i: what is before it the model does not see there
};

/* The results of label(). */
enum {
    GAPSCOPE_PLUGIN_DONE,    // labels[n] is filled
    GAPSCOPE_PLUGIN_GAVE_UP, // the plugin cannot label this document; it is counted as aborted
    GAPSCOPE_PLUGIN_FAILED,  // the run cannot go on; the plugin says why on standard error
};

struct gapscope_plugin {
    uint32_t version; // GAPSCOPE_PLUGIN_VERSION

    /* A thread's own memory, made before its first document and ended after its last; both are NULL
     * if the plugin needs none.  state_new returns NULL if there is no memory. */
    void *(*state_new)(void);
    void (*state_free)(void *state);

    /* Sets labels[i] (all are GAPSCOPE_PLUGIN_UNSET before) to 1 for each token i that it labels
     * and to 0 for each other token: a token left out, or another number, ends the run. */
    int (*label)(void *state, const struct gapscope_plugin_doc *doc, uint8_t *labels);

    // version 2

    /* Like label(), and sets answers[i] of each token i that it labels to the id of the token that
     * would follow: another id than those of the vocabulary ends the run.  NULL: it does not say. */
    int (*answer)(void *state, const struct gapscope_plugin_doc *doc, uint8_t *labels,
                  uint32_t *answers);

    /* 1: what it says depends on window_begin, so that runs with other windows do not merge. */
    uint32_t windows;
};
#define GAPSCOPE_PLUGIN_UNSET 255

/* The one symbol that gapscope looks up.  Compile with default visibility. */
extern const struct gapscope_plugin gapscope_plugin;

#endif
