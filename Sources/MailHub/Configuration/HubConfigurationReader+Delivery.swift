import DNSResolver
import Delivery
import MailHubPlugin
import MailQueue
import SMTP
import TransportSecurity

/// Where mail goes: domains, routes, throttles, the queue.
extension HubConfigurationReader {
    func domains(_ routes: [String: RouteConfiguration?]) -> [Domain: String] {
        var result: [Domain: String] = [:]
        guard let section = self.root.section("domains") else { return [:] }
        for name in section.keys {
            guard let domain = Self.domain(name) else {
                section.report(
                    "\(Quotation.of(name)) is not a domain name",
                    withKey: name,
                    fix: "write one such as \"example.org\""
                )
                section.ignore(name)
                continue
            }
            guard let entry = section.section(name) else { continue }
            let route = entry.requiredString("route")
            self.check(route: route, in: entry, key: "route", routes)
            if result.updateValue(route, forKey: domain) != nil {
                section.report(
                    "the domain stands here twice: upper and lower case are the same",
                    withKey: name,
                    fix: "remove one of the two"
                )
            }
        }
        return result
    }

    private func check(
        route: String,
        in section: ConfigurationSection,
        key: String,
        _ routes: [String: RouteConfiguration?]
    ) {
        guard !route.isEmpty, routes.index(forKey: route) == nil else { return }
        let known = routes.keys.sorted().map(Quotation.of).joined(separator: ", ")
        section.report(
            "there is no route \(Quotation.of(route))",
            at: key,
            fix: Spelling.suggestion(for: route, among: routes.keys)
                ?? (known.isEmpty ? "add it to \"routes\"" : "add it to \"routes\", or name one of: \(known)")
        )
    }

    /// By default the route `internet`, where there is one.
    func defaultRoute(_ routes: [String: RouteConfiguration?], relays: Bool) -> String? {
        if let route = self.root.optionalString("defaultRoute") {
            if route.isEmpty {
                self.root.report("is empty", at: "defaultRoute", fix: "name a route, or remove the key")
            }
            self.check(route: route, in: self.root, key: "defaultRoute", routes)
            return route
        }
        if routes.index(forKey: "internet") != nil { return "internet" }
        if relays {
            self.root.report(
                "\"relayNetworks\" may send to other domains, but no route leads there",
                at: "defaultRoute",
                fix: "name a route, or add \"internet\": { \"transport\": \"smtp\", \"lookup\": \"mx\" } to \"routes\""
            )
        }
        return nil
    }

    /// By name; `nil` for a route that is wrong, which is reported.
    func routes(
        tls: inout [String: RouteTLS],
        authentication: inout [String: RouteAuthentication]
    ) -> [String: RouteConfiguration?] {
        var result: [String: RouteConfiguration?] = [:]
        guard let routes = self.root.section("routes") else { return [:] }
        for name in routes.keys {
            if name.isEmpty || !name.allSatisfy({ $0.isLetter || $0.isNumber || "-_.".contains($0) }) {
                routes.report(
                    "\(Quotation.of(name)) cannot name a route",
                    withKey: name,
                    fix: "use letters, digits, \"-\", \"_\" and \".\""
                )
            }
            let section = routes.section(name)
            let route = section.flatMap(self.route)
            result.updateValue(route, forKey: name)
            guard let section, let route else { continue }
            tls[name] = self.tls(of: route, section)
            authentication[name] = self.authentication(of: route, section)
        }
        return result
    }

    private enum Transport: String, CaseIterable { case smtp, lmtp, maildir }
    private enum Lookup: String, CaseIterable { case mx }

    private func route(_ section: ConfigurationSection) -> RouteConfiguration? {
        guard section.has("transport") else {
            section.report(
                "missing",
                at: "transport",
                fix: "add \"transport\": one of \"smtp\", \"lmtp\", \"maildir\""
            )
            section.ignoreAll()
            return nil
        }
        guard let transport: Transport = section.optionalEnumeration("transport") else {
            section.ignoreAll()
            return nil
        }
        switch transport {
        case .maildir:
            if !section.has("directory") { _ = section.requiredString("directory") }
            return section.filePath("directory").map { .maildir(directory: $0) }
        case .smtp:
            guard section.has("lookup") else { return self.location(section, .smtp) }
            let lookup: Lookup? = section.optionalEnumeration("lookup")
            for key in ["host", "port", "socket"] where section.has(key) {
                section.ignore(key)
                section.report(
                    "\"\(key)\" beside \"lookup\"",
                    at: key,
                    fix: "remove it: the DNS names the hosts; or remove \"lookup\""
                )
            }
            return lookup.map { _ in .mx }
        case .lmtp: return self.location(section, .lmtp)
        }
    }

    private func location(
        _ section: ConfigurationSection,
        _ dialect: SMTPTransport.Dialect
    ) -> RouteConfiguration? {
        if let path = self.socketPath("socket", in: section) {
            for key in ["host", "port"] where section.has(key) {
                section.ignore(key)
                section.report("\"\(key)\" beside \"socket\"", at: key, fix: "remove one of them")
            }
            return .fixed(dialect, .unixSocket(path: path))
        }
        let port = section.integer("port", in: 1...65535, default: dialect == .lmtp ? 24 : 25)
        guard section.has("host") || section.has("socket") else {
            let fix = dialect == .lmtp ? "add \"host\" or \"socket\"" : "add \"host\", or \"lookup\": \"mx\""
            section.report("no next hop", at: "host", fix: fix)
            section.ignore("host")
            return nil
        }
        guard let host = section.optionalString("host") else { return nil }
        guard IPAddress(host) != nil || Domain(host) != nil else {
            section.report(
                "\(Quotation.of(host)) is not a host name or an IP address",
                at: "host",
                fix: "write one such as \"mail.internal\" or \"192.0.2.1\"; a port goes to \"port\""
            )
            return nil
        }
        return .fixed(dialect, .host(host, port: port))
    }

    func queue() -> QueueConfiguration {
        var result = QueueConfiguration()
        result.directory = "\(self.root.folder)/var/queue"
        guard let section = self.root.section("queue") else { return result }
        result.directory = section.filePath("directory") ?? result.directory
        if let intervals = section.positiveDurations("retry") {
            if section.isEmptyArray("retry") {
                section.report("no interval", at: "retry", fix: "write some, such as [\"5m\", \"30m\", \"2h\"]")
            }
            result.retry.intervals = intervals
        }
        result.retry.warnAfter = section.positiveDuration("warnAfter", default: result.retry.warnAfter)
        result.retry.expireAfter = section.positiveDuration("expireAfter", default: result.retry.expireAfter)
        if result.retry.warnAfter >= result.retry.expireAfter {
            let (warn, expire) = (
                ConfigurationUnits.text(result.retry.warnAfter), ConfigurationUnits.text(result.retry.expireAfter)
            )
            section.report(
                "a warning after \(warn) comes too late: messages expire after \(expire)",
                at: section.has("warnAfter") ? "warnAfter" : "expireAfter",
                fix: section.has("warnAfter")
                    ? "write a time shorter than \"expireAfter\""
                    : "write a longer time, or add a shorter \"warnAfter\""
            )
        }
        result.maximumActive = section.integer("maximumActive", in: 100...10_000_000, default: result.maximumActive)
        return result
    }

    func throttles(_ routes: [String: RouteConfiguration?]) -> ThrottleConfiguration {
        var result = ThrottleConfiguration()
        guard let throttles = self.root.section("throttles") else { return result }
        for name in throttles.keys {
            let limits = throttles.section(name).map(self.limits)
            if name == "default" {
                result.standard = limits ?? result.standard
            } else if routes.index(forKey: name) != nil {
                result.named[name] = limits
            } else if let domain = Self.domain(name) {
                result.named[domain.canonical] = limits
            } else {
                throttles.report(
                    "\(Quotation.of(name)) is neither a route nor a domain name",
                    withKey: name,
                    fix: Spelling.suggestion(for: name, among: routes.keys + ["default"])
                        ?? "name a route, a domain such as \"example.org\", or \"default\""
                )
            }
        }
        return result
    }

    private func limits(_ section: ConfigurationSection) -> ThrottleLimits {
        var limits = ThrottleLimits()
        limits.concurrency = section.integer("concurrency", in: 1...10_000, default: limits.concurrency)
        limits.messages = section.optionalInteger("messages", in: 1...1_000_000_000)
        limits.period = section.positiveDuration("per", default: limits.period)
        if section.has("per"), !section.has("messages") {
            section.report("\"per\" without \"messages\"", at: "per", fix: "add \"messages\", or remove \"per\"")
        }
        limits.firstPause = section.positiveDuration("firstPause", default: limits.firstPause)
        limits.longestPause = section.positiveDuration("longestPause", default: limits.longestPause)
        if limits.firstPause > limits.longestPause {
            let (first, longest) = (
                ConfigurationUnits.text(limits.firstPause), ConfigurationUnits.text(limits.longestPause)
            )
            section.report(
                "the first pause (\(first)) is longer than the longest (\(longest))",
                at: section.has("firstPause") ? "firstPause" : "longestPause",
                fix: section.has("firstPause")
                    ? "write a time up to \"longestPause\"" : "write a longer time, or add a shorter \"firstPause\""
            )
        }
        return limits
    }

    func delivery() -> DeliveryConfiguration {
        var result = DeliveryConfiguration()
        guard let section = self.root.section("delivery") else { return result }
        result.idleTime = section.positiveDuration("idleTimeout", default: result.idleTime)
        result.maximumSessions = section.integer("maximumSessions", in: 1...100_000, default: result.maximumSessions)
        result.messagesPerConnection = section.integer(
            "messagesPerConnection",
            in: 1...1_000_000_000,
            default: result.messagesPerConnection
        )
        result.port = section.integer("port", in: 1...65535, default: result.port)
        guard let timeouts = section.section("timeouts") else { return result }
        result.timeouts.connect = timeouts.positiveDuration("connect", default: result.timeouts.connect)
        result.timeouts.greeting = timeouts.positiveDuration("greeting", default: result.timeouts.greeting)
        result.timeouts.hello = timeouts.positiveDuration("hello", default: result.timeouts.hello)
        result.timeouts.handshake = timeouts.positiveDuration("handshake", default: result.timeouts.handshake)
        result.timeouts.mail = timeouts.positiveDuration("mail", default: result.timeouts.mail)
        result.timeouts.recipient = timeouts.positiveDuration("recipient", default: result.timeouts.recipient)
        result.timeouts.data = timeouts.positiveDuration("data", default: result.timeouts.data)
        result.timeouts.block = timeouts.positiveDuration("block", default: result.timeouts.block)
        result.timeouts.endOfData = timeouts.positiveDuration("endOfData", default: result.timeouts.endOfData)
        result.timeouts.quit = timeouts.positiveDuration("quit", default: result.timeouts.quit)
        return result
    }

    func dns() -> DNSConfiguration {
        var result = DNSConfiguration()
        guard let section = self.root.section("dns") else { return result }
        let form = "an address with an optional port, such as \"127.0.0.1@5353\""
        result.servers = section.values("servers", expected: form, Self.server) ?? []
        if section.isEmptyArray("servers") {
            section.report("no server", at: "servers", fix: "name one, or remove the key for those of the system")
        }
        result.usesIPv6 = section.boolean("ipv6", default: result.usesIPv6)
        result.timeLimit = section.positiveDuration("timeout", default: result.timeLimit)
        result.trustAnchor = section.filePath("trustAnchor")
        if let path = result.trustAnchor, let problem = UnboundResolver.problem(ofTrustAnchor: path) {
            section.report(
                "\"\(path)\" \(problem)",
                at: "trustAnchor",
                fix:
                    "name a file of DS or DNSKEY records, such as \"/usr/share/dns/root.key\" of Debian's dns-root-data"
            )
        }
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
