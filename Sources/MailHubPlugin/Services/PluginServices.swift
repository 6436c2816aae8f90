public import Logging
public import SMTP

/// What the hub hands to a plugin; all of it can be replaced in tests.
public struct PluginServices: Sendable {
    /// For messages outside any session; the hook's context has the session's logger.
    public let logger: Logger
    /// Wall-clock time.
    public let clock: any WallClock
    /// The DNS.
    public let resolver: any NameResolver
    /// The site's directory; `nil` where config.json has no `"directory"`.
    public let directory: (any Directory)?
    /// The plugin's own durable key-value store.
    public let store: any KeyValueStore
    /// The plugin's counters.
    public let counters: Counters
    /// Asks next hops about recipients.
    public let recipientProbe: any RecipientProbe
    /// The domains that the hub takes mail for: the keys of `"domains"`.
    public let servedDomains: Set<Domain>
    /// Who reads mail for the postmaster: found, whatever resolvers say (RFC 5321 section 4.5.1); `nil` in tests.
    public let postmaster: Mailbox?
    /// The shortest time that a call of the plugin may take, from config.json.
    ///
    /// To outlive it counts as a failure, so that a plugin that waits for others gives them less. The look-ups of ``resolver`` are
    /// given up after two fifths of it.
    public let timeLimit: Duration

    /// Joins the services.
    public init(
        logger: Logger,
        clock: any WallClock,
        resolver: any NameResolver,
        directory: (any Directory)? = nil,
        store: any KeyValueStore = MemoryKeyValueStore(),
        counters: Counters = Counters(),
        recipientProbe: any RecipientProbe = NoRecipientProbe(),
        servedDomains: Set<Domain>,
        postmaster: Mailbox? = nil,
        timeLimit: Duration = .seconds(10)
    ) {
        self.logger = logger
        self.clock = clock
        self.resolver = resolver
        self.directory = directory
        self.store = store
        self.counters = counters
        self.recipientProbe = recipientProbe
        self.servedDomains = servedDomains
        self.postmaster = postmaster
        self.timeLimit = timeLimit
    }
}
