public import SMTP
public import Logging

/// What the hub hands to a plugin; all of it can be replaced in tests.
public struct PluginServices: Sendable {
    /// For messages outside any session; the hook's context has the session's logger.
    public let logger: Logger
    /// Wall-clock time.
    public let clock: any WallClock
    /// The DNS.
    public let resolver: any NameResolver
    /// The domains that the hub takes mail for: the keys of `"domains"`.
    public let servedDomains: Set<Domain>

    /// Joins the services.
    public init(logger: Logger, clock: any WallClock, resolver: any NameResolver, servedDomains: Set<Domain>) {
        self.logger = logger
        self.clock = clock
        self.resolver = resolver
        self.servedDomains = servedDomains
    }
}
