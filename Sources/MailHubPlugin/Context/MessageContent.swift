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

/// Behind the limit; ends the reading.
private struct Enough: Error {}

extension MessageContent {
    /// The first octets of the content, for plugins that need no more than that.
    ///
    /// - Throws: a read error.
    public func octets(upTo limit: Int) async throws -> [UInt8] {
        var result: [UInt8] = []
        do {
            try await self.forEachPiece { piece in
                result += piece.readableBytesView.prefix(limit - result.count)
                if result.count >= limit { throw Enough() }
            }
        } catch is Enough {}
        return result
    }
}
