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

    /// What is known, and whether it still counts without asking again.
    func known(_ key: String) async -> (record: ProbeRecord, isFresh: Bool)? {
        do {
            guard let record = try await self.store.value(ProbeRecord.self, for: key) else { return nil }
            let age = self.clock.now - record.at
            let lifetime = record.exists ? self.lifetimes.keep : self.lifetimes.negative
            guard age < lifetime else { return nil }
            return (record, age < (record.exists ? self.lifetimes.positive : self.lifetimes.negative))
        } catch {
            self.counters.increment("cache-unavailable")
            return nil
        }
    }

    /// Keeps an answer; answers of "no such mailbox", which anybody can provoke, only while there is room.
    func keep(_ record: ProbeRecord, for key: String) async {
        let expires = record.at + (record.exists ? self.lifetimes.keep : self.lifetimes.negative)
        do {
            if try await self.store.value(for: key) == nil, try await self.store.count() >= self.lifetimes.mostEntries {
                self.counters.increment("cache-full")
                return
            }
            try await self.store.set(record, for: key, expires: expires)
        } catch {
            self.counters.increment("cache-unavailable")
        }
    }

    // MARK: The operator

    func record(_ key: String) async throws -> ProbeRecord? { try await self.store.value(ProbeRecord.self, for: key) }

    func remove(_ key: String) async throws -> Bool { try await self.store.remove(key) }
}
