public import NIOCore

/// The octets of a message, wherever they are kept: in memory, or in a file.
public protocol MessageContent: Sendable {
    /// Octets in all.
    var size: Int { get }

    /// Gives the octets in order, in pieces of at most 64 KiB.
    ///
    /// - Throws: what `body` throws, or a read error.
    func forEachPiece(_ body: (ByteBuffer) async throws -> Void) async throws
}
