import FoundationEssentials
import MailHubPlugin
import Synchronization

/// What the directory confirmed, kept durably: what recipients are taken by while it is unavailable.
///
/// Sessions only note what changed; `flush()` writes it, so that no session waits for the disk. What was noted in the last
/// second before a crash is forgotten: the directory confirms it again.
final class SurvivalIndex: Sendable {
    /// A recipient with the time of its last confirmation.
    struct Confirmation: Hashable, Sendable, Codable {
        var recipient: DirectoryRecipient
        var confirmed: Timestamp
    }
    private struct State {
        /// Not yet written; `nil` where the directory says that there is none.
        var pending: [String: Confirmation?] = [:]
        /// What `flush()` is writing just now: neither noted nor in the store.
        var writing: [String: Confirmation?] = [:]
        /// What was written lately, so that it is not written again and again.
        var written: ExpiringCache<DirectoryRecipient>
    }
    private static let prefix = "r:"
    private static let mostPending = 50_000
    private static let mostOctets = 60_000
    private let state = Mutex(State(written: .init(capacity: 100_000)))
    private let store: any KeyValueStore
    private let clock: any WallClock
    private let counters: Counters
    /// How long a confirmation counts.
    let period: Duration

    init(store: any KeyValueStore, period: Duration, clock: any WallClock, counters: Counters) {
        self.store = store
        self.period = period
        self.clock = clock
        self.counters = counters
    }

    /// Whether anything is kept at all.
    var isOn: Bool { self.period > .zero }

    /// How long a confirmation that was written is not written again.
    private var freshness: Duration { min(.seconds(3600), self.period / 24) }

    // MARK: Notes

    /// The directory has the recipient.
    func confirm(_ key: String, _ recipient: DirectoryRecipient) {
        guard self.isOn else { return }
        let now = self.clock.now
        self.note(key, Confirmation(recipient: recipient, confirmed: now)) { state in
            // What waits to be written says something else, or the same a moment ago.
            state.pending[key] == nil && state.writing[key] == nil
                && state.written.value(for: key, at: now)?.value == recipient
        }
    }

    /// The directory has no such recipient.
    func forget(_ key: String) {
        guard self.isOn else { return }
        self.note(key, nil) { _ in false }
    }

    private func note(_ key: String, _ confirmation: Confirmation?, unless isKnown: (inout State) -> Bool) {
        let isDropped = self.state.withLock { state in
            if isKnown(&state) { return false }
            guard state.pending.count < Self.mostPending || state.pending[key] != nil else { return true }
            state.pending[key] = .some(confirmation)
            if confirmation == nil { state.written.remove(key) }
            return false
        }
        if isDropped { self.counters.increment("survival notes dropped") }
    }

    // MARK: Questions

    /// The last confirmation of an address, however old; `nil` where there is none.
    ///
    /// - Throws: `StoreUnavailable`.
    func confirmation(of key: String) async throws -> Confirmation? {
        if let noted = self.state.withLock({ $0.pending[key] ?? $0.writing[key] }) { return noted }
        return try await self.store.value(Confirmation.self, for: Self.prefix + key)
    }

    /// The confirmation by which an address is taken while the directory is unavailable.
    func survivor(_ key: String) async throws -> Confirmation? {
        guard self.isOn, let confirmation = try await self.confirmation(of: key) else { return nil }
        return self.clock.now - confirmation.confirmed <= self.period ? confirmation : nil
    }

    /// How many addresses are kept.
    func count() async throws -> Int {
        // The report of the last synchronisation is in the store too.
        let hasReport = try await self.store.value(for: DirectorySync.reportKey) != nil
        return try await self.store.count() - (hasReport ? 1 : 0)
    }

    // MARK: The disk

    /// Writes what was noted; what cannot be written is tried again the next time.
    func flush() async throws {
        let pending = self.state.withLock { state in
            state.writing = state.pending
            state.pending = [:]
            return state.writing
        }
        var rest = pending
        do {
            for (key, confirmation) in pending {
                try await self.write(key, confirmation)
                rest[key] = nil
            }
            self.state.withLock { $0.writing = [:] }
        } catch {
            let unwritten = rest
            self.state.withLock { state in
                state.writing = [:]
                // What was noted meanwhile is newer.
                state.pending.merge(unwritten) { newer, _ in newer }
            }
            throw error
        }
    }

    func write(_ key: String, _ confirmation: Confirmation?) async throws {
        let name = Self.prefix + key
        guard name.utf8.count <= 1024 else { return }
        guard let confirmation else { return try await self.remove(key, name) }
        let data = [UInt8](try JSONEncoder().encode(confirmation))
        guard data.count <= Self.mostOctets else {
            self.counters.increment("survival records too large")
            // What was kept before is no longer true: its members would get mail that the others miss.
            return try await self.remove(key, name)
        }
        try await self.store.set(data: data, for: name, expires: confirmation.confirmed + self.period)
        let end = confirmation.confirmed + self.freshness
        self.state.withLock { $0.written.set(confirmation.recipient, for: key, expires: end) }
    }

    private func remove(_ key: String, _ name: String) async throws {
        self.state.withLock { $0.written.remove(key) }
        // Looking costs less than writing, and most addresses that do not exist never did.
        if try await self.store.value(for: name) != nil { try await self.store.remove(name) }
    }

    /// Removes what was not confirmed since `start`: after a full synchronisation the directory no longer has it.
    ///
    /// - Parameter kept: addresses that stay all the same.
    /// - Returns: how many were removed.
    func removeAll(unconfirmedSince start: Timestamp, but kept: Set<String>) async throws -> Int {
        var removed = 0
        var last: String?
        while true {
            let entries = try await self.store.entries(withPrefix: Self.prefix, after: last, limit: 1000)
            guard let end = entries.last?.key else { return removed }
            for entry in entries where !kept.contains(String(entry.key.dropFirst(Self.prefix.count))) {
                let confirmation = try await self.store.value(Confirmation.self, for: entry.key)
                if confirmation.map({ $0.confirmed < start }) ?? true, try await self.store.remove(entry.key) {
                    let key = String(entry.key.dropFirst(Self.prefix.count))
                    self.state.withLock { $0.written.remove(key) }
                    removed += 1
                }
            }
            last = end
        }
    }
}
