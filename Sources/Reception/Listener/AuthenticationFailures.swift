import MailHubPlugin
import SMTP
import Synchronization

/// Who has given wrong passwords lately: slows down guessing, and locks out those who go on (RFC 4954 section 9).
///
/// Counted by client network, by account, whether it exists or not, and by both together. A lock of an account leaves alone the
/// networks from which it was used successfully before, as long as not they have failed so often: strangers who guess cannot lock
/// out the owner. An attempt without an outcome yet counts like a failure: many at once get no further than one after the other.
/// In memory, and bounded.
package final class AuthenticationFailures: Sendable {
    /// How long a failure counts, and a lock lasts.
    static let window: Duration = .seconds(600)
    /// Failures of a network before it is locked out.
    static let mostOfNetwork = 30
    /// Failures of an account before it is locked.
    static let mostOfAccount = 10
    /// Failures that are answered at once.
    static let undelayed = 2
    static let longestDelay: Duration = .seconds(8)
    /// Networks, accounts or pairs of both that are remembered.
    static let mostEntries = 20_000

    /// Somebody whose credentials are looked into.
    struct Attempt: Sendable {
        fileprivate let network: ClientNetwork
        /// `nil` where none was named.
        fileprivate let account: String?

        fileprivate var pair: Pair? { self.account.map { Pair(account: $0, network: self.network) } }

        fileprivate init(_ account: String?, _ address: IPAddress) {
            // A long name is no account of anybody.
            self.account = account.map { String($0.lowercased().prefix(255)) }
            self.network = ClientNetwork(of: address)
        }
    }

    fileprivate struct Pair: Hashable {
        let account: String
        let network: ClientNetwork
    }

    private struct State {
        var networks = FailureTallies<ClientNetwork>(most: mostOfNetwork)
        var accounts = FailureTallies<String>(most: mostOfAccount)
        var pairs = FailureTallies<Pair>(most: mostOfAccount)
        /// Where accounts were used with success.
        var known: Set<Pair> = []
        /// Attempts that wait for the outcome of others.
        var waiting: [CheckedContinuation<Void, Never>] = []

        func room(for attempt: Attempt, _ now: Timestamp) -> Room {
            max(self.networks.room(attempt.network, now), attempt.pair.map { self.room(of: $0, now) } ?? .free)
        }

        func room(of pair: Pair, _ now: Timestamp) -> Room {
            max(self.pairs.room(pair, now), self.known.contains(pair) ? .free : self.accounts.room(pair.account, now))
        }

        mutating func addPending(_ attempt: Attempt, _ number: Int) {
            self.networks.addPending(attempt.network, number)
            guard let pair = attempt.pair else { return }
            self.accounts.addPending(pair.account, number)
            self.pairs.addPending(pair, number)
        }
    }
    private let state = Mutex(State())

    package init() {}

    /// Whether a client's network is locked out.
    func areTooMany(of address: IPAddress, at now: Timestamp) -> Bool {
        self.state.withLock { $0.networks.room(ClientNetwork(of: address), now) == .locked }
    }

    /// Whether an account is locked for a client.
    func areTooMany(of account: String, from address: IPAddress, at now: Timestamp) -> Bool {
        guard let pair = Attempt(account, address).pair else { return false }
        return self.state.withLock { $0.room(of: pair, now) == .locked }
    }

    /// Lets a client try, which waits while so many others try that the limit could be passed.
    ///
    /// - Parameter account: `nil` where none was named.
    /// - Returns: what is to be given back with ``release(_:)`` once its outcome is known and counted; `nil` where the account, or
    ///   the network, is locked.
    func admit(_ account: String?, from address: IPAddress, clock: any WallClock) async -> Attempt? {
        let attempt = Attempt(account, address)
        while true {
            let now = clock.now
            let room = self.state.withLock { state in
                let room = state.room(for: attempt, now)
                if room == .free { state.addPending(attempt, 1) }
                return room
            }
            switch room {
            case .free: return attempt
            case .locked: return nil
            case .taken: await self.waitForOutcome(attempt, now)
            }
        }
    }

    private func waitForOutcome(_ attempt: Attempt, _ now: Timestamp) async {
        await withCheckedContinuation { continuation in
            let hasToWait = self.state.withLock { state in
                guard state.room(for: attempt, now) == .taken else { return false }
                state.waiting.append(continuation)
                return true
            }
            if !hasToWait { continuation.resume() }
        }
    }

    /// The outcome of an attempt is known, and counted if it was a failure.
    func release(_ attempt: Attempt) {
        let waiting = self.state.withLock { state in
            state.addPending(attempt, -1)
            defer { state.waiting = [] }
            return state.waiting
        }
        for continuation in waiting { continuation.resume() }
    }

    /// Counts a failure.
    ///
    /// - Parameter account: `nil` where none was named.
    /// - Returns: how long the client is to wait for its answer.
    func failed(_ account: String?, from address: IPAddress, at now: Timestamp) -> Duration {
        let attempt = Attempt(account, address)
        let count = self.state.withLock { state in
            let ofNetwork = state.networks.add(attempt.network, now)
            guard let pair = attempt.pair else { return ofNetwork }
            _ = state.pairs.add(pair, now)
            return max(ofNetwork, state.accounts.add(pair.account, now))
        }
        guard count > Self.undelayed else { return .zero }
        return min(.seconds(1) * (1 << min(count - Self.undelayed - 1, 4)), Self.longestDelay)
    }

    /// A right password: the account's failures from this network are forgiven, and nobody else's.
    func succeeded(_ account: String, from address: IPAddress, at now: Timestamp) {
        guard let pair = Attempt(account, address).pair else { return }
        self.state.withLock { state in
            if state.known.count >= Self.mostEntries { state.known.removeFirst() }
            state.known.insert(pair)
            state.networks.forgive(state.pairs.remove(pair, now), of: pair.network)
        }
    }
}

/// Whether another attempt may begin; later ones are worse.
private enum Room: Int, Comparable {
    case free
    /// Others have to come to an end first.
    case taken
    case locked

    static func < (one: Self, other: Self) -> Bool { one.rawValue < other.rawValue }
}

/// Failures by what they are counted by, and attempts that may become some.
private struct FailureTallies<Key: Hashable> {
    private struct Tally {
        var count = 0
        var last: Timestamp
    }
    /// Failures before a key is locked.
    let most: Int
    private var tallies: [Key: Tally] = [:]
    private var pending: [Key: Int] = [:]

    init(most: Int) { self.most = most }

    func room(_ key: Key, _ now: Timestamp) -> Room {
        let count = self.count(self.tallies[key], now)
        guard count < self.most else { return .locked }
        return count + (self.pending[key] ?? 0) < self.most ? .free : .taken
    }

    mutating func addPending(_ key: Key, _ number: Int) {
        let count = (self.pending[key] ?? 0) + number
        self.pending[key] = count > 0 ? count : nil
    }

    /// Counts a failure.
    ///
    /// - Returns: how many there are now.
    mutating func add(_ key: Key, _ now: Timestamp) -> Int {
        if self.tallies.count >= AuthenticationFailures.mostEntries { self.makeRoom(now) }
        let count = min(self.count(self.tallies[key], now) + 1, 1_000_000)
        self.tallies[key] = Tally(count: count, last: now)
        return count
    }

    /// Forgets a key's failures, and says how many there were.
    mutating func remove(_ key: Key, _ now: Timestamp) -> Int { self.count(self.tallies.removeValue(forKey: key), now) }

    /// Takes back some failures.
    mutating func forgive(_ number: Int, of key: Key) {
        guard var tally = self.tallies[key] else { return }
        tally.count = max(0, tally.count - number)
        self.tallies[key] = tally
    }

    private func count(_ tally: Tally?, _ now: Timestamp) -> Int {
        guard let tally, now - tally.last < AuthenticationFailures.window else { return 0 }
        return tally.count
    }

    /// Forgets what counts no more, then what is not locked, then everything, until a quarter is free: rather that than grow.
    private mutating func makeRoom(_ now: Timestamp) {
        let wanted = AuthenticationFailures.mostEntries / 4 * 3
        self.tallies = self.tallies.filter { now - $0.value.last < AuthenticationFailures.window }
        if self.tallies.count > wanted { self.tallies = self.tallies.filter { $0.value.count >= self.most } }
        if self.tallies.count > wanted { self.tallies.removeAll(keepingCapacity: true) }
    }
}
