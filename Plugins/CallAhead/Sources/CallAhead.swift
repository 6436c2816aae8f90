public import MailHubPlugin

/// Asks the next hop whether a recipient exists, and remembers the answer.
public struct CallAhead: RecipientResolver {
    let cache: ProbeCache
    let route: String?
    private let domains: Set<Domain>
    private let probe: any RecipientProbe
    private let underWay: ProbesUnderWay
    /// How long a question waits for its turn, and whoever is remembered for the answer.
    private let patience: Duration
    /// How long anybody waits for the answer: less than the hub waits for the plugin, which would count as its failure.
    private let timeLimit: Duration
    private let clock: any WallClock
    private let counters: Counters

    /// Reads the keys that the README lists.
    public init(configuration: ConfigurationSection, services: PluginServices) throws {
        let domains = configuration.values("domains", expected: "a domain name") { Domain($0) }
        self.domains = domains.map { Set($0) } ?? services.servedDomains
        for domain in domains ?? [] where !services.servedDomains.contains(domain) {
            let fix = "add it to the \"domains\" of the hub"
            configuration.report("the hub takes no mail for \(domain)", at: "domains", fix: fix)
        }
        self.route = configuration.optionalRoute("route")
        let lifetimes = ProbeLifetimes(
            positive: configuration.duration("positive", default: .seconds(86_400)),
            negative: configuration.duration("negative", default: .seconds(3600)),
            keep: configuration.duration("keep", default: .seconds(31 * 86_400)),
            mostEntries: configuration.integer("mostEntries", in: 1...10_000_000, default: 100_000)
        )
        if lifetimes.keep < lifetimes.positive {
            configuration.report(
                "what exists would be forgotten before it is asked about again",
                at: configuration.has("keep") ? "keep" : "positive",
                fix: "let \"keep\" be at least as long as \"positive\""
            )
        }
        self.cache = ProbeCache(lifetimes, services: services)
        self.timeLimit = services.timeLimit * 4 / 5
        self.patience = min(configuration.duration("patience", default: .seconds(3)), self.timeLimit)
        self.underWay = ProbesUnderWay(
            most: configuration.integer("probes", in: 1...1000, default: 20),
            patience: self.patience
        )
        self.probe = services.recipientProbe
        self.clock = services.clock
        self.counters = services.counters
    }

    /// Whether the next hop takes mail for a mailbox, as far as it has ever said.
    public func resolve(_ mailbox: Mailbox, _ session: SessionContext) async throws -> RecipientResolution {
        guard let domain = mailbox.domain, self.domains.contains(domain) else { return .next }
        let known = await self.cache.known(ProbeCache.key(of: mailbox, route: self.route))
        if let known, known.isFresh {
            self.counters.increment("cached")
            return known.record.exists ? .found(ResolvedRecipient()) : .notFound
        }
        // Who is remembered need not wait for a place among the questions, nor long for the answer.
        let isRemembered = known?.record.exists ?? false
        let limit = isRemembered ? self.patience : self.timeLimit
        switch await self.ask(about: mailbox, mayWait: !isRemembered, within: limit) {
        case .exists: return .found(ResolvedRecipient())
        case .doesNotExist(let reply):
            session.logger.debug("no such mailbox", metadata: ["to": "\(mailbox)", "reply": "\(reply)"])
            return .notFound
        case .unavailable(let reason):
            if isRemembered {
                self.counters.increment("kept")
                return .found(ResolvedRecipient())
            }
            return .unavailable(reason)
        }
    }

    /// Asks now, or when there is a place for one more question, and remembers what is said.
    func ask(about mailbox: Mailbox, mayWait: Bool = true, within limit: Duration) async -> RecipientProbeAnswer {
        let key = ProbeCache.key(of: mailbox, route: self.route)
        return await self.underWay.answer(for: key, mayWait: mayWait, within: limit) { [self] in
            let answer = await self.probe.probe(mailbox, route: self.route)
            switch answer {
            case .exists:
                self.counters.increment("exists")
                await self.cache.keep(ProbeRecord(exists: true, at: self.clock.now, reply: nil), for: key)
            case .doesNotExist(let reply):
                self.counters.increment("does-not-exist")
                let text = String(reply.description.prefix(300))
                await self.cache.keep(ProbeRecord(exists: false, at: self.clock.now, reply: text), for: key)
            case .unavailable:
                self.counters.increment("unavailable")
            }
            return answer
        }
    }
}
