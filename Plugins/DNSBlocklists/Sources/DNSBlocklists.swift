public import MailHubPlugin

/// Refuses mail of clients and sender domains that lists in the DNS speak against (RFC 5782).
public struct DNSBlocklists: ConnectHook, RecipientHook {
    /// When clients are refused.
    enum Moment: String, CaseIterable, Sendable {
        case connect
        case recipient
    }

    let query: BlocklistQuery
    private let moment: Moment
    private let refuse: Int
    private let `defer`: Int?
    private let exempt: Exemptions
    private let counters: Counters

    /// Reads the keys that the README lists.
    public init(configuration: ConfigurationSection, services: PluginServices) throws {
        let sections = configuration.sections("lists")
        let lists = sections.compactMap { Blocklist(reading: $0) }
        self.moment = configuration.enumeration("at", default: .recipient)
        self.refuse = configuration.integer("refuse", in: 1...1_000_000, default: 1)
        self.defer = configuration.optionalInteger("defer", in: 1...1_000_000)
        self.exempt = Exemptions(
            reading: configuration.section("exempt"),
            defaultRecipients: ["postmaster", "abuse"]
        )
        let test = configuration.duration("testEvery", default: .seconds(3600))
        self.query = BlocklistQuery(
            lists: lists,
            resolver: services.resolver,
            health: ZoneHealth(every: test > .zero ? test : nil, clock: services.clock, logger: services.logger),
            timeLimit: configuration.duration("lookupTimeout", default: .seconds(5))
        )
        self.counters = services.counters
        if sections.isEmpty {
            configuration.report("no list is named", at: "lists", fix: "add a list, or leave the plugin out")
        }
        if let threshold = self.defer, threshold >= self.refuse {
            let fix = "let \"defer\" be less than \"refuse\""
            configuration.report("what would be deferred is refused", at: "defer", fix: fix)
        }
        if self.moment == .connect {
            for (list, section) in zip(lists, sections) where list.subject == .senderDomain {
                section.report("no sender is known at connect", at: "of", fix: "let \"at\" be \"recipient\"")
            }
        }
    }

    /// It refuses at one of its stages, as configured.
    public var idleStages: Set<Stage> { self.moment == .connect ? [.recipient] : [.connect] }

    /// Refuses a client at once, where the configuration says so.
    public func connected(_ session: SessionContext) async throws -> ConnectOutcome {
        guard self.moment == .connect, !self.exempt.cover(session) else { return .next }
        let score = await self.clientScore(session)
        switch self.verdict(score) {
        case .take: return .next
        case .refuse: return .reject(Reply(554, Self.byPolicy, Self.text))
        case .defer: return .defer(Reply(421, Self.byPolicy, Self.text))
        }
    }

    /// Refuses a recipient; the lists are asked once for a client, and once for a transaction's sender.
    public func recipient(
        _ recipient: EnvelopeRecipient,
        _ transaction: TransactionContext,
        _ session: SessionContext
    ) async throws -> RecipientOutcome {
        let sender = transaction.envelope.reversePath
        guard self.moment == .recipient, !self.exempt.cover(session), !self.exempt.cover(sender),
            !self.exempt.cover(recipient)
        else { return .next }
        async let ofClient = self.clientScore(session)
        let ofSender = await self.senderScore(sender.mailbox?.domain, transaction, session)
        var score = await ofClient
        score.score += ofSender.score
        score.zones += ofSender.zones
        switch self.verdict(score) {
        case .take: return .next
        case .refuse: return .reject(Reply(550, Self.byPolicy, Self.text))
        case .defer: return .defer(Reply(451, Self.byPolicy, Self.text))
        }
    }

    private static let byPolicy = EnhancedStatusCode(7, 1)
    /// The lists are not named: who is listed wrongly asks the postmaster, who finds them in the log.
    private static let text = "Not taken from a client or sender with this reputation"

    private enum Verdict { case take, `defer`, refuse }

    private func verdict(_ score: BlocklistScore) -> Verdict {
        let verdict: Verdict =
            if score.score >= self.refuse { .refuse } else if let threshold = self.defer, score.score >= threshold {
                .defer
            } else { .take }
        switch verdict {
        case .take: break
        case .defer: self.counters.increment("deferred")
        case .refuse: self.counters.increment("refused")
        }
        return verdict
    }

    // MARK: Scores

    private func clientScore(_ session: SessionContext) async -> BlocklistScore {
        if let known = session.facts[BlocklistScore.self] { return known }
        let score = self.sum(await self.query.ask(about: session.clientAddress), session)
        session.facts[BlocklistScore.self] = score.score
        await self.logReasons(score.listed, session)
        return score.score
    }

    private func senderScore(
        _ domain: Domain?,
        _ transaction: TransactionContext,
        _ session: SessionContext
    ) async -> BlocklistScore {
        guard let domain else { return BlocklistScore() }
        if let known = transaction.facts[BlocklistScore.self] { return known }
        let score = self.sum(await self.query.ask(about: domain), session)
        transaction.facts[BlocklistScore.self] = score.score
        await self.logReasons(score.listed, session)
        return score.score
    }

    private func sum(
        _ results: [BlocklistQuery.Result],
        _ session: SessionContext
    ) -> (score: BlocklistScore, listed: [BlocklistQuery.Result]) {
        var score = BlocklistScore()
        for result in results {
            switch result.meaning {
            case .notListed: break
            case .listed:
                score.score += result.list.weight
                score.zones.append(result.list.zone.canonical)
            case .unavailable(let reason):
                self.counters.increment("unavailable")
                score.score += result.list.weightUnavailable
                session.logger.debug(
                    "block list cannot be asked",
                    metadata: ["zone": "\(result.list.zone)", "error": "\(reason)"]
                )
            }
        }
        return (score, results.filter { if case .listed = $0.meaning { true } else { false } })
    }

    /// Tells the log what lists say about their entries (RFC 5782 section 2.1); nobody waits long for it.
    private func logReasons(_ listed: [BlocklistQuery.Result], _ session: SessionContext) async {
        await withTaskGroup(of: (result: BlocklistQuery.Result, reason: String?).self) { group in
            for result in listed { group.addTask { (result, await self.query.reason(for: result.name)) } }
            for await (result, reason) in group {
                self.counters.increment("listed")
                guard case .listed(let codes) = result.meaning else { continue }
                session.logger.info(
                    "listed by a block list",
                    metadata: [
                        "zone": "\(result.list.zone)", "codes": "\(codes.map(\.description).joined(separator: " "))",
                        "weight": "\(result.list.weight)", "reason": "\(reason ?? "none given")",
                    ]
                )
            }
        }
    }
}
