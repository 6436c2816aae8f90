import Greylisting
import MailHubPlugin
import MailHubPluginTesting
import Synchronization
import Testing

/// Answers as it is told.
private final class Doorkeeper: AuthenticationHook, SenderHook {
    enum Answer { case say(AuthenticationOutcome), fail, hang }
    private let answer: Answer
    private let seen = Mutex<[String]>([])

    init(_ answer: Answer) { self.answer = answer }
    init(configuration: ConfigurationSection, services: PluginServices) { self.answer = .fail }

    var notes: [String] { self.seen.withLock { $0 } }

    struct Broken: Error {}

    func authenticate(_ claim: AuthenticationClaim, _ session: SessionContext) async throws -> AuthenticationOutcome {
        let acting = claim.authorizationIdentity ?? ""
        self.seen.withLock {
            $0.append("\(claim.mechanism) \(acting)/\(claim.authenticationIdentity) \(claim.password ?? "-")")
        }
        switch self.answer {
        case .say(let outcome): return outcome
        case .fail: throw Broken()
        case .hang:
            try await Task.sleep(for: .seconds(3600))
            return .next
        }
    }

    func sender(_ transaction: TransactionContext, _ session: SessionContext) async throws -> SenderOutcome {
        self.seen.withLock { $0.append("mail by \(session.authenticatedIdentity ?? "nobody")") }
        return .next
    }
}

@Suite("The stage authentication: S6409-4.3-01, S6409-8-01")
struct AuthenticationStageTests {
    struct Row: CustomTestStringConvertible, Sendable {
        let first: AuthenticationOutcome
        let second: AuthenticationOutcome
        let reply: String
        let asked: Int
        var testDescription: String { "\(self.first), \(self.second)" }
    }

    private static func hub(
        _ plugins: [Doorkeeper],
        ignoresFailure: Bool = false,
        users: [String: String] = [:]
    ) throws -> TestHub {
        var listener = TestHub.Listener()
        listener.role = .submission
        listener.users = users
        return try TestHub(
            plugins.enumerated().map { index, plugin in
                TestHub.Plugin(named: "Doorkeeper\(index)", ignoresFailure: ignoresFailure) { _, _ in plugin }
            },
            listener: listener
        )
    }

    private static func greeted(_ hub: TestHub) async throws -> TestClient {
        let client = try await hub.connect()
        _ = try await client.send("EHLO client.example.net")
        return client
    }

    static let rows = [
        Row(first: .next, second: .accept(identity: "ann"), reply: "235 2.7.0", asked: 2),
        Row(first: .accept(identity: "ann"), second: .reject("no"), reply: "235 2.7.0", asked: 1),
        Row(first: .next, second: .next, reply: "535 5.7.8", asked: 2),
        Row(first: .reject("no"), second: .accept(identity: "ann"), reply: "535 5.7.8", asked: 1),
        Row(first: .unavailable("down"), second: .accept(identity: "ann"), reply: "454 4.7.0", asked: 1),
    ]

    @Test("each plugin's answer reaches the client, in the order of the configuration", arguments: Self.rows)
    func answers(_ row: Row) async throws {
        let plugins = [Doorkeeper(.say(row.first)), Doorkeeper(.say(row.second))]
        let client = try await Self.greeted(Self.hub(plugins))
        #expect(try await client.authenticate(as: "ann", password: "secret").hasPrefix(row.reply))
        let asked = plugins.flatMap(\.notes)
        #expect(asked == Array(repeating: "PLAIN /ann secret", count: row.asked))
    }

    @Test(
        "who has shown who it is: a plugin may still refuse it, or let it act as another",
        arguments: [
            (AuthenticationOutcome.next, "235", "ann"), (.accept(identity: "boss"), "235", "boss"),
            (.reject("suspended"), "535", nil), (.unavailable("down"), "454", nil),
        ] as [(AuthenticationOutcome, String, String?)]
    )
    func shown(_ outcome: AuthenticationOutcome, _ reply: String, _ identity: String?) async throws {
        let plugin = Doorkeeper(.say(outcome))
        let client = try await Self.greeted(Self.hub([plugin], users: ["ann": "secret"]))
        #expect(try await client.authenticateWithSCRAM(as: "ann", password: "wrong").hasPrefix("535 5.7.8"))
        #expect(plugin.notes.isEmpty)
        #expect(try await client.authenticateWithSCRAM(as: "ann", password: "secret").hasPrefix(reply))
        _ = try await client.send("MAIL FROM:<>")
        #expect(plugin.notes == ["SCRAM-SHA-256 /ann -"] + (identity.map { ["mail by \($0)"] } ?? []))
    }

    @Test("who was accepted is known at all later stages, and may relay; nobody else may send")
    func identity() async throws {
        let plugin = Doorkeeper(.say(.accept(identity: "ann")))
        let hub = try Self.hub([plugin])
        let client = try await Self.greeted(hub)
        #expect(try await client.send("MAIL FROM:<ann@example.org>") == "530 5.7.0 Authentication required")
        _ = try await client.authenticate(as: "x", password: "y")
        let reply = try await client.deliver(
            from: "ann@example.org",
            to: ["z@example.com"],
            "Subject: hi\r\n\r\nHi\r\n"
        )
        #expect(reply.hasPrefix("250"), "\(reply)")
        #expect(plugin.notes.last == "mail by ann")
        let message = try #require(try await hub.messages.first)
        #expect(String(decoding: message.octets, as: UTF8.self).contains("with ESMTPA id"))
        #expect(String(decoding: message.octets, as: UTF8.self).contains("\r\nDate: "))
        #expect(String(decoding: message.octets, as: UTF8.self).contains("\r\nMessage-ID: <"))
    }

    @Test("S6647-5-04: who is authenticated is not greylisted, with nothing configured for that")
    func greylisting() async throws {
        var listener = TestHub.Listener()
        listener.role = .submission
        let keeper = Doorkeeper(.say(.accept(identity: "ann")))
        let hub = try TestHub(
            [TestHub.Plugin(named: "Doorkeeper") { _, _ in keeper }, TestHub.Plugin(Greylisting.self)],
            listener: listener
        )
        let client = try await Self.greeted(hub)
        _ = try await client.authenticate(as: "ann", password: "x")
        let reply = try await client.deliver(
            from: "ann@example.org",
            to: ["z@example.com"],
            "Subject: hi\r\n\r\nHi\r\n"
        )
        #expect(reply.hasPrefix("250"), "\(reply)")
    }

    @Test("a plugin that fails or hangs: as the configuration says", arguments: [false, true])
    func failure(ignores: Bool) async throws {
        let client = try await Self.greeted(Self.hub([Doorkeeper(.fail)], ignoresFailure: ignores))
        #expect(try await client.authenticate(as: "ann", password: "x").hasPrefix(ignores ? "535 5.7.8" : "454 4.7.0"))
        let hanging = Doorkeeper(.hang)
        let hub = try Self.hub([hanging], ignoresFailure: ignores)
        let other = try await Self.greeted(hub)
        async let reply = other.authenticate(as: "ann", password: "x")
        while hanging.notes.isEmpty { try await Task.sleep(for: .milliseconds(5)) }
        await hub.advance(by: .seconds(11))
        #expect(try await reply.hasPrefix(ignores ? "535 5.7.8" : "454 4.7.0"))
    }
}
