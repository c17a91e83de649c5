/* Property: any bytes as a name are refused, or give a name whose path stays inside its repository;
 * any bytes as the hub's list of files are refused with a message, or give names that do so, too. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "corpora/base/mem.h"
#include "model/fetch/fetch_list.h"
#include "model/fetch/fetch_name.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int holds)
{
    if (!holds) {
        abort();
    }
}

static void check_inside(const char *path)
{
    check(*path && *path != '/' && strncmp(path, "../", 3) != 0 && !strstr(path, "/../"));
    check(strcmp(path, "..") != 0 && !strstr(path, "//"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf text = {0};
    struct err err = {0};
    struct fetch_name name;
    struct repo_files files = {0};
    check(buf_append(&text, data, size, NULL) == 0 && buf_append(&text, "", 1, NULL) == 0);
    if (fetch_name_read(&name, text.data, &err) == 0) {
        check(strchr(name.repo, '/') && *name.revision);
        if (*name.path) {
            check_inside(name.path);
        }
    } else {
        check(err.msg[0]);
    }
    err = (struct err){0};
    if (repo_files_read(&files, text.data, &err) == 0) {
        uint64_t bytes;
        for (size_t i = 0; i < files.n; i++) {
            check_inside(files.items[i].name);
        }
        const int rc = repo_files_choose_model(&files, "O/N", &err);
        check(rc || repo_files_wanted(&files, &bytes) > 0);
        repo_files_free(&files);
    } else {
        check(err.msg[0]);
    }
    buf_free(&text);
    return 0;
}
