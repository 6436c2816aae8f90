import COpenSSL
import NIOCore

/// The two buffers between a channel and OpenSSL: records that have come, and records that are to leave.
///
/// OpenSSL reads and writes them through a BIO of our own, so that records are not copied into a memory BIO in between.
/// Used by one connection, on its channel's event loop.
final class RecordBuffers {
    var incoming = ByteBuffer()
    var outgoing = ByteBuffer()
    /// Where sessions are kept that the server gives us; for clients.
    let sessions: (table: ClientSessions, key: String)?

    init(sessions: (table: ClientSessions, key: String)?) { self.sessions = sessions }

    /// The buffers of a connection.
    static func of(_ ssl: OpaquePointer) -> RecordBuffers? {
        guard let bio = unsafe SSL_get_rbio(ssl) else { return nil }
        return unsafe self.of(bio: bio)
    }

    private static func of(bio: OpaquePointer?) -> RecordBuffers? {
        guard let bio = unsafe bio, let data = unsafe BIO_get_data(bio) else { return nil }
        return unsafe Unmanaged<RecordBuffers>.fromOpaque(data).takeUnretainedValue()
    }

    /// Makes a `BIO *` over the buffers, which must outlive it.
    func makeBIO() -> OpaquePointer? {
        guard let method = unsafe Self.method, let bio = unsafe BIO_new(method) else { return nil }
        unsafe BIO_set_data(bio, Unmanaged.passUnretained(self).toOpaque())
        unsafe BIO_set_init(bio, 1)
        return unsafe bio
    }

    private static let retryFlags =
        BIO_FLAGS_READ | BIO_FLAGS_WRITE | BIO_FLAGS_IO_SPECIAL | BIO_FLAGS_SHOULD_RETRY

    // Safe: made once, then only read.
    nonisolated(unsafe) private static let method: OpaquePointer? = {
        let index = BIO_get_new_index()
        guard index >= 0, let method = unsafe BIO_meth_new(index | BIO_TYPE_SOURCE_SINK, "record buffers") else {
            return nil
        }
        unsafe BIO_meth_set_read(method) { bio, data, length in
            guard let buffers = unsafe RecordBuffers.of(bio: bio), let data = unsafe data, length > 0 else { return -1 }
            unsafe BIO_clear_flags(bio, RecordBuffers.retryFlags)
            let count = min(Int(length), buffers.incoming.readableBytes)
            guard count > 0 else {
                unsafe BIO_set_flags(bio, BIO_FLAGS_READ | BIO_FLAGS_SHOULD_RETRY)
                return -1
            }
            unsafe buffers.incoming.readWithUnsafeReadableBytes { bytes in
                guard let source = bytes.baseAddress else { return 0 }
                unsafe UnsafeMutableRawPointer(data).copyMemory(from: source, byteCount: count)
                return count
            }
            return Int32(count)
        }
        unsafe BIO_meth_set_write(method) { bio, data, length in
            guard let buffers = unsafe RecordBuffers.of(bio: bio), let data = unsafe data, length > 0 else { return -1 }
            unsafe BIO_clear_flags(bio, RecordBuffers.retryFlags)
            unsafe buffers.outgoing.writeBytes(UnsafeRawBufferPointer(start: data, count: Int(length)))
            return length
        }
        unsafe BIO_meth_set_ctrl(method) { _, command, _, _ in command == BIO_CTRL_FLUSH ? 1 : 0 }
        return unsafe method
    }()
}
