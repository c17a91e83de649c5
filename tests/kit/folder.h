/*
 * folder.h - a folder of a test program's own: made before its tests, removed behind them
 */
#ifndef GAPSCOPE_TESTS_KIT_FOLDER_H
#define GAPSCOPE_TESTS_KIT_FOLDER_H

#include <stdio.h>
#include <stdlib.h>

static char folder[] = "/tmp/gapscope-test-XXXXXX";

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    char command[64];
    snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command);
}

/* The path of 'name' in the folder; valid for the next three calls. */
static inline char *folder_path(const char *name)
{
    static char paths[4][96];
    static unsigned turn;
    char *to = paths[turn++ % 4];
    snprintf(to, sizeof paths[0], "%s/%s", folder, name);
    return to;
}

#endif
