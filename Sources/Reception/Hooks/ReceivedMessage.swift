import MailHubPlugin
import MailQueue
import NIOCore

/// A received message whose content is complete: what plugins see of it begins behind the Received field that we added.
struct ReceivedMessage: Sendable {
    /// All octets, our Received field on top.
    let content: StoredContent
    /// Octets of our Received field.
    let traceLength: Int
    /// Where a large content is.
    let directory: ContentDirectory

    /// Removes what was stored.
    func discard() async { await self.directory.discard(self.content) }
}

/// A message's octets for plugins.
struct PluginContent: MessageContent {
    let message: ReceivedMessage
    /// Octets of the message to leave out at its start.
    var offset = 0

    var size: Int { max(self.message.content.size - self.message.traceLength - self.offset, 0) }

    func forEachPiece(_ body: (ByteBuffer) async throws -> Void) async throws {
        let skipped = self.message.traceLength + self.offset
        do {
            try await self.message.directory.forEachPiece(of: self.message.content, skipping: skipped) {
                (piece) async throws(any Error) in try await body(piece)
            }
        } catch { throw error.cause }
    }
}
