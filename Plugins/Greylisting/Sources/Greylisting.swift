public import MailHubPlugin

/// What greylisting says about a transaction.
public enum GreylistVerdict: String, Fact {
    /// The client came back in time, or is known.
    case passed
    /// Nothing was asked.
    case exempt
    /// It has to come back.
    case deferred
}

/// Defers mail of clients that were never seen, and takes it when they come back (RFC 6647).
public struct Greylisting: RecipientHook, DataHook {
    private let rules: GreylistRules
    let greylist: Greylist
    private let counters: Counters

    /// Reads the keys that the README lists.
    public init(configuration: ConfigurationSection, services: PluginServices) throws {
        self.rules = GreylistRules(reading: configuration)
        self.greylist = Greylist(rules: self.rules, services: services)
        self.counters = services.counters
    }

    /// Defers an unknown triplet; the null reverse-path may wait for DATA.
    public func recipient(
        _ recipient: EnvelopeRecipient,
        _ transaction: TransactionContext,
        _ session: SessionContext
    ) async throws -> RecipientOutcome {
        if transaction.envelope.reversePath == .null, self.rules.nullSender != .rcpt { return .next }
        return try await self.isTaken(recipient, transaction, session) ? .next : .defer(Self.comeBack)
    }

    /// Defers an unknown triplet of the null reverse-path and the first recipient.
    public func data(_ transaction: TransactionContext, _ session: SessionContext) async throws -> DataOutcome {
        guard transaction.envelope.reversePath == .null, self.rules.nullSender == .data,
            let first = transaction.envelope.recipients.first
        else { return .next }
        return try await self.isTaken(first, transaction, session) ? .next : .defer(Self.comeBack)
    }

    private func isTaken(
        _ recipient: EnvelopeRecipient,
        _ transaction: TransactionContext,
        _ session: SessionContext
    ) async throws -> Bool {
        let sender = transaction.envelope.reversePath
        // Mail from users and from other parts of the site is none of a greylist's business (RFC 6647 section 5, item 7).
        if session.role != .mx || self.rules.exempt.cover(session) || self.rules.exempt.cover(sender)
            || self.rules.exempt.cover(recipient)
        {
            return self.take(as: .exempt, counted: "exempt", transaction)
        }
        // One recipient that has passed proves that the client retries: it need not prove it for each.
        if transaction.facts[GreylistVerdict.self] == .passed { return true }
        let triplet = Triplet(
            network: self.rules.networks.network(of: session.clientAddress),
            sender: sender,
            recipient: recipient.named ?? recipient.mailbox
        )
        switch try await self.greylist.answer(to: triplet, from: sender.mailbox?.domain) {
        case .known: return self.take(as: .passed, counted: "passed", transaction)
        case .networkAllowed: return self.take(as: .passed, counted: "network-allowed", transaction)
        case .letThrough: return self.take(as: .passed, counted: "let-through", transaction)
        case .full: return self.take(as: .exempt, counted: "full", transaction)
        case .new: self.counters.increment("deferred-new")
        case .waiting: self.counters.increment("deferred-early")
        }
        transaction.facts[GreylistVerdict.self] = .deferred
        session.logger.debug("greylisted", metadata: ["from": "\(sender)", "to": "\(recipient.mailbox)"])
        return false
    }

    /// An exemption of one recipient says nothing about the others.
    private func take(as verdict: GreylistVerdict, counted name: String, _ transaction: TransactionContext) -> Bool {
        self.counters.increment(name)
        if transaction.facts[GreylistVerdict.self] != .passed { transaction.facts[GreylistVerdict.self] = verdict }
        return true
    }

    /// 450 is for policy (RFC 5321 section 4.2.3), 451 for errors of our own; 4.7.1 says "for now, by policy" (RFC 3463 section
    /// 3.8).
    private static let comeBack = Reply(
        450,
        EnhancedStatusCode(7, 1),
        "Not taken yet, please try again in a few minutes"
    )
}
