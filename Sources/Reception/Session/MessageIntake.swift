package import MailQueue

/// Where received messages go: the queue.
package protocol MessageIntake: Sendable {
    /// Where contents are collected that are too large for memory.
    var content: ContentDirectory { get }

    /// Takes responsibility for a message: it is durable when this returns (RFC 5321 section 6.1).
    ///
    /// - Throws: where it could not be stored; then nothing of it is kept.
    func accept(_ message: NewMessage) async throws(StoreError)

    /// Takes responsibility for copies of one message that differ by recipient: for all or for none.
    ///
    /// - Parameter failures: recipients of the message whose sender is to be told that they do not take it.
    func accept(_ messages: [NewMessage], failing failures: [RecipientFailure]) async throws(StoreError)
}
