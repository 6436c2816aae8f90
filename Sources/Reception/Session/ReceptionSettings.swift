package import Logging
package import MailHubPlugin
package import SMTP

/// What a client may use of a listener before it is told to stop.
package struct SessionLimits: Hashable, Sendable {
    /// Connections of the listener at one time.
    package var connections = 1000
    /// Connections of one client (an IPv4 address, or the /64 network of an IPv6 address) at one time.
    package var connectionsPerClient = 50
    /// Messages of one connection.
    package var messages = 1000
    /// Recipients of one message: at least 100 (RFC 5321 section 4.5.3.1.8).
    package var recipients = 1000
    /// Refused commands and recipients before 421 (RFC 5321 section 7.8).
    package var errors = 20
    /// Messages that one client may hand over within a minute, on all of its connections; `nil` for no limit.
    package var messagesPerClient: Int?
    /// Recipients that are accepted from one client within a minute; `nil` for no limit.
    package var recipientsPerClient: Int?
    /// Refused commands and recipients of one client within a minute; `nil` for no limit.
    package var errorsPerClient: Int?
    /// Octets of one message: at least 65,536 (RFC 5321 section 4.5.3.1.7).
    package var messageSize = 50 << 20
    /// The wait for a command (RFC 5321 section 4.5.3.2.7).
    package var commandTime: Duration = .seconds(300)
    /// The wait for more content.
    package var dataTime: Duration = .seconds(300)

    package init() {}
}

/// One address that the hub listens on.
package struct ListenerSettings: Hashable, Sendable {
    /// Its name in config.json.
    package let name: String
    package let address: String
    package let port: Int
    package let role: ListenerRole
    package let limits: SessionLimits
    /// Whether VRFY and EXPN tell what the resolvers know, rather than 252 for everything (RFC 5321 section 7.3).
    package let answersVerify: Bool
    /// TLS; `nil` where everything is in the clear.
    package let tls: ListenerTLS?
    /// What becomes of recipients that do not take a message which others take.
    package let differingVerdicts: DifferingVerdicts

    package init(
        name: String,
        address: String,
        port: Int,
        role: ListenerRole,
        limits: SessionLimits = SessionLimits(),
        answersVerify: Bool = false,
        tls: ListenerTLS? = nil,
        differingVerdicts: DifferingVerdicts = .refuse
    ) {
        self.name = name
        self.address = address
        self.port = port
        self.role = role
        self.limits = limits
        self.answersVerify = answersVerify
        self.tls = tls
        self.differingVerdicts = differingVerdicts
    }
}

/// What sessions go by; a session keeps the settings that were in force when it began.
package struct ReceptionSettings: Sendable {
    /// The hub's name in greetings, replies and Received fields.
    package let host: Domain
    /// The same as text.
    var hostname: String { self.host.text }
    /// Domains that mail is taken for from anybody.
    package let servedDomains: Set<Domain>
    /// Clients that may send to any domain.
    package let relayNetworks: [IPNetwork]
    /// Who reads mail to `<Postmaster>`, and to postmaster at a served domain where no resolver knows it.
    package let postmaster: Mailbox
    package let hooks: HookChains
    /// Whom submission listeners know, and what they may do.
    package let authentication: AuthenticationSettings

    package init(
        host: Domain,
        servedDomains: Set<Domain>,
        relayNetworks: [IPNetwork],
        postmaster: Mailbox,
        hooks: HookChains,
        authentication: AuthenticationSettings = AuthenticationSettings()
    ) {
        self.authentication = authentication
        self.host = host
        self.servedDomains = servedDomains
        self.relayNetworks = relayNetworks
        self.postmaster = postmaster
        self.hooks = hooks
    }
}

/// What sessions share.
package struct ReceptionServices: Sendable {
    /// Takes messages: the 250 to end-of-data is sent when it returns.
    package let intake: any MessageIntake
    package let clock: any WallClock
    package let logger: Logger
    /// Connections of all listeners.
    let budget: ConnectionBudget
    /// Recipients that must not share a transaction.
    let apart: RecipientsApart
    /// Who has given wrong passwords lately.
    let failures: AuthenticationFailures
    /// Checks passwords, which takes its time.
    let passwords: any PasswordChecking
    /// What salts of users who do not exist are made from, for SCRAM.
    let decoySecret: [UInt8]

    package init(
        intake: any MessageIntake,
        clock: any WallClock,
        logger: Logger,
        budget: ConnectionBudget = ConnectionBudget(),
        failures: AuthenticationFailures = AuthenticationFailures(),
        passwords: any PasswordChecking = PasswordsAtOnce(),
        decoySecret: [UInt8] = []
    ) {
        self.decoySecret = decoySecret
        self.failures = failures
        self.passwords = passwords
        self.budget = budget
        self.intake = intake
        self.clock = clock
        self.logger = logger
        self.apart = RecipientsApart(clock: clock)
    }
}
