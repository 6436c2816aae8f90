public import MailHubPlugin
import Synchronization

/// Limits how much mail a client network, user, sender or recipient has in a time: token buckets.
public struct RateLimits: SenderHook, RecipientHook {
    let buckets: SharedBuckets
    private let networks: ClientNetworks
    private let exempt: Exemptions
    private let counters: Counters
    let clock: any WallClock

    /// Reads the keys that the README lists.
    public init(configuration: ConfigurationSection, services: PluginServices) throws {
        self.networks = ClientNetworks(reading: configuration.section("network"))
        self.exempt = Exemptions(reading: configuration.section("exempt"), sparesTrusted: false)
        let most = configuration.integer("mostEntries", in: 2...10_000_000, default: 100_000)
        let sections = configuration.sections("limits")
        let limits = sections.enumerated().compactMap { RateLimit(reading: $1, index: $0) }
        if sections.isEmpty {
            configuration.report("no limit is set", at: "limits", fix: "add a limit, or leave the plugin out")
        }
        var names: Set<String> = []
        for (limit, section) in zip(limits, sections) where !names.insert(limit.name).inserted {
            section.report("another limit is named \"\(limit.name)\"", at: "name", fix: "choose another name")
        }
        self.buckets = SharedBuckets(limits.map { TokenBuckets($0, most: most) })
        self.counters = services.counters
        self.clock = services.clock
    }

    /// Takes the tokens of a message.
    public func sender(_ transaction: TransactionContext, _ session: SessionContext) async throws -> SenderOutcome {
        guard let excess = self.excess(atRecipient: nil, transaction, session) else { return .next }
        return excess.action == .defer
            ? .defer(Reply(451, Self.byPolicy, "Too much mail for now, try again later"))
            : .reject(Reply(550, Self.byPolicy, "Too much mail"))
    }

    /// Takes the tokens of a recipient.
    public func recipient(
        _ recipient: EnvelopeRecipient,
        _ transaction: TransactionContext,
        _ session: SessionContext
    ) async throws -> RecipientOutcome {
        guard let excess = self.excess(atRecipient: recipient, transaction, session) else { return .next }
        return excess.action == .defer
            ? .defer(Reply(450, Self.byPolicy, "Too much mail for now, try again later"))
            : .reject(Reply(550, Self.byPolicy, "Too much mail"))
    }

    /// RFC 3463 section 3.8.
    private static let byPolicy = EnhancedStatusCode(7, 1)

    /// The limit that is used up; `nil` where there was a token for each.
    private func excess(
        atRecipient recipient: EnvelopeRecipient?,
        _ transaction: TransactionContext,
        _ session: SessionContext
    ) -> RateLimit? {
        let sender = transaction.envelope.reversePath
        if self.exempt.cover(session) || self.exempt.cover(sender) || recipient.map({ self.exempt.cover($0) }) ?? false
        {
            return nil
        }
        let excess = self.buckets.take(at: self.clock.now) { limit in
            guard limit.isTakenAtRecipient == (recipient != nil), limit.covers(session) else { return nil }
            return self.key(for: limit.subject, sender, recipient?.mailbox, session)
        }
        guard let (limit, key) = excess else { return nil }
        self.counters.increment(limit.action == .defer ? "deferred" : "rejected")
        session.logger.info("rate limit reached", metadata: ["limit": "\(limit.name)", "key": "\(key)"])
        return limit
    }

    private func key(
        for subject: RateLimit.Subject,
        _ sender: ReversePath,
        _ recipient: Mailbox?,
        _ session: SessionContext
    ) -> String? {
        switch subject {
        case .client: self.networks.network(of: session.clientAddress).description
        case .user: session.authenticatedIdentity
        case .sender: sender.mailbox?.caseFolded.canonicalText
        case .senderDomain: sender.mailbox?.host.canonicalText
        case .recipient: recipient?.caseFolded.canonicalText
        case .recipientDomain: recipient?.host.canonicalText
        case .listener: session.listener
        }
    }
}

extension RateLimit {
    /// Whether the mail of a session counts.
    fileprivate func covers(_ session: SessionContext) -> Bool {
        guard self.listeners.isEmpty || self.listeners.contains(session.listener) else { return false }
        let isAuthenticated = session.authenticatedIdentity != nil
        return switch self.clients {
        case .all: true
        case .authenticated: isAuthenticated
        case .relay: session.isRelayClient && !isAuthenticated
        case .others: !session.isRelayClient && !isAuthenticated
        }
    }
}

extension Mailbox {
    fileprivate var canonicalText: String { "\(self.localPart)@\(self.host.canonicalText)" }
}

extension MailboxHost {
    fileprivate var canonicalText: String {
        switch self {
        case .domain(let domain): domain.canonical
        case .literal(let literal): literal.description
        }
    }
}

/// The buckets of all limits, shared by all sessions.
final class SharedBuckets: Sendable {
    private let tables: Mutex<[TokenBuckets]>

    init(_ tables: [TokenBuckets]) { self.tables = Mutex(tables) }

    /// Takes a token of each limit that has a key, or of none where one of them has no token left: that one is returned.
    func take(at now: Timestamp, key: (RateLimit) -> String?) -> (RateLimit, key: String)? {
        self.tables.withLock { tables in
            let keys = tables.map { key($0.limit) }
            for (table, key) in zip(tables, keys) {
                if let key, table.tokens(of: key, at: now) < 1 { return (table.limit, key) }
            }
            for (index, key) in keys.enumerated() {
                if let key { tables[index].take(from: key, at: now) }
            }
            return nil
        }
    }

    /// The emptiest buckets of each limit.
    func emptiest(_ most: Int, at now: Timestamp) -> [(limit: RateLimit, key: String, tokens: Double)] {
        self.tables.withLock { $0 }.flatMap { table in
            table.emptiest(most, at: now).map { (limit: table.limit, key: $0.key, tokens: $0.tokens) }
        }
    }

    /// Fills the buckets of a key; returns the number of limits where something was missing.
    func reset(_ key: String) -> Int {
        self.tables.withLock { tables in tables.indices.count { tables[$0].reset(key) } }
    }
}
