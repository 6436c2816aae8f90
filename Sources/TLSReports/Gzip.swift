import CZlib

/// RFC 1952, through zlib.
enum Gzip {
    /// zlib could not do it: no memory.
    struct Failure: Error {}

    static func compress(_ data: [UInt8]) throws(Failure) -> [UInt8] {
        var stream = unsafe z_stream()
        guard unsafe CZlib_deflateInit_gzip(&stream) == Z_OK else { throw Failure() }
        defer { unsafe deflateEnd(&stream) }
        var result = [UInt8](repeating: 0, count: Int(unsafe deflateBound(&stream, UInt(data.count))) + 64)
        var input = data
        let status = unsafe input.withUnsafeMutableBufferPointer { input in
            unsafe result.withUnsafeMutableBufferPointer { output in
                unsafe stream.next_in = input.baseAddress
                unsafe stream.avail_in = UInt32(clamping: input.count)
                unsafe stream.next_out = output.baseAddress
                unsafe stream.avail_out = UInt32(clamping: output.count)
                return unsafe deflate(&stream, Z_FINISH)
            }
        }
        guard status == Z_STREAM_END else { throw Failure() }
        return Array(result.prefix(result.count - Int(unsafe stream.avail_out)))
    }
}
