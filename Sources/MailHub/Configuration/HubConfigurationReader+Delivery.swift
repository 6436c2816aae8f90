import Delivery
import MailHubPlugin
import MailQueue
import SMTP
import TransportSecurity

/// Where mail goes: domains, routes, throttles, the queue.
extension HubConfigurationReader {
    func domains(_ routes: [String: RouteConfiguration]) -> [Domain: String] {
        var result: [Domain: String] = [:]
        guard let section = self.root.section("domains") else { return [:] }
        for name in section.keys {
            guard let domain = Domain(name), domain.isFullyQualified else {
                section.report("\"\(name)\" is not a domain name", at: name, fix: "write one such as \"example.org\"")
                _ = section.section(name)
                continue
            }
            guard let entry = section.section(name) else { continue }
            let route = entry.requiredString("route")
            self.check(route: route, in: entry, key: "route", routes)
            if result.updateValue(route, forKey: domain) != nil {
                section.report("the domain stands here twice", at: name, fix: "remove one")
            }
        }
        return result
    }

    func check(route: String, in section: ConfigurationSection, key: String, _ routes: [String: RouteConfiguration]) {
        guard !route.isEmpty, routes[route] == nil else { return }
        let fix = Spelling.suggestion(for: route, among: routes.keys) ?? "add it to \"routes\""
        section.report("there is no route \"\(route)\"", at: key, fix: fix)
    }

    func defaultRoute(_ routes: [String: RouteConfiguration]) -> String? {
        guard let route = self.root.optionalString("defaultRoute") else {
            return routes["internet"] == nil ? nil : "internet"
        }
        self.check(route: route, in: self.root, key: "defaultRoute", routes)
        return route
    }

    func routes(tls: inout [String: RouteTLS]) -> [String: RouteConfiguration] {
        var result: [String: RouteConfiguration] = [:]
        var clients: [String?: ClientTLS] = [:]
        for (name, section) in self.root.entries("routes") {
            let route = self.route(section)
            result[name] = route
            tls[name] = self.tls(of: route, section, &clients)
        }
        return result
    }

    private enum Transport: String, CaseIterable { case smtp, lmtp, maildir }
    private enum Lookup: String, CaseIterable { case mx }

    private func route(_ section: ConfigurationSection) -> RouteConfiguration {
        if !section.has("transport") { _ = section.requiredString("transport") }
        switch section.enumeration("transport", default: Transport.smtp) {
        case .maildir:
            if !section.has("directory") { _ = section.requiredString("directory") }
            return .maildir(directory: section.filePath("directory") ?? "")
        case .smtp:
            if section.has("lookup") {
                _ = section.enumeration("lookup", default: Lookup.mx)
                if section.has("host") {
                    _ = section.optionalString("host")
                    section.report("both \"lookup\" and \"host\"", at: "host", fix: "remove one of them")
                }
                return .mx
            }
            return .fixed(.smtp, self.location(section, standardPort: 25))
        case .lmtp:
            return .fixed(.lmtp, self.location(section, standardPort: 24))
        }
    }

    private func location(_ section: ConfigurationSection, standardPort: Int) -> FixedNextHop.Location {
        if let path = section.filePath("socket") { return .unixSocket(path: path) }
        let host = section.optionalString("host")
        let port = section.integer("port", in: 1...65535, default: standardPort)
        if let host, IPAddress(host) == nil, Domain(host) == nil {
            section.report("\"\(host)\" is not a host name or an IP address", at: "host", fix: "write one")
        }
        if host == nil {
            section.report(
                "no next hop",
                at: "host",
                fix: standardPort == 25 ? "add \"host\", or \"lookup\": \"mx\"" : "add \"host\" or \"socket\""
            )
        }
        return .host(host ?? "", port: port)
    }

    func queue() -> QueueConfiguration {
        var result = QueueConfiguration()
        result.directory = "\(self.root.folder)/var/queue"
        guard let section = self.root.section("queue") else { return result }
        result.directory = section.filePath("directory") ?? result.directory
        if let intervals = section.durations("retry") {
            if intervals.isEmpty || intervals.contains(where: { $0 <= .zero }) {
                section.report(
                    "retry needs intervals above zero",
                    at: "retry",
                    fix: "write them, such as [\"5m\", \"30m\", \"2h\"]"
                )
            } else {
                result.retry.intervals = intervals
            }
        }
        result.retry.warnAfter = section.duration("warnAfter", default: result.retry.warnAfter)
        result.retry.expireAfter = section.duration("expireAfter", default: result.retry.expireAfter)
        if result.retry.warnAfter >= result.retry.expireAfter {
            section.report("warnAfter is not before expireAfter", at: "warnAfter", fix: "make it shorter")
        }
        result.maximumActive = section.integer("maximumActive", in: 100...10_000_000, default: result.maximumActive)
        return result
    }

    func throttles(_ routes: [String: RouteConfiguration]) -> ThrottleConfiguration {
        var result = ThrottleConfiguration()
        for (name, section) in self.root.entries("throttles") {
            var limits = ThrottleLimits()
            limits.concurrency = section.integer("concurrency", in: 1...10_000, default: limits.concurrency)
            limits.messages = section.optionalInteger("messages", in: 1...1_000_000_000)
            limits.period = section.duration("per", default: limits.period)
            if limits.period <= .zero {
                section.report("the period is zero", at: "per", fix: "write one such as \"1m\"")
            }
            limits.firstPause = section.duration("firstPause", default: limits.firstPause)
            limits.longestPause = section.duration("longestPause", default: limits.longestPause)
            if name == "default" {
                result.standard = limits
            } else {
                result.named[routes[name] == nil ? Domain(name)?.canonical ?? name : name] = limits
            }
        }
        return result
    }

    func delivery() -> DeliveryConfiguration {
        var result = DeliveryConfiguration()
        guard let section = self.root.section("delivery") else { return result }
        result.idleTime = section.duration("idleTimeout", default: result.idleTime)
        result.maximumSessions = section.integer("maximumSessions", in: 1...100_000, default: result.maximumSessions)
        result.messagesPerConnection = section.integer(
            "messagesPerConnection",
            in: 1...1_000_000_000,
            default: result.messagesPerConnection
        )
        result.port = section.integer("port", in: 1...65535, default: result.port)
        guard let timeouts = section.section("timeouts") else { return result }
        result.timeouts.connect = timeouts.duration("connect", default: result.timeouts.connect)
        result.timeouts.greeting = timeouts.duration("greeting", default: result.timeouts.greeting)
        result.timeouts.hello = timeouts.duration("hello", default: result.timeouts.hello)
        result.timeouts.handshake = timeouts.duration("handshake", default: result.timeouts.handshake)
        result.timeouts.mail = timeouts.duration("mail", default: result.timeouts.mail)
        result.timeouts.recipient = timeouts.duration("recipient", default: result.timeouts.recipient)
        result.timeouts.data = timeouts.duration("data", default: result.timeouts.data)
        result.timeouts.block = timeouts.duration("block", default: result.timeouts.block)
        result.timeouts.endOfData = timeouts.duration("endOfData", default: result.timeouts.endOfData)
        result.timeouts.quit = timeouts.duration("quit", default: result.timeouts.quit)
        return result
    }

    func dns() -> DNSConfiguration {
        var result = DNSConfiguration()
        guard let section = self.root.section("dns") else { return result }
        let form = "an address with an optional port, such as \"127.0.0.1@5353\""
        result.servers = section.values("servers", expected: form, Self.server) ?? []
        result.usesIPv6 = section.boolean("ipv6", default: result.usesIPv6)
        result.timeLimit = section.duration("timeout", default: result.timeLimit)
        return result
    }

    private static func server(_ text: String) -> String? {
        let parts = text.split(separator: "@", omittingEmptySubsequences: false)
        guard parts.count <= 2, let address = parts.first, IPAddress(address) != nil else { return nil }
        guard parts.count == 1 || Int(parts[1]).map({ (1...65535).contains($0) }) == true else { return nil }
        return text
    }

    func logging() -> LoggingConfiguration {
        var result = LoggingConfiguration()
        guard let section = self.root.section("logging") else { return result }
        result.format = section.enumeration("format", default: result.format)
        result.level = section.enumeration("level", default: result.level)
        return result
    }
}
