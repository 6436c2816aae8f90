import DKIM
import DNSResolver
import Delivery
import LDAPClient
import Logging
import MailHubPlugin
import MailQueue
import OAuth
import Reception
import SMTP
import TransportSecurity

/// Everything that config.json says: read once, then only passed around.
///
/// docs/configuration.md explains each key.
struct HubConfiguration: Sendable {
    var host: Domain
    var postmaster: Mailbox
    var listeners: [ListenerSettings]
    /// The domains that mail is taken for, each with its route.
    var domains: [Domain: String]
    var relayNetworks: [IPNetwork]
    var routes: [String: RouteConfiguration]
    /// TLS of the routes that have connections.
    var routeTLS: [String: RouteTLS]
    /// Who the hub is to the next hops of routes.
    var routeAuthentication: [String: RouteAuthentication]
    /// For mail to all other domains; `nil` where there is no relaying.
    var defaultRoute: String?
    var queue: QueueConfiguration
    var throttles: ThrottleConfiguration
    var dns: DNSConfiguration
    /// `nil` where it is switched off.
    var mtaSTS: MTASTSConfiguration?
    /// `nil` where nothing is reported.
    var tlsReports: TLSReportsConfiguration?
    /// Who may submit mail.
    var authentication: AuthenticationSettings
    /// Checks the tokens of users; `nil` where none are taken.
    var tokens: TokenVerifier?
    /// The LDAP servers that plugins ask; `nil` where there are none.
    var directory: LDAPSettings?
    var plugins: [ConfiguredPlugin]
    var logging: LoggingConfiguration
    var controlSocket: String
    var delivery: DeliveryConfiguration
    /// How long transactions may go on after SIGTERM.
    var shutdownGrace: Duration
    /// Threads that serve connections.
    var eventLoops: Int?
}

/// One entry of `"routes"`.
enum RouteConfiguration: Hashable, Sendable {
    /// By the MX records of the recipient's domain.
    case mx
    /// To one next hop by SMTP or LMTP.
    case fixed(SMTPTransport.Dialect, FixedNextHop.Location)
    /// Into Maildirs below a folder.
    case maildir(directory: String)
}

/// `"queue"`.
struct QueueConfiguration: Hashable, Sendable {
    var directory = "var/queue"
    var retry = RetrySchedule()
    var maximumActive = 5000
}

/// `"throttles"`.
struct ThrottleConfiguration: Hashable, Sendable {
    var standard = ThrottleLimits()
    /// By route, or by recipient domain in canonical form.
    var named: [String: ThrottleLimits] = [:]

    /// The limits of a destination: its domain's, else its route's, else the standard ones.
    func limits(for destination: Destination) -> ThrottleLimits {
        self.named[destination.domain] ?? self.named[destination.route] ?? self.standard
    }
}

/// `"dns"`.
struct DNSConfiguration: Hashable, Sendable {
    /// `address@port`; empty for the system's resolvers.
    var servers: [String] = []
    var usesIPv6 = true
    var timeLimit: Duration = .seconds(10)
    /// The keys to validate with; `nil` for no validation, and no DANE.
    var trustAnchor: String?
}

/// `"mtaSTS"`.
struct MTASTSConfiguration: Sendable {
    /// Of policy hosts.
    var port: Int
    /// For a policy host's answer.
    var timeLimit: Duration
    /// The authorities that policy hosts' certificates are checked with; `nil` for those of the system.
    var authorities: String?
    let client: ClientTLS
}

extension MTASTSConfiguration: Equatable {
    /// Whether both say the same; what is in the files may differ.
    static func == (left: Self, right: Self) -> Bool {
        left.port == right.port && left.timeLimit == right.timeLimit && left.authorities == right.authorities
    }
}

/// `"tlsReports"`.
struct TLSReportsConfiguration: Sendable {
    var organization: String
    var contact: Mailbox
    /// The authorities that receivers' certificates are checked with; `nil` for those of the system.
    var authorities: String?
    let client: ClientTLS
    /// Signs reports that are mailed; `nil` where nobody does, or another host.
    var signer: DKIMSigner?
}

extension TLSReportsConfiguration: Equatable {
    /// Whether both say the same; what is in the files may differ.
    static func == (left: Self, right: Self) -> Bool {
        left.organization == right.organization && left.contact == right.contact
            && left.authorities == right.authorities && left.signer?.record.name == right.signer?.record.name
            && left.signer?.record.text == right.signer?.record.text
    }
}

/// `"logging"`.
struct LoggingConfiguration: Hashable, Sendable {
    enum Format: String, CaseIterable, Sendable { case text, json }
    enum Level: String, CaseIterable, Sendable { case trace, debug, info, notice, warning, error, critical }
    var format = Format.text
    var level = Level.info
}

/// `"delivery"`.
struct DeliveryConfiguration: Hashable, Sendable {
    var timeouts = ClientTimeouts()
    var idleTime: Duration = .seconds(5)
    var maximumSessions = 500
    var messagesPerConnection = 1000
    /// The port of MX hosts: 25, but for tests.
    var port = 25
}

extension DNSConfiguration {
    /// For the resolver.
    var settings: UnboundResolver.Settings {
        UnboundResolver.Settings(
            servers: self.servers,
            usesIPv6: self.usesIPv6,
            timeLimit: self.timeLimit,
            trustAnchorFile: self.trustAnchor
        )
    }
}
