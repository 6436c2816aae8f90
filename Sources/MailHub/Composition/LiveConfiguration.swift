import Delivery
import LDAPClient
import Logging
import MailHubPlugin
import MailQueue
import NIOCore
import NIOPosix
import OAuth
import Reception
import SASL
import SMTP
import Synchronization

/// The configuration that is in force, with what is derived from it; a reload replaces it as a whole.
final class LiveConfiguration: Sendable {
    /// What a configuration comes to.
    struct Snapshot: Sendable {
        let configuration: HubConfiguration
        let reception: ReceptionSettings
        let router: Router
        let hooks: HookChains
        let transports: [String: any Transport]
    }
    private let snapshot: Mutex<Snapshot>

    init(_ snapshot: Snapshot) { self.snapshot = Mutex(snapshot) }

    var current: Snapshot { self.snapshot.withLock { $0 } }

    func replace(with snapshot: Snapshot) { self.snapshot.withLock { $0 = snapshot } }
}

extension LiveConfiguration.Snapshot {
    /// Derives everything from a configuration.
    init(
        _ configuration: HubConfiguration,
        resolver: any ValidatingResolver,
        published: PublishedPolicies,
        content: ContentDirectory,
        pool: NIOThreadPool,
        passwords: LDAPPasswords?,
        logger: Logger
    ) {
        var authentication = configuration.authentication
        if authentication.usesDirectory, let passwords {
            authentication.directory = { await passwords.check($0.password, of: $0.user) }
        }
        if let tokens = configuration.tokens {
            authentication.tokens = { await tokens.verify($0, now: Double(SystemClock().now.milliseconds) / 1000) }
        }
        let hooks = HookChains(configuration.plugins)
        self.configuration = configuration
        self.hooks = hooks
        self.reception = ReceptionSettings(
            host: configuration.host,
            servedDomains: Set(configuration.domains.keys),
            relayNetworks: configuration.relayNetworks,
            postmaster: configuration.postmaster,
            hooks: hooks,
            authentication: authentication
        )
        self.router = Router(
            routeOfDomain: configuration.domains,
            defaultRoute: configuration.defaultRoute ?? "",
            usesMX: configuration.routes.mapValues { $0 == .mx }
        )
        var transports: [String: any Transport] = [:]
        for (name, route) in configuration.routes {
            switch route {
            case .maildir(let directory):
                transports[name] = MaildirTransport(
                    directory: directory,
                    hostname: configuration.host.text,
                    content: content,
                    pool: pool
                )
            case .fixed(let dialect, let location):
                transports[name] = SMTPTransport(
                    settings: configuration.transportSettings(dialect, route: name),
                    resolver: FixedNextHop(location, resolver: resolver),
                    published: published,
                    content: content,
                    logger: logger
                )
            case .mx:
                let mx = MXResolver(
                    resolver: resolver,
                    port: configuration.delivery.port,
                    ownNames: [configuration.host.canonical],
                    ownAddresses: configuration.ownAddresses,
                    logger: logger
                )
                transports[name] = SMTPTransport(
                    settings: configuration.transportSettings(.smtp, route: name),
                    resolver: mx,
                    published: published,
                    content: content,
                    logger: logger
                )
            }
        }
        self.transports = transports
    }
}

/// Writes notifications in the name of the host and the postmaster that are in force.
struct LiveNotificationComposer: NotificationComposer {
    let live: LiveConfiguration
    let contents: ContentDirectory
    let clock: any WallClock
    let logger: Logger

    func compose(_ request: NotificationRequest) async -> NewMessage? {
        let configuration = self.live.current.configuration
        return await StatusNotificationComposer(
            host: configuration.host,
            postmaster: configuration.postmaster,
            contents: self.contents,
            clock: self.clock,
            logger: self.logger
        ).compose(request)
    }
}

extension HubConfiguration {
    fileprivate func transportSettings(_ dialect: SMTPTransport.Dialect, route: String) -> SMTPTransport.Settings {
        var settings = SMTPTransport.Settings(hostname: self.host.text, dialect: dialect)
        settings.timeouts = self.delivery.timeouts
        settings.tls = self.routeTLS[route]
        settings.authentication = self.routeAuthentication[route]
        settings.messagesPerConnection = self.delivery.messagesPerConnection
        return settings
    }

    /// Addresses that lead back to the listeners, where they are on the port of MX hosts; a listener on all addresses is
    /// reached at each one that this machine has.
    fileprivate var ownAddresses: Set<IPAddress> {
        let listening = self.listeners.filter { $0.port == self.delivery.port }.compactMap { IPAddress($0.address) }
        guard listening.contains(where: { $0 == IPAddress("0.0.0.0") || $0 == IPAddress("::") }) else {
            return Set(listening)
        }
        let devices = (try? System.enumerateDevices()) ?? []
        return Set(listening + devices.compactMap { $0.address?.ipAddress.flatMap { IPAddress($0) } })
    }
}
