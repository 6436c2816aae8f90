// The C API of zlib, for the module TLSReports alone. What zlib defines as a macro stands here as a function.
#include <zlib.h>

static inline int CZlib_deflateInit_gzip(z_streamp stream) {
    return deflateInit2(stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
}
