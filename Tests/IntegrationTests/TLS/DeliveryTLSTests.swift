import Foundation
import TestSupport
import Testing

@Suite("RFC 3207 and RFC 7817: TLS on the way out, with next hops of all kinds", .serialized)
struct DeliveryTLSTests {
    /// How a message to one next hop fares.
    struct Row {
        let name: String
        /// `"tls"` of the route; `nil` for none given.
        let policy: String?
        let manner: NextHopServer.Manner
        /// Which certificate the next hop has.
        var certificate = "good"
        /// The next hop as the route names it.
        var host = "localhost"
        var names: [String]?
        /// `tls` or `clear`: how MAIL came; `nil` where it must not.
        let mail: String?
        /// Part of the log line of the outcome.
        let noted: String
    }

    static let rows = [
        Row(name: "standard", policy: nil, manner: .good, mail: "tls", noted: "verified"),
        Row(name: "none", policy: "none", manner: .good, mail: "clear", noted: "tls=none"),
        Row(name: "may", policy: "may", manner: .good, mail: "tls", noted: "TLSv1.3 TLS_AES_256_GCM_SHA384 verified"),
        Row(name: "mayunknown", policy: "may", manner: .good, certificate: "unknown", mail: "tls", noted: "unverified"),
        Row(name: "mayplain", policy: "may", manner: .plain, mail: "clear", noted: "tls=none"),
        Row(name: "mayrefuse", policy: "may", manner: .refuse, mail: "clear", noted: "tls=none"),
        Row(name: "maygarbage", policy: "may", manner: .garbage, mail: "clear", noted: "tls=none"),
        Row(name: "mayclose", policy: "may", manner: .close, mail: "clear", noted: "tls=none"),
        Row(
            name: "encrypt",
            policy: "encrypt",
            manner: .good,
            certificate: "unknown",
            mail: "tls",
            noted: "unverified"
        ),
        Row(name: "encryptplain", policy: "encrypt", manner: .plain, mail: nil, noted: "451 4.7.4"),
        Row(name: "encryptrefuse", policy: "encrypt", manner: .refuse, mail: nil, noted: "451 4.7.4"),
        Row(name: "encryptgarbage", policy: "encrypt", manner: .garbage, mail: nil, noted: "451 4.7.5"),
        Row(name: "encryptclose", policy: "encrypt", manner: .close, mail: nil, noted: "451 4.7.5"),
        Row(name: "encryptinject", policy: "encrypt", manner: .inject, mail: nil, noted: "451 4.7.5"),
        Row(name: "verify", policy: "verify", manner: .good, mail: "tls", noted: "SHA384 verified"),
        Row(name: "verifyaddress", policy: "verify", manner: .good, host: "127.0.0.1", mail: "tls", noted: "verified"),
        Row(
            name: "verifynames",
            policy: "verify",
            manner: .good,
            certificate: "other",
            names: ["other.example"],
            mail: "tls",
            noted: "verified"
        ),
        Row(name: "verifyplain", policy: "verify", manner: .plain, mail: nil, noted: "451 4.7.4"),
        Row(name: "verifywrong", policy: "verify", manner: .good, certificate: "other", mail: nil, noted: "mismatch"),
        Row(name: "verifyunknown", policy: "verify", manner: .good, certificate: "unknown", mail: nil, noted: "issuer"),
        Row(
            name: "verifyexpired",
            policy: "verify",
            manner: .good,
            certificate: "expired",
            mail: nil,
            noted: "expired"
        ),
    ]

    @Test("policies and next hops (S3207-6-01, S7817-3-01)")
    func policies() async throws {
        try await onThread {
            let directory = try TemporaryDirectory()
            guard let authority = try TestAuthority(folder: directory.url.appending(path: "a")),
                let stranger = try TestAuthority(folder: directory.url.appending(path: "b"), name: "Stranger")
            else { return }
            let certificates = [
                "good": try authority.issue("good", names: ["DNS:localhost", "IP:127.0.0.1"]),
                "other": try authority.issue("other", names: ["DNS:other.example"]),
                "expired": try authority.issue("expired", names: ["DNS:localhost"], isExpired: true),
                "unknown": try stranger.issue("unknown", names: ["DNS:localhost"]),
            ]
            var hops: [NextHopServer.Hop] = []
            var routes: [String: Any] = [:]
            var domains: [String: Any] = [:]
            for row in Self.rows {
                guard let certificate = certificates[row.certificate] else { continue }
                let port = try freePort()
                hops.append(.init(manner: row.manner, certificate: certificate, port: port))
                var route: [String: Any] = [
                    "transport": "smtp", "host": row.host, "port": port, "authorities": authority.certificate,
                ]
                if let policy = row.policy { route["tls"] = policy }
                if let names = row.names { route["tlsNames"] = names }
                routes[row.name] = route
                domains["\(row.name).example.org"] = ["route": row.name]
            }
            guard let server = try NextHopServer(folder: directory.url, hops: hops) else { return }
            defer { server.stop() }
            let hub = try HubProcess(
                folder: directory.url,
                more: [
                    "domains": domains, "routes": routes, "defaultRoute": "none",
                    "queue": ["directory": "queue", "retry": ["1h"]],
                ]
            )
            try hub.start()
            let client = try SMTPTestClient(port: hub.port)
            _ = try client.expect("250", "EHLO c.example")
            for row in Self.rows {
                let reply = try client.message(
                    from: "",
                    to: ["bob@\(row.name).example.org"],
                    content: Array("Subject: \(row.name)\r\n\r\nhello\r\n".utf8)
                )
                #expect(reply.hasPrefix("250"))
            }
            client.close()
            for (row, hop) in zip(Self.rows, hops) {
                let line = Self.outcome(of: row.name, in: hub)
                #expect(line?.contains(row.noted) == true, "\(row.name): \(line ?? "no outcome")")
                let heard = server.heard(at: hop)
                let mail = heard.filter { $0.hasSuffix(" MAIL") }
                #expect(mail == [row.mail].compactMap(\.self).map { "\($0) MAIL" }, "\(row.name): \(heard)")
                #expect(row.mail == nil || line?.contains("250 2.0.0 taken") == true, "\(row.name)")
            }
            hub.stop()
        }
    }

    /// Waits for the line that tells what became of the message; at most 30 seconds.
    private static func outcome(of name: String, in hub: HubProcess) -> String? {
        for _ in 0..<1500 {
            let line = hub.log.split(separator: "\n").first {
                ($0.contains("bob@\(name).example.org") && $0.contains("attempt="))
                    || ($0.contains("destination failed") && $0.contains("destination=\(name) "))
            }
            if let line { return String(line) }
            usleep(20_000)
        }
        return nil
    }

    @Test("MX hosts: a policy for the route, others for some domains; the name is that of the MX host")
    func mailExchangers() async throws {
        try await onThread {
            let directory = try TemporaryDirectory()
            let zone =
                "ns A 127.0.0.1\nplain MX 10 mx\nright MX 10 mx\nwrong MX 10 other\nmx A 127.0.0.1\nother A 127.0.0.1\n"
            guard let names = try NameServer(folder: directory.url, zones: ["site.test": zone]),
                let authority = try TestAuthority(folder: directory.url.appending(path: "a"))
            else { return }
            try names.start()
            defer { names.stop() }
            let port = try freePort()
            let certificate = try authority.issue("mx", names: ["DNS:mx.site.test"])
            let hop = NextHopServer.Hop(manner: .good, certificate: certificate, port: port)
            guard let server = try NextHopServer(folder: directory.url, hops: [hop]) else { return }
            defer { server.stop() }
            let hub = try HubProcess(
                folder: directory.url,
                more: [
                    "routes": [
                        "store": ["transport": "maildir", "directory": "maildir"],
                        "internet": [
                            "transport": "smtp", "lookup": "mx", "authorities": authority.certificate, "tls": "none",
                            "tlsDomains": ["right.site.test": "verify", "WRONG.site.test": "verify"],
                        ],
                    ],
                    "defaultRoute": "internet", "dns": ["servers": [names.server]], "delivery": ["port": port],
                    "queue": ["directory": "queue", "retry": ["1h"]],
                ]
            )
            try hub.start()
            let client = try SMTPTestClient(port: hub.port)
            _ = try client.expect("250", "EHLO c.example")
            for (domain, noted) in [("plain", "tls=none"), ("right", "SHA384 verified"), ("wrong", "mismatch")] {
                let reply = try client.message(
                    from: "",
                    to: ["bob@\(domain).site.test"],
                    content: Array("Subject: x\r\n\r\nhello\r\n".utf8)
                )
                #expect(reply.hasPrefix("250"))
                let isNoted = eventually {
                    hub.log.split(separator: "\n").contains { $0.contains("\(domain).site.test") && $0.contains(noted) }
                }
                #expect(isNoted, "\(domain): \(hub.log.suffix(1500))")
            }
            client.close()
            let mail = server.heard(at: hop).filter { $0.hasSuffix(" MAIL") }
            #expect(mail == ["clear MAIL", "tls MAIL"], "none to the wrong host")
            hub.stop()
        }
    }

    @Test("Postfix that takes nothing in the clear: verified, one connection a message, 10 MB")
    func postfix() async throws {
        try await onThread {
            let directory = try TemporaryDirectory()
            guard let authority = try TestAuthority(folder: directory.url.appending(path: "a")) else { return }
            let certificate = try authority.issue("store", names: ["DNS:localhost"])
            guard
                let postfix = try PostfixPeer(
                    folder: directory.url,
                    settings: [
                        "smtpd_tls_security_level = encrypt", "smtpd_tls_cert_file = \(certificate.chain)",
                        "smtpd_tls_key_file = \(certificate.key)", "smtpd_tls_loglevel = 1",
                        "smtpd_tls_received_header = yes", "message_size_limit = 100000000",
                    ]
                )
            else { return }
            try postfix.start()
            defer { postfix.stop() }
            let hub = try HubProcess(
                folder: directory.url,
                route: [
                    "transport": "smtp", "host": "localhost", "port": postfix.port, "tls": "verify",
                    "authorities": authority.certificate,
                ],
                more: ["delivery": ["messagesPerConnection": 1]]
            )
            try hub.start()
            let client = try SMTPTestClient(port: hub.port)
            _ = try client.expect("250", "EHLO c.example")
            var body = ""
            for number in 0..<200_000 { body += "line \(number) of a long message, with some text behind it\r\n" }
            for text in ["small 1\r\n", "small 2\r\n", body] {
                let reply = try client.message(
                    from: "ann@example.net",
                    to: ["bob@example.org"],
                    content: Array("Subject: x\r\n\r\n\(text)".utf8)
                )
                #expect(reply.hasPrefix("250"))
            }
            client.close()
            for _ in 0..<1500 where postfix.messages.count < 3 { usleep(20_000) }
            let messages = postfix.messages
            #expect(messages.count == 3, "\(hub.log.suffix(2000)) \(postfix.log.suffix(2000))")
            #expect(messages.allSatisfy { $0.contains("(using TLSv1.3 with cipher TLS_AES_128_GCM_SHA256") })
            let large = messages.max { $0.utf8.count < $1.utf8.count } ?? ""
            #expect(large.hasSuffix("\n\n" + body.replacingOccurrences(of: "\r\n", with: "\n")))
            let outcomes = hub.log.split(separator: "\n").filter { $0.contains("attempt=") }
            #expect(outcomes.count == 3 && outcomes.allSatisfy { $0.contains("SHA256 verified") })
            hub.stop()
        }
    }

    @Test(
        "Postfix that knows the hub by its certificate: with it mail is taken, without it waits; renewed files are used"
    )
    func clientCertificate() async throws {
        try await onThread {
            let directory = try TemporaryDirectory()
            guard let authority = try TestAuthority(folder: directory.url.appending(path: "a")) else { return }
            let certificate = try authority.issue("store", names: ["DNS:localhost"])
            let first = try authority.issue("hub-first", names: ["DNS:hub.example"])
            let second = try authority.issue("hub-second", names: ["DNS:hub.example"])
            guard
                let postfix = try PostfixPeer(
                    folder: directory.url,
                    settings: [
                        "smtpd_tls_security_level = encrypt", "smtpd_tls_cert_file = \(certificate.chain)",
                        "smtpd_tls_key_file = \(certificate.key)", "smtpd_tls_CAfile = \(authority.certificate)",
                        "smtpd_tls_req_ccert = yes", "smtpd_tls_received_header = yes",
                    ]
                )
            else { return }
            try postfix.start()
            defer { postfix.stop() }
            let files = (chain: directory.url.appending(path: "c.pem"), key: directory.url.appending(path: "k.pem"))
            func write(_ from: TestAuthority.Files) throws {
                try Data(contentsOf: URL(filePath: from.key)).write(to: files.key, options: .atomic)
                try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: files.key.path)
                try Data(contentsOf: URL(filePath: from.chain)).write(to: files.chain, options: .atomic)
            }
            try write(first)
            let route: [String: Any] = [
                "transport": "smtp", "host": "localhost", "port": postfix.port, "tls": "verify",
                "authorities": authority.certificate,
            ]
            let shown = ["chain": files.chain.path, "key": files.key.path]
            let hub = try HubProcess(
                folder: directory.url,
                more: [
                    "domains": ["example.org": ["route": "store"], "unknown.example": ["route": "unknown"]],
                    "routes": ["store": route.merging(["clientCertificate": shown]) { $1 }, "unknown": route],
                    "delivery": ["messagesPerConnection": 1],
                ]
            )
            try hub.start()
            defer { hub.stop() }
            let client = try SMTPTestClient(port: hub.port)
            _ = try client.expect("250", "EHLO c.example")
            func send(_ recipient: String) throws {
                let content = Array("Subject: x\r\n\r\nhello\r\n".utf8)
                let reply = try client.message(from: "ann@example.net", to: [recipient], content: content)
                #expect(reply.hasPrefix("250"))
            }
            let test = try hub.command("tls", "test", "example.org")
            #expect(test.output.contains("\nshows:        CN=hub-first, until "), "\(test.output)")
            try send("bob@unknown.example")
            #expect(eventually { hub.log.contains("to=bob@unknown.example") }, "\(hub.log.suffix(2000))")
            try send("bob@example.org")
            #expect(eventually { postfix.messages.count == 1 }, "\(hub.log.suffix(2000)) \(postfix.log.suffix(2000))")
            try write(second)
            #expect(eventually { hub.log.contains("certificates reloaded") }, "\(hub.log.suffix(2000))")
            try send("bob@example.org")
            #expect(eventually { postfix.messages.count == 2 }, "\(hub.log.suffix(2000)) \(postfix.log.suffix(2000))")
            let names = postfix.messages.map { $0.contains("Client CN \"hub-first\"") ? "first" : "second" }
            #expect(Set(names) == ["first", "second"], "\(postfix.messages)")
            #expect(
                !hub.log.split(separator: "\n").contains { $0.contains("relayed") && $0.contains("unknown.example") }
            )
        }
    }

    /// A next hop that wants to know who the hub is, and how mail to it fares.
    struct KnownRow {
        let name: String
        var user = "hub"
        var password = "s3cret, =word"
        /// Which Postfix: the one with SCRAM, or that without.
        var hasSCRAM = true
        /// How Postfix says that it was told; `nil` where there is no mail for it.
        let method: String?
        let noted: String
    }

    @Test("RFC 4954: authentication to a smart host, Postfix with Dovecot's users: SCRAM where it can, else PLAIN")
    func smartHost() async throws {
        let rows = [
            KnownRow(name: "scram", method: "SCRAM-SHA-256", noted: "250 2.0.0"),
            KnownRow(name: "plain", hasSCRAM: false, method: "PLAIN", noted: "250 2.0.0"),
            KnownRow(name: "wrong", password: "other", method: nil, noted: "451 4.7.8"),
            KnownRow(name: "wrongplain", password: "other", hasSCRAM: false, method: nil, noted: "451 4.7.8"),
            KnownRow(name: "nobody", user: "nobody", method: nil, noted: "451 4.7.8"),
        ]
        try await onThread {
            let directory = try TemporaryDirectory()
            guard let authority = try TestAuthority(folder: directory.url.appending(path: "a")),
                let dovecot = try LMTPStore(folder: directory.url, users: ["hub": "s3cret, =word"])
            else { return }
            let certificate = try authority.issue("store", names: ["DNS:localhost"])
            var smartHosts: [Bool: PostfixPeer] = [:]
            for hasSCRAM in [true, false] {
                let folder = directory.url.appending(path: hasSCRAM ? "p1" : "p2")
                let postfix = try PostfixPeer(
                    folder: folder,
                    settings: [
                        "smtpd_tls_security_level = may", "smtpd_tls_cert_file = \(certificate.chain)",
                        "smtpd_tls_key_file = \(certificate.key)", "smtpd_tls_auth_only = yes",
                        "smtpd_sasl_auth_enable = yes", "smtpd_sasl_type = dovecot",
                        "smtpd_sasl_path = \(dovecot.authenticationSocket)",
                        "smtpd_sasl_mechanism_filter = \(hasSCRAM ? "scram-sha-256, plain" : "plain")",
                        "mynetworks = 192.0.2.0/24", "smtpd_sasl_authenticated_header = yes",
                        "smtpd_relay_restrictions = permit_sasl_authenticated, reject",
                    ]
                )
                guard let postfix else { return }
                smartHosts[hasSCRAM] = postfix
            }
            try dovecot.start()
            defer {
                for postfix in smartHosts.values { postfix.stop() }
                dovecot.stop()
            }
            var routes: [String: Any] = [:]
            var domains: [String: Any] = [:]
            for postfix in smartHosts.values { try postfix.start() }
            for row in rows {
                guard let postfix = smartHosts[row.hasSCRAM] else { continue }
                routes[row.name] = [
                    "transport": "smtp", "host": "localhost", "port": postfix.port,
                    "authorities": authority.certificate,
                    "authentication": ["user": row.user, "password": row.password],
                ]
                domains["\(row.name).example.org"] = ["route": row.name]
            }
            let hub = try HubProcess(
                folder: directory.url,
                more: [
                    "domains": domains, "routes": routes, "defaultRoute": "scram",
                    "queue": ["directory": "queue", "retry": ["1h"]],
                ]
            )
            try hub.start()
            let client = try SMTPTestClient(port: hub.port)
            _ = try client.expect("250", "EHLO c.example")
            for row in rows {
                // The domain decides on the route; the smart host takes example.org.
                let reply = try client.message(
                    from: "",
                    to: ["bob@\(row.name).example.org"],
                    content: Array("Subject: \(row.name)\r\n\r\nhello\r\n".utf8)
                )
                #expect(reply.hasPrefix("250"))
                let line = Self.outcome(of: row.name, in: hub)
                #expect(
                    line?.contains(row.noted) == true,
                    "\(row.name): \(line ?? "no outcome") \(smartHosts[row.hasSCRAM]?.log.suffix(1500) ?? "")"
                )
                #expect(!hub.log.contains("s3cret"))
            }
            client.close()
            for (hasSCRAM, postfix) in smartHosts {
                let methods = postfix.log.split(separator: "\n").compactMap { line in
                    line.firstMatch(of: /sasl_method=([A-Z0-9-]+), sasl_username=hub/).map { String($0.1) }
                }
                #expect(methods == [hasSCRAM ? "SCRAM-SHA-256" : "PLAIN"], "\(postfix.log)")
            }
            hub.stop()
        }
    }

    @Test("S4954-5-01: MAIL says AUTH=<> to a smart host; one that repeats the password does not bring it into the log")
    func afterAuthentication() async throws {
        try await onThread {
            let directory = try TemporaryDirectory()
            guard let authority = try TestAuthority(folder: directory.url.appending(path: "a")) else { return }
            let certificate = try authority.issue("mx", names: ["DNS:localhost"])
            let hops: [NextHopServer.Hop] = try [NextHopServer.Manner.login, .parrot].map {
                NextHopServer.Hop(manner: $0, certificate: certificate, port: try freePort())
            }
            guard let server = try NextHopServer(folder: directory.url, hops: hops) else { return }
            defer { server.stop() }
            var routes: [String: Any] = [:]
            var domains: [String: Any] = [:]
            for hop in hops {
                routes[hop.manner.rawValue] = [
                    "transport": "smtp", "host": "localhost", "port": hop.port, "authorities": authority.certificate,
                    "authentication": ["user": "hub", "password": "s3cret"],
                ]
                domains["\(hop.manner.rawValue).example.org"] = ["route": hop.manner.rawValue]
            }
            let hub = try HubProcess(
                folder: directory.url,
                more: [
                    "domains": domains, "routes": routes, "defaultRoute": "login",
                    "queue": ["directory": "queue", "retry": ["1h"]],
                ]
            )
            try hub.start()
            let client = try SMTPTestClient(port: hub.port)
            _ = try client.expect("250", "EHLO c.example")
            for hop in hops {
                let reply = try client.message(
                    from: "ann@example.net",
                    to: ["bob@\(hop.manner.rawValue).example.org"],
                    content: Array("Subject: x\r\n\r\nhello\r\n".utf8)
                )
                #expect(reply.hasPrefix("250"))
            }
            client.close()
            let refused = Self.outcome(of: "parrot", in: hub)
            #expect(refused?.contains("535 5.7.8") == true, "\(refused ?? hub.log)")
            let password = Data("\u{0}hub\u{0}s3cret".utf8).base64EncodedString()
            #expect(!hub.log.contains(password) && !hub.log.contains("What is"))
            #expect(Self.outcome(of: "login", in: hub)?.contains("250 2.0.0") == true)
            #expect(server.heard(at: hops[0]).contains("tls MAIL AUTH=<>"), "\(server.heard(at: hops[0]))")
            hub.stop()
        }
    }
}
