extension MailQueue {
    /// One page of the messages that match, oldest first.
    package nonisolated func list(
        _ filter: QueueFilter = QueueFilter(),
        after id: QueueID? = nil,
        limit: Int = 100
    ) async throws(StoreError) -> QueuePage {
        try await self.store.list(filter, after: id, limit: limit)
    }

    /// Everything known about one message; `nil` when it is not queued.
    package nonisolated func show(_ id: QueueID) async throws(StoreError) -> QueueListing? { nil }

    /// Counts by state and destination.
    package nonisolated func statistics() async throws(StoreError) -> QueueStatistics {
        try await self.store.statistics()
    }

    /// Holds messages back from delivery; attempts under way end as they end.
    package func hold(_ selection: QueueSelection, reason: String) async throws(StoreError) -> [QueueID] { [] }

    /// Ends a hold; damaged messages get another chance.
    package func release(_ selection: QueueSelection) async throws(StoreError) -> [QueueID] { [] }

    /// Makes waiting recipients due now.
    package func retry(_ selection: QueueSelection) async throws(StoreError) -> [QueueID] { [] }

    /// Removes messages; nobody is notified.
    package func delete(_ selection: QueueSelection) async throws(StoreError) -> [QueueID] { [] }

    /// Stops deliveries to a destination until `resume`; messages for it stay queued. Not kept over a restart.
    package func suspend(_ destination: Destination) {}

    /// Takes deliveries up again.
    package func resume(_ destination: Destination) {}

    /// The destinations that are suspended, in the order of their names.
    package var suspendedDestinations: [Destination] { [] }
}
