import MailHubPlugin

/// Something that happens to a hub, and that its plugins must bear.
struct Situation: Sendable {
    let name: String
    var isLMTP = false
    var isRelay = false
    /// Whether hooks may throw.
    var mayFail = false
    var isStoreDown = false
    var prepare: @Sendable (TestHub) -> Void = { _ in }
    let run: @Sendable (TestHub) async throws -> Void

    static var all: [Situation] { Self.sessions + Self.contents + Self.faults }

    private static let ordinary = "From: a@example.net\r\nSubject: hello\r\n\r\nHi\r\n"

    /// Connects and greets; a plugin may have something against either.
    private static func greeted(_ hub: TestHub, from address: String = "192.0.2.7") async throws -> TestClient {
        let client = try await hub.connect(from: address)
        _ = try await client.send(hub.isLMTP ? "LHLO client.example.net" : "EHLO client.example.net")
        return client
    }

    /// Sends a command, and a short content where it is asked for; whether the session goes on.
    private static func say(_ line: String, _ client: TestClient) async throws -> Bool {
        let reply = try await client.send(line)
        guard reply.hasPrefix("354") else { return !reply.isEmpty }
        await client.send(octets: Array("\(Self.ordinary).\r\n".utf8))
        return try await !client.nextReply().isEmpty
    }

    private static func orders(of commands: [String]) -> [[String]] {
        guard commands.count > 1 else { return [commands] }
        return commands.indices.flatMap { index in
            var rest = commands
            let first = rest.remove(at: index)
            return Self.orders(of: rest).map { [first] + $0 }
        }
    }

    // MARK: Sessions

    private static let sessions: [Situation] = [
        Situation(name: "an ordinary message, delivered") { hub in
            let client = try await Self.greeted(hub)
            _ = try await client.deliver(from: "a@example.net", to: ["ann@example.org"], Self.ordinary)
            for message in try await hub.messages {
                _ = try await hub.deliver(message)
                for result in [DeliveryOutcome.Result.delivered, .deferred, .failed] {
                    let code: ReplyCode = result == .delivered ? 250 : result == .deferred ? 450 : 550
                    await hub.finish(message, result, Reply(code, "text"), host: "mx.example.org")
                }
            }
            _ = try await client.send("QUIT")
        },
        Situation(name: "a client that may relay", isRelay: true) { hub in
            let client = try await Self.greeted(hub)
            _ = try await client.deliver(
                from: "a@example.org",
                to: ["x@example.com", "ann@example.org"],
                Self.ordinary
            )
        },
        Situation(name: "LMTP", isLMTP: true) { hub in
            let client = try await Self.greeted(hub)
            _ = try await client.deliver(
                from: "a@example.net",
                to: ["ann@example.org", "bob@example.org"],
                Self.ordinary
            )
        },
        Situation(name: "commands in every order") { hub in
            let commands = ["EHLO c.example", "MAIL FROM:<a@example.net>", "RCPT TO:<ann@example.org>", "DATA", "RSET"]
            for order in Self.orders(of: commands) {
                let client = try await hub.connect()
                for line in order { guard try await Self.say(line, client) else { break } }
                await client.disconnect()
            }
        },
        Situation(name: "garbage") { hub in
            var noise: UInt64 = 0x9E37_79B9_7F4A_7C15
            for round in 0..<25 {
                let client = try await hub.connect()
                await client.send(octets: Array("EHLO c.example\r\nMAIL FROM:<a@example.net>\r\n".utf8))
                var octets: [UInt8] = []
                for _ in 0..<(round * 80) {
                    noise = noise &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                    octets.append(UInt8(truncatingIfNeeded: noise >> 33))
                }
                await client.send(octets: octets + Array("\r\nRCPT TO:<\u{0}>\r\nRCPT TO:<ann@example.org>\r\n".utf8))
                await client.disconnect()
                try await client.finished()
            }
        },
        Situation(name: "thousands of recipients") { hub in
            let client = try await Self.greeted(hub)
            for round in 0..<2 {
                let lines =
                    ["MAIL FROM:<a@example.net>"]
                    + (0..<1000).map { "RCPT TO:<user\(round * 1000 + $0)@example.org>" } + ["RSET"]
                await client.send(octets: Array(lines.map { "\($0)\r\n" }.joined().utf8))
                for _ in lines { guard try await !client.nextReply().isEmpty else { return } }
            }
        },
        Situation(name: "odd addresses: null sender, UTF-8, quotes, literals, the longest") { hub in
            let client = try await Self.greeted(hub)
            let long = String(repeating: "x", count: 64)
            let label = String(repeating: "y", count: 60)
            let senders = [
                "", "\"a b\"@example.net", "a@[192.0.2.1]", "a@[IPv6:2001:db8::1]", "\(long)@\(label).\(label).example",
                "\u{FC}ser@b\u{FC}cher.example",
            ]
            let recipients = [
                "Postmaster", "\"a b\"@example.org", "\(long)@example.org", "ANN@EXAMPLE.ORG", "ann+tag@example.org",
                "\u{FC}ser@example.org", "%s%n@example.org", "*)(uid=*@example.org", "'--@example.org",
            ]
            for sender in senders {
                let isUTF8 = sender.utf8.contains { $0 > 0x7F }
                for parameter in isUTF8 ? [" SMTPUTF8"] : ["", " SMTPUTF8"] {
                    guard try await Self.say("MAIL FROM:<\(sender)>\(parameter)", client) else { return }
                    for recipient in recipients {
                        guard try await Self.say("RCPT TO:<\(recipient)>", client) else { break }
                    }
                    guard try await Self.say("DATA", client), try await Self.say("RSET", client) else { break }
                }
            }
        },
        Situation(name: "many sessions at a time") { hub in
            try await withThrowingTaskGroup { group in
                for number in 0..<50 {
                    group.addTask {
                        let client = try await Self.greeted(hub, from: "198.51.100.\(number + 1)")
                        for round in 0..<4 {
                            _ = try await client.deliver(
                                from: "a\(number)@example.net",
                                to: ["ann@example.org", "user\(round)@example.org"],
                                Self.ordinary
                            )
                        }
                        await client.disconnect()
                    }
                }
                try await group.waitForAll()
            }
        },
        Situation(name: "the client goes away in the middle", mayFail: true) { hub in
            let steps = [
                "EHLO c.example\r\n", "MAIL FROM:<a@example.net>\r\n", "RCPT TO:<ann@example.org>\r\n", "DATA\r\n",
                "Subject: x\r\n\r\n", "Hi\r\n", ".\r\n",
            ]
            for count in 0...steps.count {
                let client = try await hub.connect(awaitingGreeting: false)
                await client.send(octets: Array(steps.prefix(count).joined().utf8))
                await client.disconnect()
                try await client.finished()
            }
        },
    ]

    // MARK: Contents

    private static func content(_ name: String, _ text: @escaping @Sendable () -> String) -> Situation {
        Situation(name: name) { hub in
            let client = try await Self.greeted(hub)
            let recipients = ["ann@example.org", "bob@example.org"]
            _ = try await client.deliver(from: "a@example.net", to: recipients, text())
            for message in try await hub.messages { _ = try await hub.deliver(message) }
        }
    }

    private static let contents: [Situation] = [
        Self.content("an empty content") { "" },
        Self.content("a content without a header") { "\r\nHi\r\n" },
        Self.content("a content that is a header alone") { "Subject: x\r\n" },
        Self.content("a header that is none") { "no field\r\n : \r\n:\r\nSubject\r\n folded\r\n\r\nHi\r\n" },
        Self.content("a huge header") {
            let fields = (0..<5000).map { "X-Field-\($0): \(String(repeating: "v", count: 40))\r\n" }.joined()
            return "Subject: \(String(repeating: "long ", count: 2000))\r\n\(fields)\r\nHi\r\n"
        },
        Self.content("a header of the same field again and again") {
            String(repeating: "Received: from a by b; Thu, 1 Jan 2026 00:00:00 +0000\r\n", count: 60)
                + String(repeating: "Subject: \u{FC}\r\nFrom: =?utf-8?Q?=FF?= <a@b>\r\n", count: 300) + "\r\nHi\r\n"
        },
        Self.content("a huge content") {
            "Subject: x\r\n\r\n" + String(repeating: "0123456789abcdef\r\n", count: 60_000)
        },
        Self.content("a content of control characters") { "Subject: \u{1}\u{7F}\r\n\r\n\u{0}\u{1B}[2J\u{8}\r\n" },
    ]

    // MARK: Faults

    private static let twoMessages: @Sendable (TestHub) async throws -> Void = { hub in
        for address in ["192.0.2.7", "2001:db8::7"] {
            let client = try await Self.greeted(hub, from: address)
            let recipients = ["ann@example.org", "nobody@example.org"]
            _ = try await client.deliver(from: "a@example.net", to: recipients, Self.ordinary)
            _ = try await client.send("VRFY ann@example.org")
            await client.disconnect()
        }
    }

    private static let faults: [Situation] = [
        Situation(
            name: "the DNS is down",
            prepare: { $0.resolver.setDown(true) },
            run: Self.twoMessages
        ),
        Situation(
            name: "the directory is down",
            prepare: { $0.directory.answer { _ in .unavailable("the conformance suite says so") } },
            run: Self.twoMessages
        ),
        Situation(name: "the store is down", mayFail: true, isStoreDown: true, run: Self.twoMessages),
        Situation(name: "encryption and claims of identity") { hub in
            guard let plugin = hub.plugins.first as? any WatchedPlugin else { return }
            let session = hub.anySession
            for version in ["TLSv1.2", "TLSv1.3", ""] {
                _ = try? await plugin.encrypted(TLSFacts(version: version, cipher: "TLS_AES_256_GCM_SHA384"), session)
            }
            for text in ["", "ann", "ann@example.org", "\u{0}", "*)(uid=*", String(repeating: "x", count: 10_000)] {
                _ = try? await plugin.authenticate(
                    AuthenticationClaim(mechanism: "PLAIN", authenticationIdentity: text, password: text),
                    session
                )
            }
        },
    ]
}

extension TestHub {
    /// Whether clients greet with LHLO.
    var isLMTP: Bool { self.role == .lmtp }

    /// What hooks see of a session, for those that no session calls here.
    var anySession: SessionContext {
        SessionContext(
            identifier: "conformance",
            clientAddress: .ipv4(0xC000_0207),
            listener: "mx",
            role: self.role,
            helloName: "client.example.net",
            isRelayClient: false,
            facts: Facts(),
            logger: self.logger
        )
    }
}
