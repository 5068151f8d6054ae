#include "web/server/gunzip.h"

#define ZLIB_CONST /* next_in is not written through */
#include <zlib.h>

#define PIECE 65536u

/* One piece of output; Z_OK: there is more. Z_BUF_ERROR: the input ended too early. */
static int inflate_piece(z_stream *z, size_t max_bytes, struct buf *out)
{
    size_t room = max_bytes + 1 - out->len; /* one more than allowed tells that there is more */
    char *to = buf_reserve(out, room < PIECE ? room : PIECE);
    if (!to) {
        return Z_MEM_ERROR;
    }
    z->next_out = (Bytef *)to;
    z->avail_out = (uInt)(room < PIECE ? room : PIECE);
    int rc = inflate(z, Z_NO_FLUSH);
    out->len += (size_t)((char *)z->next_out - to);
    if (rc == Z_STREAM_END && z->avail_in > 0) {
        rc = inflateReset(z);
    }
    return rc;
}

int gunzip(struct str gzip, size_t max_bytes, struct buf *out, struct error *err)
{
    z_stream z = {.next_in = (const Bytef *)gzip.p, .avail_in = (uInt)gzip.len};
    if (gzip.len > UINT32_MAX || inflateInit2(&z, 15 + 16) != Z_OK) {
        return error_set(err, ERR_LIMIT, "the gzip text is too long, or there is no memory to unpack it");
    }
    int rc = Z_OK;
    while (rc == Z_OK && out->len <= max_bytes) {
        rc = inflate_piece(&z, max_bytes, out);
    }
    inflateEnd(&z);
    if (out->len > max_bytes || rc == Z_MEM_ERROR) {
        return error_set(err, ERR_LIMIT, "unpacked it is larger than %zu bytes", max_bytes);
    }
    return rc == Z_STREAM_END ? 0 : error_set(err, ERR_PARSE, "it is not gzip, damaged or cut short");
}
