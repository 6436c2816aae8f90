import MailHubPlugin
import Synchronization

/// What a next hop has said about a recipient.
struct ProbeRecord: Codable, Hashable, Sendable {
    var exists: Bool
    var at: Timestamp
    /// What it said where there is no such mailbox.
    var reply: String?
}

/// How long answers are believed, and how many are kept.
struct ProbeLifetimes: Sendable {
    /// A mailbox that exists is not asked about again for so long.
    var positive: Duration
    /// Likewise one that does not.
    var negative: Duration
    /// While the next hop cannot be asked, a mailbox that existed so long ago still does.
    var keep: Duration
    var mostEntries: Int
}

/// The durable cache of answers; a cache that cannot be used is as good as empty.
struct ProbeCache: Sendable {
    private let store: any KeyValueStore
    private let clock: any WallClock
    private let counters: Counters
    let lifetimes: ProbeLifetimes

    init(_ lifetimes: ProbeLifetimes, services: PluginServices) {
        self.lifetimes = lifetimes
        self.store = services.store
        self.clock = services.clock
        self.counters = services.counters
    }

    /// The name of a mailbox's entry: local parts may differ by case, that is the next hop's business.
    static func key(of mailbox: Mailbox, route: String?) -> String {
        "\(mailbox.localPart)@\(mailbox.domain?.canonical ?? mailbox.host.description)\(route.map { " by \($0)" } ?? "")"
    }

    /// Begins the keys of mailboxes that do not exist: no mailbox has such a character.
    private static let missing = "\u{1}"

    /// What is known, and whether it still counts without asking again.
    func known(_ key: String) async -> (record: ProbeRecord, isFresh: Bool)? {
        do {
            guard let record = try await self.record(key) else { return nil }
            let age = self.clock.now - record.at
            let lifetime = record.exists ? self.lifetimes.keep : self.lifetimes.negative
            guard age < lifetime else { return nil }
            return (record, age < (record.exists ? self.lifetimes.positive : self.lifetimes.negative))
        } catch {
            self.counters.increment("cache-unavailable")
            return nil
        }
    }

    /// Keeps an answer; those of "no such mailbox", which anybody can provoke, only while there is room, and till it is needed.
    func keep(_ record: ProbeRecord, for key: String) async {
        do {
            let own = record.exists ? key : Self.missing + key
            guard try await self.hasRoom(for: own, exists: record.exists) else {
                self.counters.increment("cache-full")
                return
            }
            let lifetime = record.exists ? self.lifetimes.keep : self.lifetimes.negative
            try await self.store.set(record, for: own, expires: record.at + lifetime)
            try await self.store.remove(record.exists ? Self.missing + key : key)
        } catch {
            self.counters.increment("cache-unavailable")
        }
    }

    private func hasRoom(for key: String, exists: Bool) async throws -> Bool {
        guard try await self.store.value(for: key) == nil, try await self.store.count() >= self.lifetimes.mostEntries
        else { return true }
        guard exists,
            let other = try await self.store.entries(withPrefix: Self.missing, after: nil, limit: 1).first
        else { return false }
        return try await self.store.remove(other.key)
    }

    // MARK: The operator

    func record(_ key: String) async throws -> ProbeRecord? {
        if let record = try await self.store.value(ProbeRecord.self, for: key) { return record }
        return try await self.store.value(ProbeRecord.self, for: Self.missing + key)
    }

    func remove(_ key: String) async throws -> Bool {
        let existed = try await self.store.remove(key)
        let wasMissing = try await self.store.remove(Self.missing + key)
        return existed || wasMissing
    }
}
