package import Logging
package import SMTP

/// The one owner of what is queued and when it is due.
package actor MailQueue {
    /// Destinations with due work that no present worker is going to take. Duplicates are harmless; for one consumer.
    package nonisolated let readyDestinations: AsyncStream<Destination>
    /// Where contents that are too large for the store are spooled.
    package nonisolated var content: ContentDirectory { self.store.content }

    nonisolated let store: any QueueStore

    /// - Parameters:
    ///   - route: where a recipient goes; asked once, when the message is queued.
    ///   - composer: writes notifications; `nil` for none at all.
    ///   - sleep: waits; tests pass one that they drive.
    package init(
        store: any QueueStore,
        settings: QueueSettings,
        clock: any WallClock,
        logger: Logger,
        route: @escaping @Sendable (EnvelopeRecipient) -> Destination,
        composer: (any NotificationComposer)?,
        sleep: @escaping @Sendable (Duration) async throws -> Void = { try await Task.sleep(for: $0) }
    ) {
        self.store = store
        self.readyDestinations = AsyncStream { _ in }
    }

    /// Takes responsibility for a message: on return it is durable, and its delivery begins (RFC 5321 section 4.2.5).
    ///
    /// Runs on the caller's executor; one commit serves all callers that are waiting.
    package nonisolated func accept(_ message: NewMessage) async throws(StoreError) {
    }

    /// Schedules until the task is cancelled; must run for anything to be delivered.
    package func run() async {
    }

    /// Ends: everything recorded so far is made durable, waiting workers get nothing more. After `run()` has returned.
    package func close() async {
    }
}
