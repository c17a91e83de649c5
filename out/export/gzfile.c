#include "out/export/gzfile.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

static ssize_t compress_some(void *cookie, const char *data, size_t len)
{
    const size_t some = len < 1 << 20 ? len : 1 << 20; // gzwrite() takes an unsigned
    return gzwrite(cookie, data, (unsigned)some);
}

int gzfile_open(struct gzfile *z, const char *path, struct err *err)
{
    *z = (struct gzfile){0};
    const int rc = outfile_open(&z->out, path, err);
    if (rc) {
        return rc;
    }
    const int fd = dup(fileno(z->out.stream));
    z->file = fd < 0 ? NULL : gzdopen(fd, "wb");
    z->to =
        z->file ? fopencookie(z->file, "w", (cookie_io_functions_t){.write = compress_some}) : NULL;
    if (!z->file && fd >= 0) {
        close(fd);
    }
    return z->to ? 0 : err_nomem(err, path);
}

int gzfile_close(struct gzfile *z, bool *made, int rc, struct err *err)
{
    errno = 0;
    *made = false;
    const bool failed = z->to && fclose(z->to) != 0;
    const bool failed_too = z->file && gzclose(z->file) != Z_OK;
    if (!rc && (failed || failed_too)) {
        rc =
            err_set(err, ERR_IO, "%s: %s", z->out.path, errno ? strerror(errno) : "writing failed");
    }
    if (!rc && z->lines > 0) {
        rc = outfile_commit(&z->out, err);
        *made = !rc;
    }
    outfile_discard(&z->out);
    return rc;
}
