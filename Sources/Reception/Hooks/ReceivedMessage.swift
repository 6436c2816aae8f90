import MailHubPlugin
import MailQueue
import NIOCore

/// A received message whose content is complete: what plugins see of it begins behind the Received field that we added.
struct ReceivedMessage: Sendable {
    /// All octets, our Received field on top.
    let content: StoredContent
    /// Octets of our Received field.
    let traceLength: Int

    /// Removes what was stored.
    func abandon() { self.content.abandon() }
}

/// A message's octets for plugins.
struct PluginContent: MessageContent {
    let message: ReceivedMessage

    var size: Int { max(self.message.content.size - self.message.traceLength, 0) }

    func forEachPiece(_ body: (ByteBuffer) async throws -> Void) async throws {
        var skip = self.message.traceLength
        try await self.message.content.forEachPiece { piece in
            var piece = piece
            let skipped = min(skip, piece.readableBytes)
            piece.moveReaderIndex(forwardBy: skipped)
            skip -= skipped
            if piece.readableBytes > 0 { try await body(piece) }
        }
    }
}
