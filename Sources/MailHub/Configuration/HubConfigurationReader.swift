import Delivery
import Foundation
import Logging
public import MailHubPlugin
import MailQueue
import OAuth
import Reception
import SMTP

/// Reads config.json, and finds all that is wrong with it in one go.
struct HubConfigurationReader {
    let root: ConfigurationSection
    let registry: PluginRegistry
    let clients = ClientTLSTable()

    /// The configuration, or everything that is wrong with it.
    static func read(path: String, registry: PluginRegistry) throws(ConfigurationProblems) -> HubConfiguration {
        let data: Data
        do {
            data = try Data(contentsOf: URL(filePath: path))
        } catch {
            let reason =
                switch (error as? CocoaError)?.code {
                case .fileReadNoSuchFile?, .fileNoSuchFile?: "there is no such file"
                case .fileReadNoPermission?: "permission denied"
                default: "it is no readable file"
                }
            throw ConfigurationProblems([
                ConfigurationProblem(
                    file: path,
                    position: SourcePosition(line: 1, column: 1),
                    path: "$",
                    message: "cannot read the configuration: \(reason)",
                    fix: "name a file that exists and is readable by this user: --config PATH"
                )
            ])
        }
        let folder = URL(filePath: path).deletingLastPathComponent().path
        return try self.read(Array(data), file: path, folder: folder, registry: registry)
    }

    /// Reads a configuration from its octets.
    static func read(
        _ bytes: [UInt8],
        file: String,
        folder: String,
        registry: PluginRegistry
    ) throws(ConfigurationProblems) -> HubConfiguration {
        let root: ConfigurationSection
        do {
            root = try ConfigurationSection.parse(bytes, file: file, folder: folder)
        } catch {
            throw ConfigurationProblems([error])
        }
        let reader = HubConfigurationReader(root: root, registry: registry)
        let configuration = reader.configuration()
        let problems = root.problems()
        guard problems.isEmpty, let configuration else { throw ConfigurationProblems(problems) }
        return configuration
    }

    /// `nil` where something was reported that nothing can stand in for.
    func configuration() -> HubConfiguration? {
        let host = self.host()
        var routeTLS: [String: RouteTLS] = [:]
        var routeAuthentication: [String: RouteAuthentication] = [:]
        let routes = self.routes(tls: &routeTLS, authentication: &routeAuthentication)
        let domains = self.domains(routes)
        let listeners = self.listeners()
        let relayNetworks = self.relayNetworks()
        let defaultRoute = self.defaultRoute(routes, relays: !relayNetworks.isEmpty)
        let queue = self.queue()
        let throttles = self.throttles(routes)
        let dns = self.dns()
        self.checkDANE(routeTLS, dns)
        let mtaSTS = self.mtaSTS()
        let reports = self.root.section("tlsReports").map(self.tlsReports)
        let directory = self.directory()
        var tokens: TokenVerifier?
        let authentication = self.authentication(directory, listeners, tokens: &tokens)
        self.root.announce(listeners: Set(listeners.map(\.name)), routes: Set(routes.keys))
        let firstDomain = self.root.keys(of: "domains").first { Self.domain($0) != nil } ?? host?.text
        let postmaster =
            self.root.mailbox("postmaster") ?? firstDomain.flatMap { Mailbox("postmaster@\($0)") }
        let plugins = self.plugins(
            PluginSurroundings(servedDomains: Set(domains.keys), directory: directory, postmaster: postmaster)
        )
        let logging = self.logging()
        let delivery = self.delivery()
        let socket = self.controlSocket()
        let shutdownGrace = self.root.positiveDuration("shutdownGrace", default: .seconds(30))
        let eventLoops = self.root.optionalInteger("eventLoops", in: 1...256)
        guard let host else { return nil }
        guard let postmaster else {
            self.root.report("missing", at: "postmaster", fix: "add the address of somebody who reads it")
            return nil
        }
        return HubConfiguration(
            host: host,
            postmaster: postmaster,
            listeners: listeners,
            domains: domains,
            relayNetworks: relayNetworks,
            routes: routes.compactMapValues { $0 },
            routeTLS: routeTLS,
            routeAuthentication: routeAuthentication,
            defaultRoute: defaultRoute,
            queue: queue,
            throttles: throttles,
            dns: dns,
            mtaSTS: mtaSTS,
            tlsReports: (reports ?? nil)?.configuration(host: host, postmaster: postmaster),
            authentication: authentication,
            tokens: tokens,
            directory: directory,
            plugins: plugins,
            logging: logging,
            controlSocket: socket,
            delivery: delivery,
            shutdownGrace: shutdownGrace,
            eventLoops: eventLoops
        )
    }

    /// A fully qualified name; an IP address is none, although it has the form of one.
    static func domain(_ name: String) -> Domain? {
        guard let domain = Domain(name), domain.isFullyQualified, IPAddress(name) == nil else { return nil }
        return domain
    }

    private func host() -> Domain? {
        let name = self.root.requiredString("hostname")
        guard !name.isEmpty else { return nil }
        guard let domain = Self.domain(name), domain.isASCII else {
            self.root.report(
                "\(Quotation.of(name)) is not a fully qualified host name",
                at: "hostname",
                fix: "write the name that the DNS knows this host by, such as \"mx.example.org\""
            )
            return nil
        }
        return domain
    }

    // MARK: Listeners

    private func listeners() -> [ListenerSettings] {
        var result: [ListenerSettings] = []
        var names: Set<String> = []
        var places: [(address: IPAddress, port: Int)] = []
        let sections = self.root.sections("listeners")
        // Entries of a wrong type are told already.
        if !self.root.has("listeners") || self.root.isEmptyArray("listeners") {
            self.root.report(
                "no listener",
                at: "listeners",
                fix: "add one: { \"name\": \"mx\", \"address\": \"::\", \"port\": 25 }"
            )
        }
        for section in sections {
            let listener = self.listener(section)
            if !listener.name.isEmpty, !names.insert(listener.name).inserted {
                section.report(
                    "another listener has the name \(Quotation.of(listener.name))",
                    at: "name",
                    fix: "choose another name"
                )
            }
            if let address = IPAddress(listener.address) {
                if let other = places.first(where: {
                    $0.port == listener.port && (listener.port == 0 ? address == $0.address : address.meets($0.address))
                }) {
                    section.report(
                        other.address == address
                            ? "another listener has this address and port"
                            : "another listener has this port at \(other.address), which is the same to the system",
                        at: section.has("port") ? "port" : "address",
                        fix: "choose another port or address"
                    )
                }
                places.append((address, listener.port))
            }
            result.append(listener)
        }
        return result
    }

    private func listener(_ section: ConfigurationSection) -> ListenerSettings {
        let name = section.requiredString("name")
        let address = section.requiredString("address")
        if !address.isEmpty, IPAddress(address) == nil {
            section.report(
                "\(Quotation.of(address)) is not an IP address",
                at: "address",
                fix: "write one such as \"192.0.2.1\" or \"::\""
            )
        }
        let role = section.enumeration("role", default: ListenerRole.mx)
        let tls = self.tls(section, role)
        let port = section.integer("port", in: 0...65535, default: Self.standardPort(role, tls))
        switch role {
        case .submission: self.checkSubmission(section, hasTLS: tls != nil)
        case .lmtp where port == 25:
            section.report(
                "LMTP must not be on port 25 (RFC 2033 section 5)",
                at: "port",
                fix: "choose another port, such as 24"
            )
        case .mx, .lmtp: break
        }
        let standard = SessionLimits()
        var limits = SessionLimits()
        limits.connections = section.integer("maximumConnections", in: 1...1_000_000, default: standard.connections)
        limits.connectionsPerClient = section.integer(
            "maximumConnectionsPerClient",
            in: 1...1_000_000,
            default: standard.connectionsPerClient
        )
        limits.messages = section.integer(
            "maximumMessagesPerConnection",
            in: 1...1_000_000_000,
            default: standard.messages
        )
        limits.recipients = section.integer("maximumRecipients", in: 100...100_000, default: standard.recipients)
        limits.errors = section.integer("maximumErrors", in: 1...1_000_000, default: standard.errors)
        // At least 64 KiB (RFC 5321 section 4.5.3.1.7).
        limits.messageSize = section.size("messageSize", in: 65536...1 << 40, default: standard.messageSize)
        limits.commandTime = section.positiveDuration("commandTimeout", default: standard.commandTime)
        limits.dataTime = section.positiveDuration("dataTimeout", default: standard.dataTime)
        limits.messagesPerClient = section.optionalInteger("maximumMessagesPerClient", in: 1...1_000_000_000)
        limits.recipientsPerClient = section.optionalInteger("maximumRecipientsPerClient", in: 1...1_000_000_000)
        limits.errorsPerClient = section.optionalInteger("maximumErrorsPerClient", in: 1...1_000_000_000)
        return ListenerSettings(
            name: name,
            address: address,
            port: port,
            role: role,
            limits: limits,
            answersVerify: section.boolean("verify", default: false),
            tls: tls,
            differingVerdicts: section.enumeration("differingVerdicts", default: DifferingVerdicts.refuse)
        )
    }

    /// RFC 5321 section 4.5.4.2, RFC 6409 section 3.1, RFC 8314 section 3.3; LMTP has none, and 24 is for private mail systems.
    private static func standardPort(_ role: ListenerRole, _ tls: ListenerTLS?) -> Int {
        switch role {
        case .mx: 25
        case .submission: tls?.mode == .implicit ? 465 : 587
        case .lmtp: 24
        }
    }

    private func relayNetworks() -> [IPNetwork] {
        let form = "a network such as \"192.0.2.0/24\""
        let networks = self.root.indexedValues("relayNetworks", expected: form) { IPNetwork($0) } ?? []
        for (index, network) in networks where network.isOpenRelay {
            self.root.report(
                "so large a network makes an open relay",
                at: "relayNetworks",
                index: index,
                fix: "name the networks of your own hosts only, such as \"192.0.2.0/24\""
            )
        }
        return networks.map(\.value)
    }

    private func controlSocket() -> String {
        let standard = "\(self.root.folder)/var/run/control.sock"
        guard let section = self.root.section("control") else { return standard }
        return self.socketPath("socket", in: section) ?? standard
    }

    /// The path of a socket, which the kernel limits.
    func socketPath(_ key: String, in section: ConfigurationSection) -> String? {
        guard let path = section.filePath(key) else { return nil }
        if path.utf8.count > 107 {
            section.report("the path is longer than 107 octets", at: key, fix: "choose a shorter one below /run")
        }
        return path
    }
}

extension IPAddress {
    /// Whether the system cannot listen on both at one port: they are the same, or one stands for all addresses.
    ///
    /// On Linux `::` stands for IPv4 as well, unless it is told otherwise.
    fileprivate func meets(_ other: IPAddress) -> Bool {
        switch (self, other) {
        case (.ipv6(0, 0), _), (_, .ipv6(0, 0)), (.ipv4(0), .ipv4), (.ipv4, .ipv4(0)): true
        case (.ipv4, _), (.ipv6, _): self == other
        }
    }
}

extension IPNetwork {
    /// Whether the network is larger than any organisation's: shorter than 10.0.0.0/8 and fc00::/7, or all of IPv4 as
    /// IPv6 writes it.
    fileprivate var isOpenRelay: Bool {
        switch self.base {
        case .ipv4: return self.prefixLength < 8
        case .ipv6:
            let mapped = IPAddress.ipv6(high: 0, low: 0xFFFF_0000_0000)
            let coversMapped = IPNetwork(containing: mapped, prefixLength: self.prefixLength).base == self.base
            return self.prefixLength < 7 || coversMapped && self.prefixLength < 104
        }
    }
}

/// Everything that is wrong with a configuration.
public struct ConfigurationProblems: Error, CustomStringConvertible {
    /// In the order of their places; at least one.
    public let problems: [ConfigurationProblem]

    init(_ problems: [ConfigurationProblem]) { self.problems = problems }

    /// Two lines a problem.
    public var description: String { self.problems.map(\.description).joined(separator: "\n") }
}
