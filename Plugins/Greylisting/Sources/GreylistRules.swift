import MailHubPlugin

/// What the configuration says.
struct GreylistRules: Sendable {
    /// What happens to mail with the null reverse-path.
    enum NullSender: String, CaseIterable, Sendable {
        /// Deferred at DATA: hosts that only verify an address with `MAIL FROM:<>` and RCPT are answered at once.
        case data
        /// Deferred at RCPT, as all other mail.
        case rcpt
        /// Never deferred.
        case exempt
    }

    /// How clients are grouped.
    let networks: ClientNetworks
    /// How long an unknown triplet waits.
    let delay: Duration
    /// How long after the first attempt a retry counts as one.
    let window: Duration
    /// How long a triplet that has passed, or an allowed network, is remembered since it was last seen.
    let lifetime: Duration
    /// How many triplets of a network must pass before all its mail does; 0: never.
    let allowAfter: Int
    /// The most entries in the store.
    let mostEntries: Int
    let nullSender: NullSender
    let exempt: Exemptions

    /// Reads the keys that the README lists.
    init(reading configuration: ConfigurationSection) {
        self.networks = ClientNetworks(reading: configuration.section("network"))
        self.delay = configuration.duration("delay", default: .seconds(5 * 60))
        self.window = configuration.duration("window", default: .seconds(2 * 86_400))
        self.lifetime = configuration.duration("lifetime", default: .seconds(36 * 86_400))
        self.allowAfter = configuration.integer("allowAfter", in: 0...1000, default: 5)
        self.mostEntries = configuration.integer("mostEntries", in: 1...100_000_000, default: 1_000_000)
        self.nullSender = configuration.enumeration("nullSender", default: .data)
        self.exempt = Exemptions(reading: configuration.section("exempt"))
        if self.delay >= self.window {
            let fix = "let \"window\" be longer than \"delay\""
            let key = configuration.has("delay") ? "delay" : "window"
            configuration.report("no retry could ever come in time", at: key, fix: fix)
        }
        if self.lifetime < self.window {
            let key = configuration.has("lifetime") ? "lifetime" : "window"
            configuration.report(
                "what has passed would be forgotten before what waits",
                at: key,
                fix: "let \"lifetime\" be at least as long as \"window\""
            )
        }
    }
}
