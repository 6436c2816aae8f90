import Delivery
import Foundation
import Logging
public import MailHubPlugin
import MailQueue
import Reception
import SMTP

/// Reads config.json, and finds all that is wrong with it in one go.
struct HubConfigurationReader {
    let root: ConfigurationSection
    let registry: PluginRegistry

    /// The configuration, or everything that is wrong with it.
    static func read(path: String, registry: PluginRegistry) throws(ConfigurationProblems) -> HubConfiguration {
        guard let data = FileManager.default.contents(atPath: path) else {
            throw ConfigurationProblems([
                ConfigurationProblem(
                    file: path,
                    position: SourcePosition(line: 1, column: 1),
                    path: "$",
                    message: "the file cannot be read",
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
    private func configuration() -> HubConfiguration? {
        let host = self.host()
        let routes = self.routes()
        let domains = self.domains(routes)
        let listeners = self.listeners()
        let relayNetworks = self.relayNetworks()
        let defaultRoute = self.defaultRoute(routes)
        let queue = self.queue()
        let throttles = self.throttles(routes)
        let dns = self.dns()
        let directory = self.directory()
        let plugins = self.plugins(served: Set(domains.keys))
        let logging = self.logging()
        let delivery = self.delivery()
        let socket = self.root.section("control")?.filePath("socket")
        let postmaster = self.root.mailbox("postmaster")
        let shutdownGrace = self.root.duration("shutdownGrace", default: .seconds(30))
        let eventLoops = self.root.optionalInteger("eventLoops", in: 1...256)
        let firstDomain = self.root.keys(of: "domains").first ?? host?.text
        guard let host, let postmaster = postmaster ?? firstDomain.flatMap({ Mailbox("postmaster@\($0)") }) else {
            return nil
        }
        return HubConfiguration(
            host: host,
            postmaster: postmaster,
            listeners: listeners,
            domains: domains,
            relayNetworks: relayNetworks,
            routes: routes,
            defaultRoute: defaultRoute,
            queue: queue,
            throttles: throttles,
            dns: dns,
            directory: directory,
            plugins: plugins,
            logging: logging,
            controlSocket: socket ?? "\(self.root.folder)/var/run/control.sock",
            delivery: delivery,
            shutdownGrace: shutdownGrace,
            eventLoops: eventLoops
        )
    }

    private func host() -> Domain? {
        let name = self.root.requiredString("hostname")
        guard !name.isEmpty else { return nil }
        guard let domain = Domain(name), domain.isFullyQualified, domain.isASCII else {
            self.root.report(
                "\"\(name)\" is not a fully qualified host name",
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
        var places: Set<String> = []
        let sections = self.root.sections("listeners")
        if sections.isEmpty {
            self.root.report(
                "no listener",
                at: "listeners",
                fix: "add one: { \"name\": \"mx\", \"address\": \"::\", \"port\": 25 }"
            )
        }
        for section in sections {
            let listener = self.listener(section)
            if !names.insert(listener.name).inserted {
                section.report(
                    "another listener has the name \"\(listener.name)\"",
                    at: "name",
                    fix: "choose another name"
                )
            }
            if !places.insert("\(listener.address) \(listener.port)").inserted {
                section.report(
                    "another listener has this address and port",
                    at: "port",
                    fix: "choose another port or address"
                )
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
                "\"\(address)\" is not an IP address",
                at: "address",
                fix: "write one such as \"192.0.2.1\" or \"::\""
            )
        }
        let role = section.enumeration("role", default: ListenerRole.mx)
        let port = section.integer("port", in: 0...65535, default: role == .mx ? 25 : 24)
        switch role {
        case .submission:
            section.report(
                "submission needs TLS and authentication, which this version does not have",
                at: "role",
                fix: "use \"mx\" with \"relayNetworks\" for hosts of your own"
            )
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
        limits.messageSize = section.size("messageSize", default: standard.messageSize)
        if limits.messageSize < 65536 {
            section.report(
                "messages of 64 KiB must be taken (RFC 5321 section 4.5.3.1.7)",
                at: "messageSize",
                fix: "write \"64KiB\" or more"
            )
        }
        limits.commandTime = section.duration("commandTimeout", default: standard.commandTime)
        limits.dataTime = section.duration("dataTimeout", default: standard.dataTime)
        return ListenerSettings(
            name: name,
            address: address,
            port: port,
            role: role,
            limits: limits,
            answersVerify: section.boolean("verify", default: false)
        )
    }

    private func relayNetworks() -> [IPNetwork] {
        let networks = self.root.networks("relayNetworks") ?? []
        if networks.contains(where: { $0.prefixLength == 0 }) {
            self.root.report(
                "a network of all addresses makes an open relay",
                at: "relayNetworks",
                fix: "name the networks of your own hosts only"
            )
        }
        return networks
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
