import MailHubPlugin
import MailHubPluginTesting
import SASL
import SMTP
import Testing
import TransportSecurity

@testable import Reception

/// Finds all passwords wrong, once it is told to.
private actor PasswordGate: PasswordChecking {
    private var waiting: [CheckedContinuation<Bool?, Never>] = []
    private var isOpen = false

    func check(_ claim: PasswordClaim, in accounts: UserAccounts) async -> Bool? {
        guard !self.isOpen else { return false }
        return await withCheckedContinuation { self.waiting.append($0) }
    }

    /// Waits until so many passwords are here, and lets them through, and all later ones.
    func open(after count: Int) async throws {
        while self.waiting.count < count { try await Task.sleep(for: .milliseconds(1)) }
        self.isOpen = true
        for continuation in self.waiting { continuation.resume(returning: false) }
        self.waiting = []
    }
}

@Suite("RFC 4954 and 6409: AUTH, and what submission listeners ask for")
struct AuthenticationTests {
    /// Ann may send as her name, bob as one other address.
    private static func settings(
        clearText: Bool = true,
        senders: SenderRule = .own,
        mechanisms: [SASLMechanism] = SASLMechanism.allCases
    ) throws -> ReceptionSettings {
        var file = UserFile()
        let salt: [UInt8] = Array(repeating: 3, count: 16)
        let keys = try SCRAMKeys(password: "secret", salt: salt, iterations: 4096)
        file.set(.init(name: "ann", keys: keys))
        file.set(.init(name: "bob", keys: keys, addresses: ["sales@example.org"]))
        file.set(.init(name: "cleo@example.org", keys: keys))
        var authentication = AuthenticationSettings()
        authentication.accounts = try UserAccounts(path: "users", file)
        authentication.allowsClearText = clearText
        authentication.senders = senders
        authentication.mechanisms = mechanisms
        return ReceptionSettings(
            host: try #require(Domain("hub.example.org")),
            servedDomains: [try #require(Domain("example.org"))],
            relayNetworks: [],
            postmaster: try #require(Mailbox("postmaster@example.org")),
            hooks: HookChains(),
            authentication: authentication
        )
    }

    private static func client(
        _ settings: ReceptionSettings,
        role: ListenerRole = .submission,
        services: ReceptionServices? = nil,
        from address: IPAddress = .ipv4(0xC000_0207)
    ) async throws -> SessionClient {
        var limits = SessionLimits()
        limits.errors = 100
        let listener = ListenerSettings(name: "s", address: "127.0.0.1", port: 587, role: role, limits: limits)
        let client = try await SessionClient.connect(
            to: SessionClient.Server(
                listener: listener,
                settings: settings,
                services: try services ?? Self.services(),
                rates: ClientRates(),
                client: address
            )
        )
        _ = try await client.reply()
        return client
    }

    private static func services(
        _ failures: AuthenticationFailures = .init(),
        passwords: any PasswordChecking = PasswordsAtOnce()
    ) throws -> ReceptionServices {
        ReceptionServices(
            intake: try RecordingIntake(),
            clock: FrozenClock(),
            logger: .init(label: "test") { _ in SwiftLogNoOpLogHandler() },
            failures: failures,
            passwords: passwords
        )
    }

    private static func say(_ client: SessionClient, _ line: String) async throws -> String {
        await client.send(line)
        return try await client.reply() ?? ""
    }

    private static func plain(_ user: String, _ password: String, as other: String = "") -> String {
        Base64.encode(Array("\(other)\u{0}\(user)\u{0}\(password)".utf8))
    }

    struct Dialogue: CustomTestStringConvertible, Sendable {
        let name: String
        let lines: [(String, String)]
        var testDescription: String { self.name }

        init(_ name: String, _ lines: (String, String)...) { (self.name, self.lines) = (name, lines) }
    }

    private static let right = Self.plain("ann", "secret")
    static let dialogues = [
        Dialogue("S4954-4-10: the initial response", ("AUTH PLAIN \(right)", "235 2.7.0")),
        Dialogue("the mechanism in any case", ("auth plain \(right)", "235 2.7.0")),
        Dialogue("asked for", ("AUTH PLAIN", "334 "), (right, "235 2.7.0")),
        Dialogue(
            "S4954-4-04: LOGIN",
            ("AUTH LOGIN", "334 VXNlcm5hbWU6"),
            ("YW5u", "334 UGFzc3dvcmQ6"),
            ("c2VjcmV0", "235 2.7.0")
        ),
        Dialogue(
            "S4954-4-07: LOGIN with a name, as many clients send it",
            ("AUTH LOGIN YW5u", "334 UGFzc3dvcmQ6"),
            ("c2VjcmV0", "235 2.7.0")
        ),
        Dialogue("S4954-4-11: wrong password", ("AUTH PLAIN \(plain("ann", "Secret"))", "535 5.7.8")),
        Dialogue("the same for nobody", ("AUTH PLAIN \(plain("nobody", "secret"))", "535 5.7.8")),
        Dialogue("acting as oneself", ("AUTH PLAIN \(plain("ann", "secret", as: "ann"))", "235 2.7.0")),
        Dialogue("acting as another", ("AUTH PLAIN \(plain("ann", "secret", as: "bob"))", "535 5.7.8")),
        Dialogue("S4954-4-05: cancelled", ("AUTH PLAIN", "334 "), ("*", "501 5.0.0"), ("NOOP", "250")),
        Dialogue("S4954-4-06: no base64", ("AUTH PLAIN", "334 "), ("a!b=", "501 5.5.2"), ("NOOP", "250")),
        Dialogue("no base64 at once", ("AUTH PLAIN a!b=", "501 5.5.2"), ("NOOP", "250")),
        Dialogue("an empty initial response", ("AUTH PLAIN =", "501 5.5.2"), ("NOOP", "250")),
        Dialogue("no mechanism", ("AUTH", "501")),
        Dialogue("S4954-4-03: an unknown mechanism", ("AUTH CRAM-MD5", "504 5.5.4"), ("NOOP", "250")),
        Dialogue("PLUS without TLS", ("AUTH SCRAM-SHA-256-PLUS", "504 5.5.4")),
        Dialogue("EXTERNAL without a certificate", ("AUTH EXTERNAL =", "504 5.5.4")),
        Dialogue(
            "S4954-4-01: once a session",
            ("AUTH PLAIN \(right)", "235 2.7.0"),
            ("AUTH PLAIN \(right)", "503 5.5.1"),
            ("EHLO c.example", "250-hub.example.org greets c.example"),
            ("AUTH PLAIN \(right)", "503 5.5.1")
        ),
        Dialogue(
            "S4954-4-02: not in a transaction",
            ("AUTH PLAIN \(right)", "235"),
            ("MAIL FROM:<ann@example.org>", "250"),
            ("AUTH PLAIN \(right)", "503 5.5.1")
        ),
        Dialogue(
            "S4954-6-01: before AUTH",
            ("MAIL FROM:<ann@example.org>", "530 5.7.0"),
            ("VRFY ann", "530"),
            ("NOOP", "250")
        ),
        Dialogue(
            "S4954-5-01: AUTH= is taken",
            ("AUTH PLAIN \(right)", "235"),
            ("MAIL FROM:<ann@example.org> AUTH=<>", "250"),
            ("RSET", "250"),
            ("MAIL FROM:<ann@example.org> AUTH=e+3Dmc2@example.com", "250")
        ),
        Dialogue(
            "S4954-4-08: the longest line",
            ("AUTH PLAIN", "334 "),
            (String(repeating: "A", count: 12284), "501 5.5.2"),
            ("AUTH PLAIN", "334 "),
            (String(repeating: "A", count: 12287), "500 5.5.6"),
            ("NOOP", "250")
        ),
        Dialogue(
            "S6409-4.2-01: own addresses, fully qualified",
            ("AUTH PLAIN \(right)", "235"),
            ("MAIL FROM:<Ann@EXAMPLE.org>", "250"),
            ("RSET", "250"),
            ("MAIL FROM:<bob@example.org>", "553 5.7.1"),
            ("MAIL FROM:<ann@example.net>", "553 5.7.1"),
            ("MAIL FROM:<ann@example>", "553 5.1.7"),
            ("MAIL FROM:<>", "250"),
            ("RCPT TO:<x@elsewhere.example>", "250")
        ),
        Dialogue(
            "addresses of the file",
            ("AUTH PLAIN \(plain("bob", "secret"))", "235"),
            ("MAIL FROM:<bob@example.org>", "553 5.7.1"),
            ("MAIL FROM:<sales@example.org>", "250")
        ),
        Dialogue(
            "S5321-5.1-03: a name that is an address; partial domains are refused",
            ("AUTH PLAIN \(plain("cleo@example.org", "secret"))", "235"),
            ("MAIL FROM:<cleo@example.org>", "250"),
            ("RCPT TO:<partial>", "501"),
            ("RCPT TO:<x@partial>", "550 5.1.2")
        ),
    ]

    @Test(arguments: Self.dialogues)
    func dialogue(_ dialogue: Dialogue) async throws {
        let client = try await Self.client(Self.settings())
        _ = try await Self.say(client, "EHLO c.example")
        for (line, wanted) in dialogue.lines {
            let reply = try await Self.say(client, line)
            #expect(reply.hasPrefix(wanted), "\(line): \(reply)")
        }
        await client.disconnect()
        try await client.finished()
    }

    @Test("S4954-4-09, S8314-4.1-01: no password in the clear, and no word about it")
    func clearText() async throws {
        let client = try await Self.client(Self.settings(clearText: false))
        let welcome = try await Self.say(client, "EHLO c.example")
        #expect(welcome.contains("AUTH SCRAM-SHA-256"))
        #expect(!welcome.contains("PLAIN") && !welcome.contains("LOGIN"))
        for password in ["secret", "wrong"] {
            let reply = try await Self.say(client, "AUTH PLAIN \(Self.plain("ann", password))")
            #expect(reply == "538 5.7.11 Encryption required for this mechanism: send STARTTLS")
        }
    }

    @Test("S4954-3-01: other listeners offer no AUTH", arguments: [ListenerRole.mx])
    func otherRoles(_ role: ListenerRole) async throws {
        let client = try await Self.client(Self.settings(), role: role)
        #expect(try await !Self.say(client, "EHLO c.example").contains("AUTH"))
        #expect(try await Self.say(client, "AUTH PLAIN \(Self.right)").hasPrefix("502"))
    }

    @Test("before EHLO, and after HELO")
    func hello() async throws {
        let client = try await Self.client(Self.settings())
        #expect(try await Self.say(client, "AUTH PLAIN \(Self.right)").hasPrefix("503"))
        _ = try await Self.say(client, "HELO c.example")
        #expect(try await Self.say(client, "AUTH PLAIN \(Self.right)").hasPrefix("503"))
    }

    @Test(
        "which senders: the rule",
        arguments: [
            (SenderRule.own, "553"), (.domains, "250"), (.any, "250"),
        ]
    )
    func rules(_ rule: SenderRule, _ wanted: String) async throws {
        let client = try await Self.client(Self.settings(senders: rule))
        _ = try await Self.say(client, "EHLO c.example")
        _ = try await Self.say(client, "AUTH PLAIN \(Self.right)")
        #expect(try await Self.say(client, "MAIL FROM:<bob@example.org>").hasPrefix(wanted))
        _ = try await Self.say(client, "RSET")
        let other = try await Self.say(client, "MAIL FROM:<x@elsewhere.example>")
        #expect(other.hasPrefix(rule == .any ? "250" : "553"))
    }

    /// Sends a wrong password for ann, up to where the verdict is due.
    private static func guess(_ mechanism: SASLMechanism, _ client: SessionClient) async throws {
        guard mechanism == .scramSHA256 else {
            await client.send("AUTH PLAIN \(Self.plain("ann", "guess"))")
            return
        }
        await client.send(try await Self.proof(of: "guess", client))
    }

    /// Begins SCRAM-SHA-256 as ann.
    ///
    /// - Returns: the line that shows a password.
    private static func proof(of password: String, _ client: SessionClient) async throws -> String {
        var scram = SCRAMClient(user: "ann", nonce: Array("abcdefgh".utf8))
        let challenge = try await Self.say(client, "AUTH SCRAM-SHA-256 \(Base64.encode(scram.first))")
        let octets = try #require(Base64.decode(challenge.dropFirst(4).utf8))
        let (salt, iterations) = try scram.challenged(by: octets)
        let salted = try Digest.pbkdf2SHA256(password: Array(password.utf8), salt: salt, iterations: iterations)
        return Base64.encode(try scram.answer(salted: salted))
    }

    @Test("once an account is locked, a right proof is not told from a wrong one", arguments: ["secret", "guess"])
    func lockedProof(_ password: String) async throws {
        let failures = AuthenticationFailures()
        let client = try await Self.client(Self.settings(), services: Self.services(failures))
        _ = try await Self.say(client, "EHLO c.example")
        let proof = try await Self.proof(of: password, client)
        for host in 1...AuthenticationFailures.mostOfAccount {
            _ = failures.failed("ann", from: .ipv4(UInt32(host)), at: FrozenClock().now)
        }
        #expect(try await Self.say(client, proof).hasPrefix("454 4.7.0"))
    }

    @Test("attempts at once get no further than one after the other; right ones wait for their turn")
    func attemptsAtOnce() async throws {
        let failures = AuthenticationFailures()
        let clock = FrozenClock()
        func admit(_ account: String?, _ address: UInt32) async -> AuthenticationFailures.Attempt? {
            await failures.admit(account, from: .ipv4(address), clock: clock)
        }
        // The account, from many networks.
        var pending: [AuthenticationFailures.Attempt] = []
        for host in 1...AuthenticationFailures.mostOfAccount {
            pending.append(try #require(await admit("ann", UInt32(host))))
        }
        let others = try #require(await admit("bob", 1))
        async let eleventh = admit("Ann", 99)
        for (host, attempt) in pending.enumerated() {
            _ = failures.failed("ann", from: .ipv4(UInt32(host + 1)), at: clock.now)
            failures.release(attempt)
        }
        #expect(await eleventh == nil)
        failures.release(others)
        // Right passwords, each of which makes room for another.
        pending = []
        for host in 1...AuthenticationFailures.mostOfAccount {
            pending.append(try #require(await admit("cleo", UInt32(host << 8))))
        }
        async let next = admit("cleo", 1)
        failures.release(pending.removeFirst())
        failures.release(try #require(await next))
        // A network, with many names and with none.
        pending = []
        for number in 1...AuthenticationFailures.mostOfNetwork {
            pending.append(try #require(await admit(number.isMultiple(of: 2) ? "u\(number)" : nil, 77)))
        }
        async let late = admit(nil, 77)
        for attempt in pending {
            _ = failures.failed(nil, from: .ipv4(77), at: clock.now)
            failures.release(attempt)
        }
        #expect(await late == nil)
    }

    @Test("a flood of guesses at once is answered 535 no more often than the limit allows")
    func flood() async throws {
        let failures = AuthenticationFailures()
        let settings = try Self.settings()
        let gate = PasswordGate()
        let services = try Self.services(failures, passwords: gate)
        var clients: [SessionClient] = []
        for host in 0..<45 {
            let client = try await Self.client(settings, services: services, from: .ipv4(UInt32(host << 8 | 1)))
            _ = try await Self.say(client, "EHLO c.example")
            await client.send("AUTH PLAIN \(Self.plain("ann", "guess"))")
            clients.append(client)
        }
        try await gate.open(after: AuthenticationFailures.mostOfAccount)
        var replies: [String: Int] = [:]
        for client in clients {
            try await client.advance(seconds: 8)
            replies[String(try await client.reply()?.prefix(3) ?? ""), default: 0] += 1
        }
        #expect(replies == ["535": AuthenticationFailures.mostOfAccount, "454": 35])
    }

    @Test(
        "guessing: slower, then locked, for nobody else; the owner's own network is not locked out",
        arguments: [SASLMechanism.plain, .scramSHA256]
    )
    func guessing(_ mechanism: SASLMechanism) async throws {
        let failures = AuthenticationFailures()
        let settings = try Self.settings()
        let home = IPAddress.ipv4(0xC633_6401)
        let owner = try await Self.client(settings, services: Self.services(failures), from: home)
        _ = try await Self.say(owner, "EHLO c.example")
        #expect(try await Self.say(owner, "AUTH PLAIN \(Self.right)").hasPrefix("235"))
        for host in 0..<5 {
            let client = try await Self.client(
                settings,
                services: Self.services(failures),
                from: .ipv4(0xC000_0200 + UInt32(host))
            )
            _ = try await Self.say(client, "EHLO c.example")
            for _ in 0..<2 {
                try await Self.guess(mechanism, client)
                try await client.advance(seconds: 8)  // the longest delay
                #expect(try await client.reply()?.hasPrefix("535") == true)
            }
        }
        let stranger = try await Self.client(settings, services: Self.services(failures), from: .ipv4(0xC000_02F0))
        _ = try await Self.say(stranger, "EHLO c.example")
        #expect(try await Self.say(stranger, "AUTH PLAIN \(Self.right)").hasPrefix("454 4.7.0"))
        let first = Base64.encode(Array("n,,n=ann,r=abcdefgh".utf8))
        #expect(try await Self.say(stranger, "AUTH SCRAM-SHA-256 \(first)").hasPrefix("454 4.7.0"))
        let again = try await Self.client(settings, services: Self.services(failures), from: home)
        _ = try await Self.say(again, "EHLO c.example")
        #expect(try await Self.say(again, "AUTH PLAIN \(Self.right)").hasPrefix("235"))
    }

    @Test("a right password forgives the failures of its account from that network, and nobody else's")
    func forgiveness() {
        let failures = AuthenticationFailures()
        let office = IPAddress.ipv4(0xC633_6401)
        let now = Timestamp(milliseconds: 0)
        failures.succeeded("ann", from: office, at: now)
        for number in 1...AuthenticationFailures.mostOfNetwork {
            #expect(!failures.areTooMany(of: office, at: now))
            // From the tenth on, the account is locked here too, though it was used from here.
            #expect(
                failures.areTooMany(of: "ann", from: office, at: now) == (number > AuthenticationFailures.mostOfAccount)
            )
            _ = failures.failed("ann", from: office, at: now)
            _ = failures.failed("bob", from: office, at: now)
            failures.succeeded("bob", from: office, at: now)
        }
        #expect(failures.areTooMany(of: office, at: now))
        #expect(!failures.areTooMany(of: "bob", from: office, at: now))
        failures.succeeded("ann", from: office, at: now)
        #expect(!failures.areTooMany(of: office, at: now))
        #expect(!failures.areTooMany(of: "ann", from: office, at: now))
    }

    @Test("failures are counted by network and account, delays grow to a limit, and all is forgotten in time")
    func failureCounts() {
        let failures = AuthenticationFailures()
        let address = IPAddress.ipv4(1)
        var now = Timestamp(milliseconds: 0)
        let delays = (0..<40).map { failures.failed("user\($0)", from: address, at: now).components.seconds + 0 }
        #expect(Array(delays.prefix(8)) == [0, 0, 1, 2, 4, 8, 8, 8])
        #expect(delays.max() == 8)
        #expect(failures.areTooMany(of: address, at: now))
        #expect(!failures.areTooMany(of: .ipv4(2), at: now))
        now = now + .seconds(601)
        #expect(!failures.areTooMany(of: address, at: now))
        for number in 0..<50_000 { _ = failures.failed("u\(number)", from: .ipv4(UInt32(number)), at: now) }
        #expect(!failures.areTooMany(of: "u1", from: .ipv4(1), at: now))
    }
}
