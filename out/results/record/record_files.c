#include "out/results/record/record_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "corpora/base/file.h"
#include "corpora/base/path_error.h"

int record_io_error(struct err *err, const char *path)
{
    return err_set(err, ERR_IO, "%s: %s", path, strerror(errno));
}

char *record_join_number(const char *dir, uint64_t number)
{
    char name[24];
    snprintf(name, sizeof name, "%" PRIu64, number);
    return file_join(dir, name);
}

int record_sync_folder(const char *path, struct err *err)
{
    const int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const bool failed = fd < 0 || fsync(fd) != 0;
    const int rc = failed ? record_io_error(err, path) : 0;
    if (fd >= 0) {
        close(fd);
    }
    return rc;
}

static int write_all(int fd, const void *data, size_t len)
{
    const char *at = data;
    while (len > 0) {
        const ssize_t n = write(fd, at, len);
        if (n < 0 && errno != EINTR) {
            return -1;
        }
        at += n > 0 ? n : 0;
        len -= n > 0 ? (size_t)n : 0;
    }
    return 0;
}

int record_put_file(const char *path, const void *head, size_t head_len, const void *data,
                    size_t len, struct err *err)
{
    struct buf tmp = {0};
    int rc = buf_printf(&tmp, err, "%s.tmp", path);
    if (rc) {
        return rc;
    }
    const int fd = open(tmp.data, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0) {
        rc = record_io_error(err, tmp.data);
        goto out;
    }
    if (write_all(fd, head, head_len) != 0 || write_all(fd, data, len) != 0 || fsync(fd) != 0) {
        rc = record_io_error(err, tmp.data);
    }
    close(fd);
    if (!rc && rename(tmp.data, path) != 0) {
        rc = record_io_error(err, path);
    }
    if (rc) {
        unlink(tmp.data);
    }
out:
    buf_free(&tmp);
    return rc;
}

int record_put_text(const char *dir, const char *name, const char *text, struct err *err)
{
    char *path = file_join(dir, name);
    const int rc =
        path ? record_put_file(path, "", 0, text, strlen(text), err) : err_nomem(err, "a record");
    free(path);
    return rc;
}

int record_make_folder(const char *path, struct err *err)
{
    return mkdir(path, 0777) != 0 && errno != EEXIST ? path_write_error(path, errno, err) : 0;
}

int record_list(const char *dir,
                int (*each)(void *context, const char *path, const char *name, struct err *err),
                void *context, struct err *err)
{
    DIR *d = opendir(dir);
    if (!d) {
        return errno == ENOENT ? 0 : record_io_error(err, dir);
    }
    int rc = 0;
    for (const struct dirent *e; !rc && (e = file_entry(d, dir, &rc, err)) != NULL;) {
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0) {
            char *path = file_join(dir, e->d_name);
            rc = path ? each(context, path, e->d_name, err) : err_nomem(err, "a record");
            free(path);
        }
    }
    closedir(d);
    return rc;
}
