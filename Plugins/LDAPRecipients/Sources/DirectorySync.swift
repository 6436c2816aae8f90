public import MailHubPlugin

/// Reads the whole directory into the durable index, so that it is complete before it is needed.
struct DirectorySync: Sendable {
    /// What the last one did: kept in the store, for the operator.
    struct Report: Hashable, Sendable, Codable {
        var finished: Timestamp
        var entries = 0
        var addresses = 0
        var removed = 0
        /// Why it was given up; `nil` where it was complete.
        var failure: String?
    }
    static let reportKey = "sync"
    let lookup: RecipientLookup
    let index: SurvivalIndex
    let domains: Set<Domain>
    let limit: Int
    let services: PluginServices

    /// Reads everything once.
    ///
    /// Addresses that the directory no longer has are removed at the end, and only where all of it was read. With a filter of the
    /// site's own they stay for their time, since it may find more than what entries say about themselves.
    ///
    /// - Throws: `StoreUnavailable`, and at cancellation.
    func run() async throws -> Report {
        let start = self.services.clock.now
        var report = Report(finished: start)
        let search = DirectorySearch(
            base: self.lookup.base,
            filter: self.lookup.schema.findable,
            attributes: self.lookup.schema.wanted,
            limit: self.limit
        )
        var kept: Set<String> = []
        switch await self.lookup.search(search, nil) {
        case .found(let entries):
            report.entries = entries.count
            report.failure = try await self.take(entries, &report, &kept)
        case .notFound: report.failure = "the directory has no entry with an address"
        case .unavailable(let why): report.failure = why
        }
        if report.failure == nil, self.lookup.schema.filter == nil {
            report.removed = try await self.index.removeAll(unconfirmedSince: start, but: kept)
        }
        report.finished = self.services.clock.now
        try await self.services.store.set(report, for: Self.reportKey, expires: nil)
        self.services.counters.increment(report.failure == nil ? "synchronisations" : "synchronisations failed")
        return report
    }

    /// - Parameter kept: gets the addresses whose earlier confirmation stays for its time.
    /// - Returns: why it was given up; `nil` where all entries were taken.
    private func take(
        _ entries: [DirectoryEntry],
        _ report: inout Report,
        _ kept: inout Set<String>
    ) async throws -> String? {
        let owners = self.owners(entries)
        for (number, entry) in entries.enumerated() {
            try Task.checkCancellation()
            let keys = self.keys(of: entry).filter { owners[$0] == number }
            guard !keys.isEmpty else { continue }
            switch await self.lookup.recipient(of: entry) {
            case .found(let recipient):
                for key in keys {
                    try await self.index.write(key, .init(recipient: recipient, confirmed: self.services.clock.now))
                    report.addresses += 1
                }
            case .notFound: break
            case .unavailable(let why):
                // A group that is too large, or a host without a route: its own problem. The rest goes on, but nothing is
                // removed where the server was lost.
                guard case .found = await self.lookup.entry(named: entry.name, nil) else { return why }
                self.services.logger.warning(
                    "directory entry left out",
                    metadata: ["entry": "\(entry.name)", "error": "\(why)"]
                )
                kept.formUnion(keys)
            }
        }
        return nil
    }

    /// Which entry has each address; an address of two entries is nobody's.
    private func owners(_ entries: [DirectoryEntry]) -> [String: Int] {
        var owners: [String: Int] = [:]
        for (number, entry) in entries.enumerated() {
            for key in self.keys(of: entry) { owners[key] = owners[key] == nil ? number : -1 }
        }
        return owners
    }

    private func keys(of entry: DirectoryEntry) -> [String] {
        let mailboxes = self.lookup.schema.addresses(of: entry)
        return mailboxes.filter { $0.domain.map(self.domains.contains) ?? false }.map(AddressKey.key)
    }
}

extension LDAPRecipients: PluginTask {
    /// Writes the index, and reads the whole directory at intervals.
    public func run() async throws {
        var nextSync = self.settings.syncInterval == nil ? nil : try await self.firstSync()
        do {
            while true {
                try await Task.sleep(for: .seconds(1))
                await self.flush()
                guard let interval = self.settings.syncInterval, let due = nextSync, self.services.clock.now >= due,
                    let report = try await self.synchronise()
                else { continue }
                // A failed one is tried again soon.
                nextSync = self.services.clock.now + (report.failure == nil ? interval : min(interval, .seconds(300)))
            }
        } catch {
            // A task of its own, since the store refuses one that is cancelled; it is waited for here.
            await Task { await self.flush() }.value
            throw error
        }
    }

    /// When the first one is due after a start: an interval after the last complete one.
    private func firstSync() async throws -> Timestamp {
        guard let interval = self.settings.syncInterval,
            let last = try? await self.services.store.value(DirectorySync.Report.self, for: DirectorySync.reportKey),
            last.failure == nil
        else { return self.services.clock.now }
        return last.finished + interval
    }

    func flush() async {
        do {
            try await self.index.flush()
        } catch {
            self.services.counters.increment("store unavailable")
            self.services.logger.warning("directory index cannot be written", metadata: ["error": "\(error)"])
        }
    }

    /// Reads the whole directory; `nil` where there is none to read.
    func synchronise() async throws -> DirectorySync.Report? {
        guard let lookup = self.lookup, self.index.isOn else { return nil }
        let sync = DirectorySync(
            lookup: lookup,
            index: self.index,
            domains: self.settings.domains,
            limit: self.settings.syncLimit,
            services: self.services
        )
        let report = try await sync.run()
        if let failure = report.failure {
            self.services.logger.warning("directory not synchronised", metadata: ["error": "\(failure)"])
        } else {
            self.services.logger.info(
                "directory synchronised",
                metadata: [
                    "entries": "\(report.entries)", "addresses": "\(report.addresses)", "removed": "\(report.removed)",
                ]
            )
        }
        return report
    }
}
