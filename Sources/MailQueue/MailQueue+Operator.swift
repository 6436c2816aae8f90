import SMTP

/// What operators see and do.
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
    package nonisolated func show(_ id: QueueID) async throws(StoreError) -> QueueListing? {
        try await self.store.show(id)
    }

    /// Counts by state and destination.
    package nonisolated func statistics() async throws(StoreError) -> QueueStatistics {
        try await self.store.statistics()
    }

    /// Holds messages back from delivery; attempts under way end as they end.
    ///
    /// - Returns: the messages that are held now and were not before; the same for the methods below.
    package func hold(_ selection: QueueSelection, reason: String) async throws(StoreError) -> [QueueID] {
        let ids = try await self.store.apply(.hold(reason: reason), to: selection)
        self.forget(ids)
        return ids
    }

    /// Ends a hold; damaged messages get another chance.
    package func release(_ selection: QueueSelection) async throws(StoreError) -> [QueueID] {
        try await self.makeDue(.release(now: self.clock.now), selection)
    }

    /// Makes waiting recipients due now.
    package func retry(_ selection: QueueSelection) async throws(StoreError) -> [QueueID] {
        try await self.makeDue(.retry(now: self.clock.now), selection)
    }

    /// Removes messages; nobody is notified.
    package func delete(_ selection: QueueSelection) async throws(StoreError) -> [QueueID] {
        let ids = try await self.store.apply(.delete, to: selection)
        self.forget(ids)
        for id in ids { self.notices[id] = nil }
        return ids
    }

    /// Stops deliveries to a destination until it is resumed.
    ///
    /// Messages for it stay queued, and those that come do not expire meanwhile. Not kept over a restart.
    package func suspend(_ destination: Destination) {
        for variant in destination.variants { self.schedule.setSuspended(variant, true) }
    }

    /// Takes deliveries up again.
    package func resume(_ destination: Destination) {
        for variant in destination.variants {
            self.schedule.setSuspended(variant, false)
            self.offer(variant)
        }
    }

    /// The destinations that are suspended, in the order of their names.
    package var suspendedDestinations: [Destination] {
        self.schedule.suspended.filter { $0.tls == nil }.sorted { $0.description < $1.description }
    }

    /// Recipients in memory, and jobs that workers have: for metrics.
    package var activity: (recipients: Int, jobs: Int) { (self.schedule.known.count, self.jobs.count) }

    private func forget(_ ids: [QueueID]) {
        for item in self.schedule.drop(Set(ids)) { self.release(item) }
    }

    private func makeDue(_ action: OperatorAction, _ selection: QueueSelection) async throws(StoreError) -> [QueueID] {
        let start = self.clock.now
        let ids = try await self.store.apply(action, to: selection)
        for item in self.schedule.drop(Set(ids), onlyLater: true) { self.release(item) }
        self.schedule.forget(from: start)
        await self.readMore()
        return ids
    }
}
