import MailHubPlugin
import Synchronization

/// The memory of what has come and what has come again.
final class Greylist: Sendable {
    /// What it says about an attempt.
    enum Answer: Hashable, Sendable {
        /// The triplet has passed, now or before.
        case known
        /// The network has passed often enough.
        case networkAllowed
        /// The operator lets the sender's domain through.
        case letThrough
        /// Nothing can be remembered any more.
        case full
        /// Never seen, or seen so long ago that it counts as new.
        case new
        /// Seen, but it is too early.
        case waiting
    }

    private let rules: GreylistRules
    private let store: any KeyValueStore
    private let clock: any WallClock
    private let logger: Logger
    /// How many entries there are: counted now and then, and estimated in between.
    private let size = Mutex<(entries: Int, counted: Timestamp?)>((0, nil))
    private static let countEvery = Duration.seconds(60)

    init(rules: GreylistRules, services: PluginServices) {
        self.rules = rules
        self.store = services.store
        self.clock = services.clock
        self.logger = services.logger
    }

    /// What is to be done with an attempt; remembers it.
    ///
    /// - Throws: where the store cannot be asked.
    func answer(to triplet: Triplet, from sender: Domain?) async throws -> Answer {
        if try await self.isAllowed(triplet.network) { return .networkAllowed }
        let key = GreylistKey.triplet(triplet)
        let known = try await self.store.value(TripletRecord.self, for: key)
        if let known, known.passed != nil, self.isFresh(known.seen) { return .known }
        if known?.passed == nil, let sender, try await self.isLetThrough(sender) { return .letThrough }
        if known == nil, try await self.isFull() { return .full }
        let answer = try await self.note(key)
        if answer.isSuccess { try await self.noteSuccess(of: triplet.network) }
        return answer.answer
    }

    /// Writes an attempt down: all in one step, as the same message may come twice at once.
    private func note(_ key: String) async throws -> (answer: Answer, isSuccess: Bool) {
        let (rules, now) = (self.rules, self.clock.now)
        let result = try await self.store.update(TripletRecord.self, for: key) { record in
            guard var present = record, present.passed != nil || now - present.first <= rules.window else {
                record = TripletRecord(first: now, passed: nil, seen: now)
                return (expires: now + rules.window, result: (answer: Answer.new, isSuccess: false))
            }
            let isSuccess = present.passed == nil && now - present.first >= rules.delay
            if isSuccess { present.passed = now }
            present.seen = now
            record = present
            guard present.passed != nil else {
                return (expires: present.first + rules.window, result: (answer: .waiting, isSuccess: false))
            }
            return (expires: now + rules.lifetime, result: (answer: .known, isSuccess: isSuccess))
        }
        if result.answer == .new { self.size.withLock { $0.entries += 1 } }
        return result
    }

    // MARK: Networks

    private func isAllowed(_ network: IPNetwork) async throws -> Bool {
        guard self.rules.allowAfter > 0 else { return false }
        let key = GreylistKey.network(network)
        guard let record = try await self.store.value(NetworkRecord.self, for: key),
            record.successes >= self.rules.allowAfter
        else { return false }
        if !self.isFresh(record.seen) { try await self.note(network, successes: 0) }
        return true
    }

    private func noteSuccess(of network: IPNetwork) async throws {
        guard self.rules.allowAfter > 0 else { return }
        try await self.note(network, successes: 1)
    }

    private func note(_ network: IPNetwork, successes: Int) async throws {
        let (rules, now) = (self.rules, self.clock.now)
        try await self.store.update(NetworkRecord.self, for: GreylistKey.network(network)) { record in
            let before = record?.successes ?? 0
            record = NetworkRecord(successes: min(before + successes, 1_000_000), seen: now)
            return (expires: now + rules.lifetime, result: ())
        }
    }

    /// Whether writing down that something was seen again can wait: it saves a write for each message.
    private func isFresh(_ seen: Timestamp) -> Bool {
        self.clock.now - seen < min(.milliseconds(self.rules.lifetime.inMilliseconds / 20), .seconds(86_400))
    }

    // MARK: Passes

    private func isLetThrough(_ sender: Domain) async throws -> Bool {
        for domain in sender.withParents {
            if let pass = try await self.store.value(PassRecord.self, for: GreylistKey.pass(domain)),
                self.clock.now < pass.until
            {
                return true
            }
        }
        return false
    }

    /// Lets mail of a domain and those below it through.
    func letThrough(_ domain: Domain, for duration: Duration) async throws -> Timestamp {
        let until = self.clock.now + duration
        try await self.store.set(PassRecord(until: until), for: GreylistKey.pass(domain), expires: until)
        return until
    }

    // MARK: Bounds

    private func isFull() async throws -> Bool {
        let now = self.clock.now
        let isStale = self.size.withLock { size in
            let isStale = size.counted.map { now - $0 >= Self.countEvery } ?? true
            if isStale { size.counted = now }
            return isStale
        }
        if isStale {
            let count: Int
            do { count = try await self.store.count() } catch {
                self.size.withLock { $0.counted = nil }
                throw error
            }
            self.size.withLock { $0.entries = count }
            if count >= self.rules.mostEntries {
                self.logger.warning("greylist is full, unknown mail is not deferred", metadata: ["entries": "\(count)"])
            }
        }
        return self.size.withLock { $0.entries } >= self.rules.mostEntries
    }

    // MARK: The operator

    /// The first entries whose keys contain a text, in the order of their keys.
    func entries(containing text: String, limit: Int) async throws -> [KeyedValue] {
        let text = text.lowercased()
        var found: [KeyedValue] = []
        var last: String?
        repeat {
            let page = try await self.store.entries(withPrefix: "", after: last, limit: Self.page)
            found += page.filter { text.isEmpty || $0.key.lowercased().contains(text) }
            last = page.count < Self.page ? nil : page.last?.key
        } while last != nil && found.count < limit
        return Array(found.prefix(limit))
    }

    /// Entries read at once.
    private static let page = 1000

    func remove(_ key: String) async throws -> Bool { try await self.store.remove(key) }
}
