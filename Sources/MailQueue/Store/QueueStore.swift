/// Keeps the queue over a crash: all that the hub has answered 250 for and not yet handed on (RFC 5321 section 6.1).
///
/// Every operation is safe to call from any task and never blocks the caller's executor. Operations that change something are
/// durable when they return, take effect in the order of their calls, and either happen as a whole or not at all.
package protocol QueueStore: Sendable {
    /// Where contents live that are too large for the store itself.
    var content: ContentDirectory { get }

    /// Takes a message; on return it survives a power failure.
    func append(_ message: RoutedMessage) async throws(StoreError)

    /// Takes several messages, all or none; on return they survive a power failure.
    func append(_ messages: [RoutedMessage]) async throws(StoreError)

    /// Records what became of recipients, together with the messages that follow from it; returns at once.
    ///
    /// - Parameter completion: called exactly once, on a thread of the store, when the record is durable or has failed.
    func submit(_ outcome: OutcomeRecord, completion: @escaping @Sendable (Result<Void, StoreError>) -> Void)

    /// Recipients that wait and are due, in the order of their due times.
    func due(_ query: DueQuery) async throws(StoreError) -> DuePage

    /// A message and those of its recipients that are named (all for `nil`) and still exist; `nil` when the message does not.
    ///
    /// - Throws: `damaged` when it exists and cannot be read.
    func load(_ id: QueueID, positions: [Int]?, withContent: Bool) async throws(StoreError) -> LoadedMessage?

    /// Messages, oldest first, with recipients whose sender is yet to be notified; from behind `id`, at most `limit`.
    func awaitingNotification(after id: QueueID?, limit: Int) async throws(StoreError) -> [QueueID]

    /// Moves a message aside that cannot be read: it is not delivered, its content is kept, and the listing says why.
    func setAside(_ id: QueueID, reason: String) async throws(StoreError)

    /// One page of the messages that match, oldest first.
    func list(_ filter: QueueFilter, after id: QueueID?, limit: Int) async throws(StoreError) -> QueuePage

    /// One message; `nil` when it is not queued.
    func show(_ id: QueueID) async throws(StoreError) -> QueueListing?

    /// Counts by state and destination.
    func statistics() async throws(StoreError) -> QueueStatistics

    /// Does what the operator asked to all messages that match.
    ///
    /// - Returns: the messages that were changed.
    func apply(_ action: OperatorAction, to selection: QueueSelection) async throws(StoreError) -> [QueueID]

    /// Finishes all that was submitted and lets go of the files; every later call fails.
    func close() async
}

extension QueueStore {
    /// Records what became of recipients; durable on return.
    package func record(_ outcome: OutcomeRecord) async throws(StoreError) {
        try await withCheckedContinuation { continuation in
            self.submit(outcome) { continuation.resume(returning: $0) }
        }.get()
    }
}
