#include "corpora/stream_internal.h"

#include <inttypes.h>

bool stream_gzip_begins(const unsigned char *p, size_t n)
{
    return n >= 2 && p[0] == 0x1f && p[1] == 0x8b;
}

/* Called between two members: sets in_member if another begins, else s->end. */
static int gzip_next_member(struct stream *s, struct err *err)
{
    int rc = stream_raw_want(s, 2, err);
    if (rc) {
        return rc;
    }
    const unsigned char *p = s->in + s->in_at;
    const size_t n = s->in_len - s->in_at;
    if (stream_gzip_begins(p, n)) {
        inflateReset(&s->gzip);
        s->in_member = true;
        s->member_at = stream_raw_at(s);
        return 0;
    }
    if (n == 1 && p[0] == 0x1f) {
        return stream_fail_truncated(s, "gzip member", err);
    }
    while (s->in_at < s->in_len) { // tapes pad their last block with zeros
        if (s->in[s->in_at] != 0) {
            return stream_fail_garbage(s, "gzip member", err);
        }
        s->in_at++;
        rc = stream_raw_want(s, 1, err);
        if (rc) {
            return rc;
        }
    }
    s->end = true;
    return 0;
}

int stream_gzip_fill(struct stream *s, struct err *err)
{
    const size_t before = s->out_len;
    while (s->out_len < before + STREAM_FILL_BYTES) {
        if (s->out_len > before && s->in_at == s->in_len) {
            break; // what came before must not wait for a pipe that pauses
        }
        int rc = s->in_member ? 0 : gzip_next_member(s, err);
        if (rc || s->end) {
            return rc;
        }
        rc = stream_raw_want(s, 1, err);
        if (rc) {
            return rc;
        }
        const size_t n = s->in_len - s->in_at;
        const size_t room = before + STREAM_FILL_BYTES - s->out_len;
        s->gzip.next_in = s->in + s->in_at;
        s->gzip.avail_in = (unsigned)n;
        s->gzip.next_out = (unsigned char *)s->out + s->out_len;
        s->gzip.avail_out = (unsigned)room;
        const int status = inflate(&s->gzip, Z_NO_FLUSH);
        const size_t made = room - s->gzip.avail_out;
        s->in_at = s->in_len - s->gzip.avail_in;
        s->out_len += made;
        s->in_member = status != Z_STREAM_END;
        if (status == Z_MEM_ERROR) {
            return err_nomem(err, "decompressing gzip");
        }
        if (status == Z_DATA_ERROR || status == Z_NEED_DICT) {
            // The offset at which inflate() stops depends on how the bytes came in; the size of its
            // output does not.
            return err_set(err, ERR_CORRUPT,
                           "%s: byte %" PRIu64 ": gzip: %s (%lu bytes into the text of the member "
                           "that begins here)",
                           s->name, s->member_at, s->gzip.msg ? s->gzip.msg : "damaged",
                           s->gzip.total_out);
        }
        if (s->in_member && n == 0 && made == 0) {
            return stream_fail_truncated(s, "gzip member", err);
        }
    }
    return 0;
}

int stream_gzip_begin(struct stream *s, struct err *err)
{
    s->gzip_open = inflateInit2(&s->gzip, 15 + 16) == Z_OK; // widest window, with gzip header
    return s->gzip_open ? 0 : err_nomem(err, "decompressing gzip");
}

void stream_gzip_end(struct stream *s)
{
    if (s->gzip_open) {
        inflateEnd(&s->gzip);
    }
}
