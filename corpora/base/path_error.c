#include "corpora/base/path_error.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int path_read_error(const char *path, int number, struct err *err)
{
    char target[PATH_MAX];
    const enum err_code code = number == ENOENT || number == ENOTDIR ? ERR_NOT_FOUND : ERR_IO;
    const ssize_t n = number == ENOENT ? readlink(path, target, sizeof target) : -1;
    if (n >= 0) {
        return err_set(err, code, "%s: is a link to %.*s, which is not there", path, (int)n,
                       target);
    }
    if (number == ENXIO) { // what open() says of a socket
        return err_set(err, code, "%s: is not a regular file", path);
    }
    return err_set(err, code, "%s: %s", path, number == EISDIR ? "is a folder" : strerror(number));
}

int path_is_file(const char *path, bool *is_there, struct err *err)
{
    struct stat st;
    *is_there = false;
    if (stat(path, &st) != 0) {
        const int number = errno;
        const bool nothing = number == ENOENT && lstat(path, &st) != 0;
        return nothing ? 0 : path_read_error(path, number, err);
    }
    *is_there = S_ISREG(st.st_mode);
    if (*is_there) {
        return 0;
    }
    return err_set(err, ERR_IO, "%s: %s", path,
                   S_ISDIR(st.st_mode) ? "is a folder" : "is not a regular file");
}

/* Returns 0 where 'folder', which is on the way to 'path', is one. */
static int look_at_folder(const char *path, const char *folder, struct err *err)
{
    struct stat st;
    if (stat(folder, &st) != 0) {
        return errno == ENOENT
                   ? err_set(err, ERR_IO, "%s: there is no folder %s", path, folder)
                   : err_set(err, ERR_IO, "%s: the folder %s: %s", path, folder, strerror(errno));
    }
    return S_ISDIR(st.st_mode) ? 0 : err_set(err, ERR_IO, "%s: %s is not a folder", path, folder);
}

/* Whether folders on the way to 'path' explain why it cannot be made.  folder: a copy of 'path',
 * which is cut. */
static int look_at_way(const char *path, char *folder, struct err *err)
{
    char *end = folder + strlen(folder);
    while (end > folder + 1 && end[-1] == '/') {
        *--end = '\0';
    }
    for (char *slash = strchr(folder + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        const int rc = look_at_folder(path, folder, err);
        if (rc) {
            return rc;
        }
        *slash = '/';
    }
    char *last = strrchr(folder, '/');
    const char *whose = last == folder ? "/" : last ? folder : ".";
    if (last) {
        *last = '\0';
    }
    return access(whose, W_OK | X_OK) == 0
               ? 0
               : err_set(err, ERR_IO, "%s: the folder %s takes no new file: %s", path, whose,
                         strerror(errno));
}

int path_write_error(const char *path, int number, struct err *err)
{
    char *folder = *path ? strdup(path) : NULL;
    const int rc = folder ? look_at_way(path, folder, err) : 0;
    free(folder);
    return rc ? rc : err_set(err, ERR_IO, "%s: %s", path, strerror(number));
}
