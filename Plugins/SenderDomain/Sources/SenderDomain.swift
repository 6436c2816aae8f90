public import MailHubPlugin

/// Refuses mail whose sender's domain takes none: nobody could be told what has become of it (RFC 7505 section 4.1).
///
/// The null reverse-path and address literals have no domain, and pass.
public struct SenderDomain: SenderHook, RecipientHook {
    /// When senders are refused.
    enum Moment: String, CaseIterable, Sendable {
        case mail
        case recipient
    }
    /// What to do with mail of a domain.
    enum Action: String, CaseIterable, Sendable {
        case take
        case `defer`
        case refuse
    }

    private let resolver: any NameResolver
    private let moment: Moment
    private let unknown: Action
    private let unavailable: Action
    private let exempt: Exemptions
    private let counters: Counters

    /// Reads the keys that the README lists.
    public init(configuration: ConfigurationSection, services: PluginServices) throws {
        self.resolver = services.resolver
        self.moment = configuration.enumeration("at", default: .recipient)
        self.unknown = configuration.enumeration("unknown", default: .refuse)
        self.unavailable = configuration.enumeration("unavailable", default: .defer)
        self.exempt = Exemptions(
            reading: configuration.section("exempt"),
            defaultRecipients: ["postmaster", "abuse"]
        )
        self.counters = services.counters
        if self.unavailable == .refuse {
            configuration.report(
                "trouble of the DNS would refuse mail for good",
                at: "unavailable",
                fix: "\"defer\" or \"take\""
            )
        }
    }

    /// It refuses at one of its stages, as configured.
    public var idleStages: Set<Stage> { self.moment == .mail ? [.recipient] : [.sender] }

    /// Refuses a sender for everybody, where the configuration says so.
    public func sender(_ transaction: TransactionContext, _ session: SessionContext) async throws -> SenderOutcome {
        guard self.moment == .mail else { return .next }
        return switch await self.verdict(transaction, session) {
        case .take: .next
        case .refuse(let reply): .reject(reply)
        case .defer(let reply): .defer(reply)
        }
    }

    /// Refuses a recipient; the DNS is asked once in a transaction.
    public func recipient(
        _ recipient: EnvelopeRecipient,
        _ transaction: TransactionContext,
        _ session: SessionContext
    ) async throws -> RecipientOutcome {
        guard self.moment == .recipient, !self.exempt.cover(recipient) else { return .next }
        return switch await self.verdict(transaction, session) {
        case .take: .next
        case .refuse(let reply): .reject(reply)
        case .defer(let reply): .defer(reply)
        }
    }

    private enum Verdict {
        case take
        case refuse(Reply)
        case `defer`(Reply)
    }

    private func verdict(_ transaction: TransactionContext, _ session: SessionContext) async -> Verdict {
        let sender = transaction.envelope.reversePath
        guard let domain = sender.mailbox?.domain, !self.exempt.cover(session), !self.exempt.cover(sender) else {
            return .take
        }
        let action: Action
        let reply: (code: EnhancedStatusCode, text: String)
        switch await self.finding(domain, transaction, session) {
        case .takesMail: return .take
        case .nullMX: (action, reply) = (.refuse, (Self.nullMX, "The sender's domain \(domain) takes no mail"))
        case .unknown: (action, reply) = (self.unknown, (Self.badSystem, "The sender's domain \(domain) is unknown"))
        case .unavailable:
            (action, reply) = (
                self.unavailable, (Self.noAnswer, "The sender's domain \(domain) cannot be looked up now")
            )
        }
        return switch action {
        case .take: .take
        case .defer: .defer(Reply(451, reply.code, reply.text))
        case .refuse: .refuse(Reply(550, reply.code, reply.text))
        }
    }

    /// RFC 7505 section 4.1: sender address has null MX.
    private static let nullMX = EnhancedStatusCode(7, 27)
    /// RFC 3463 section 3.2: bad sender's system address.
    private static let badSystem = EnhancedStatusCode(1, 8)
    /// RFC 3463 section 3.5: directory server failure.
    private static let noAnswer = EnhancedStatusCode(4, 3)

    private func finding(
        _ domain: Domain,
        _ transaction: TransactionContext,
        _ session: SessionContext
    ) async -> SenderDomainFinding {
        if let known = transaction.facts[SenderDomainFinding.self] { return known }
        let finding = await self.lookUp(domain, session)
        transaction.facts[SenderDomainFinding.self] = finding
        switch finding {
        case .takesMail: break
        case .nullMX: self.counters.increment("null-mx")
        case .unknown: self.counters.increment("unknown")
        case .unavailable: self.counters.increment("unavailable")
        }
        return finding
    }

    private func lookUp(_ domain: Domain, _ session: SessionContext) async -> SenderDomainFinding {
        switch await self.resolver.mailExchangers(of: domain.canonical) {
        case .found(let exchangers) where exchangers.contains { !$0.host.isEmpty }: return .takesMail
        case .found(let exchangers) where !exchangers.isEmpty: return .nullMX
        case .notFound: return .unknown
        case .unavailable(let reason): return self.unavailable(domain, reason, session)
        case .found: break  // an implicit MX, where there is an address (RFC 5321 section 5.1)
        }
        switch await self.resolver.addresses(of: domain.canonical) {
        case .found: return .takesMail
        case .notFound: return .unknown
        case .unavailable(let reason): return self.unavailable(domain, reason, session)
        }
    }

    private func unavailable(_ domain: Domain, _ reason: String, _ session: SessionContext) -> SenderDomainFinding {
        session.logger.info(
            "sender's domain cannot be looked up",
            metadata: ["domain": "\(domain)", "error": "\(reason)"]
        )
        return .unavailable
    }
}

/// What the DNS says about the domain of a transaction's sender: for other plugins to read.
public enum SenderDomainFinding: String, Fact {
    /// It has MX records, or an address.
    case takesMail
    /// Its MX says that it takes no mail (RFC 7505).
    case nullMX
    /// It does not exist, or has neither MX nor address.
    case unknown
    /// The DNS could not say.
    case unavailable
}
