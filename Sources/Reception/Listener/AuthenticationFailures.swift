import MailHubPlugin
import SMTP
import Synchronization

/// Who has given wrong passwords lately: slows down guessing, and locks out those who go on (RFC 4954 section 9).
///
/// Counted by client network, by account, whether it exists or not, and by both together. A lock of an account leaves alone the
/// networks from which it was used successfully before, as long as not they have failed so often: strangers who guess cannot lock
/// out the owner. In memory, and bounded.
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
    static let mostEntries = 20_000

    private struct Tally {
        var count = 0
        var last: Timestamp
    }
    private struct Pair: Hashable {
        let account: String
        let network: ClientNetwork
    }
    private struct State {
        var networks: [ClientNetwork: Tally] = [:]
        var accounts: [String: Tally] = [:]
        var pairs: [Pair: Tally] = [:]
        /// Where accounts were used with success.
        var known: Set<Pair> = []
    }
    private let state = Mutex(State())

    package init() {}

    /// Whether a client's network is locked out.
    func areTooMany(of address: IPAddress, at now: Timestamp) -> Bool {
        self.state.withLock { state in
            Self.count(state.networks[ClientNetwork(of: address)], now) >= Self.mostOfNetwork
        }
    }

    /// Whether an account is locked for a client.
    func areTooMany(of account: String, from address: IPAddress, at now: Timestamp) -> Bool {
        let pair = Pair(account: Self.key(account), network: ClientNetwork(of: address))
        return self.state.withLock { state in
            Self.count(state.pairs[pair], now) >= Self.mostOfAccount
                || (Self.count(state.accounts[pair.account], now) >= Self.mostOfAccount && !state.known.contains(pair))
        }
    }

    /// Counts a failure.
    ///
    /// - Parameter account: `nil` where none was named.
    /// - Returns: how long the client is to wait for its answer.
    func failed(_ account: String?, from address: IPAddress, at now: Timestamp) -> Duration {
        let network = ClientNetwork(of: address)
        let key = account.map(Self.key)
        let count = self.state.withLock { state in
            if state.networks.count >= Self.mostEntries { Self.makeRoom(&state.networks, now) }
            if state.accounts.count >= Self.mostEntries { Self.makeRoom(&state.accounts, now) }
            if state.pairs.count >= Self.mostEntries { Self.makeRoom(&state.pairs, now) }
            if let key { _ = Self.add(to: &state.pairs[Pair(account: key, network: network)], now) }
            let ofNetwork = Self.add(to: &state.networks[network], now)
            let ofAccount = key.map { Self.add(to: &state.accounts[$0], now) } ?? 0
            return max(ofNetwork, ofAccount)
        }
        guard count > Self.undelayed else { return .zero }
        return min(.seconds(1) * (1 << min(count - Self.undelayed - 1, 4)), Self.longestDelay)
    }

    /// A right password: the account's failures from this network are forgiven, and nobody else's.
    func succeeded(_ account: String, from address: IPAddress, at now: Timestamp) {
        let pair = Pair(account: Self.key(account), network: ClientNetwork(of: address))
        self.state.withLock { state in
            if state.known.count >= Self.mostEntries { state.known.removeFirst() }
            state.known.insert(pair)
            let forgiven = Self.count(state.pairs.removeValue(forKey: pair), now)
            guard var ofNetwork = state.networks[pair.network] else { return }
            ofNetwork.count = max(0, ofNetwork.count - forgiven)
            state.networks[pair.network] = ofNetwork
        }
    }

    /// A long name is no account of anybody.
    private static func key(_ account: String) -> String { String(account.lowercased().prefix(255)) }

    private static func count(_ tally: Tally?, _ now: Timestamp) -> Int {
        guard let tally, now - tally.last < self.window else { return 0 }
        return tally.count
    }

    private static func add(to tally: inout Tally?, _ now: Timestamp) -> Int {
        let count = min(self.count(tally, now) + 1, 1_000_000)
        tally = Tally(count: count, last: now)
        return count
    }

    /// Forgets what counts no more; where that is not enough, everything: rather that than grow.
    private static func makeRoom<Key: Hashable>(_ tallies: inout [Key: Tally], _ now: Timestamp) {
        tallies = tallies.filter { now - $0.value.last < self.window }
        if tallies.count >= self.mostEntries { tallies.removeAll(keepingCapacity: true) }
    }
}
