import Greylisting
import MailHubPlugin
import PluginTestSupport
import Testing

@Suite("RFC 6647: greylisting")
struct GreylistingTests {
    /// Attempts in order, each after a pause; the answer to each.
    struct Story: CustomTestStringConvertible, Sendable {
        struct Attempt: Sendable {
            var after = Duration.zero
            var client = "192.0.2.1"
            var sender = "ann@example.com"
            var recipient = "bob@example.org"
            let answer: String
        }
        let testDescription: String
        var configuration = "{}"
        let attempts: [Attempt]
    }
    static let later = "450 4.7.1"

    @Test(
        "S6647-5-01, S6647-5-02, S6647-5-03: retries",
        arguments: [
            Story(
                testDescription: "a retry after the delay passes, and goes on passing",
                attempts: [
                    .init(answer: later), .init(after: .seconds(299), answer: later),
                    .init(after: .seconds(1), answer: "next"),
                    .init(after: .seconds(35 * 86_400), answer: "next"),
                    .init(after: .seconds(35 * 86_400), answer: "next"),
                    .init(after: .seconds(37 * 86_400), answer: later),
                ]
            ),
            Story(
                testDescription: "a retry after the window is a new message (section 5, item 2)",
                attempts: [
                    .init(answer: later), .init(after: .seconds(2 * 86_400 + 1), answer: later),
                    .init(after: .seconds(300), answer: "next"),
                ]
            ),
            Story(
                testDescription: "an early retry does not prolong the delay or the window",
                configuration: #"{"delay": "10s", "window": "20s", "lifetime": "1m"}"#,
                attempts: [
                    .init(answer: later), .init(after: .seconds(9), answer: later),
                    .init(after: .seconds(12), answer: later),
                    .init(after: .seconds(9), answer: later), .init(after: .seconds(1), answer: "next"),
                ]
            ),
            Story(
                testDescription: "a cluster of senders is one client (section 5, item 5)",
                attempts: [
                    .init(answer: later), .init(after: .seconds(300), client: "192.0.2.254", answer: "next"),
                    .init(client: "192.0.3.1", answer: later), .init(client: "2001:db8::1", answer: later),
                    .init(after: .seconds(300), client: "2001:db8::ffff:0:1", answer: "next"),
                    .init(client: "2001:db8:0:1::1", answer: later),
                ]
            ),
            Story(
                testDescription: "networks as configured",
                configuration: #"{"network": {"ipv4": 32, "ipv6": 48}}"#,
                attempts: [
                    .init(answer: later), .init(after: .seconds(300), client: "192.0.2.2", answer: later),
                    .init(client: "2001:db8:0:1::1", answer: later),
                    .init(after: .seconds(300), client: "2001:db8:0:2::1", answer: "next"),
                ]
            ),
            Story(
                testDescription: "another sender or recipient is another triplet; case does not matter",
                attempts: [
                    .init(answer: later), .init(after: .seconds(300), sender: "eve@example.com", answer: later),
                    .init(recipient: "eve@example.org", answer: later),
                    .init(sender: "ANN@Example.COM", recipient: "BOB@example.ORG", answer: "next"),
                ]
            ),
            Story(
                testDescription: "what lists and signers change in the sender is no difference (section 4.2)",
                attempts: [
                    .init(sender: "list-123-bob=x@lists.example", answer: later),
                    .init(after: .seconds(300), sender: "list-4-bob=x@lists.example", answer: "next"),
                    .init(sender: "prvs=0123abcdef=carl@example.com", answer: later),
                    .init(after: .seconds(300), sender: "prvs=9999aaaaaa=carl+tag@example.com", answer: "next"),
                ]
            ),
            Story(
                testDescription: "a network that has passed often enough is allowed, and forgotten after its lifetime",
                configuration: #"{"allowAfter": 2}"#,
                attempts: [
                    .init(sender: "a@example.com", answer: later), .init(sender: "b@example.com", answer: later),
                    .init(after: .seconds(300), sender: "a@example.com", answer: "next"),
                    .init(sender: "a@example.com", answer: "next"), .init(sender: "c@example.com", answer: later),
                    .init(sender: "b@example.com", answer: "next"), .init(sender: "d@example.com", answer: "next"),
                    .init(client: "198.51.100.1", sender: "d@example.com", answer: later),
                    .init(after: .seconds(20 * 86_400), sender: "e@example.com", answer: "next"),
                    .init(after: .seconds(20 * 86_400), sender: "f@example.com", answer: "next"),
                    .init(after: .seconds(37 * 86_400), sender: "g@example.com", answer: later),
                ]
            ),
            Story(
                testDescription: "without an automatic list every triplet proves itself",
                configuration: #"{"allowAfter": 0}"#,
                attempts: [
                    .init(answer: later), .init(after: .seconds(300), answer: "next"),
                    .init(sender: "b@example.com", answer: later),
                ]
            ),
            Story(
                testDescription: "the table is full: mail is taken rather than deferred for ever",
                configuration: #"{"mostEntries": 2, "allowAfter": 0}"#,
                attempts: [
                    .init(sender: "a@example.com", answer: later), .init(sender: "b@example.com", answer: later),
                    .init(sender: "c@example.com", answer: "next"), .init(sender: "a@example.com", answer: later),
                    .init(after: .seconds(300), sender: "b@example.com", answer: "next"),
                    .init(after: .seconds(3 * 86_400), sender: "c@example.com", answer: later),
                ]
            ),
            Story(
                testDescription: "exemptions",
                configuration: #"""
                    {"exempt": {"networks": ["198.51.100.0/24"], "senderDomains": ["friend.example"],
                     "recipients": ["postmaster", "abuse@example.org", "@open.example.org"]}}
                    """#,
                attempts: [
                    .init(client: "198.51.100.7", answer: "next"), .init(sender: "x@friend.example", answer: "next"),
                    .init(sender: "x@mail.FRIEND.example", answer: "next"),
                    .init(sender: "x@afriend.example", answer: later),
                    .init(recipient: "Postmaster@example.net", answer: "next"),
                    .init(recipient: "ABUSE@example.org", answer: "next"),
                    .init(recipient: "abuse@example.net", answer: later),
                    .init(recipient: "any@open.example.org", answer: "next"),
                ]
            ),
            Story(
                testDescription: "hostile addresses are told apart and kept whole",
                attempts: [
                    .init(sender: #""x@y z"@w.example"#, recipient: "q@example.org", answer: later),
                    .init(
                        after: .seconds(300),
                        sender: "x@y.example",
                        recipient: #""z\"@w q"@example.org"#,
                        answer: later
                    ),
                    .init(sender: "12345@example.com", answer: later),
                    .init(sender: "+@example.com", answer: later),
                    .init(sender: String(repeating: "\u{e9}", count: 32) + "@example.com", answer: later),
                ]
            ),
        ]
    )
    func answers(_ story: Story) async throws {
        let services = TestServices()
        let plugin = try services.make(Greylisting.self, story.configuration)
        for (index, attempt) in story.attempts.enumerated() {
            services.clock.advance(by: attempt.after)
            let outcome = try await plugin.recipient(
                recipient(attempt.recipient),
                transaction(from: attempt.sender),
                session(from: attempt.client)
            )
            #expect(describe(outcome) == attempt.answer, "attempt \(index + 1)")
        }
    }

    @Test(
        "sessions that are spared (section 5, item 7)",
        arguments: [
            (session(), later), (session(isRelayClient: true), "next"), (session(user: "ann"), "next"),
            (session(role: .submission), "next"), (session(role: .lmtp), "next"),
        ]
    )
    func spares(_ session: SessionContext, answer: String) async throws {
        let plugin = try TestServices().make(Greylisting.self, "{}")
        let outcome = try await plugin.recipient(recipient("bob@example.org"), transaction(), session)
        #expect(describe(outcome) == answer)
    }

    @Test("sessions that are not spared when the configuration says so")
    func sparesNobody() async throws {
        let configuration = #"{"exempt": {"relayClients": false, "authenticated": false}}"#
        let plugin = try TestServices().make(Greylisting.self, configuration)
        for session in [session(isRelayClient: true), session(user: "ann")] {
            let outcome = try await plugin.recipient(recipient("bob@example.org"), transaction(), session)
            #expect(describe(outcome) == Self.later)
        }
    }

    @Test(
        "the null reverse-path waits for DATA, so that verifying an address works (section 4.2)",
        arguments: [
            (#"{}"#, ["next", later]), (#"{"nullSender": "rcpt"}"#, [later, "next"]),
            (#"{"nullSender": "exempt"}"#, ["next", "next"]),
        ]
    )
    func nullSender(_ configuration: String, answers: [String]) async throws {
        let services = TestServices()
        let plugin = try services.make(Greylisting.self, configuration)
        func attempt() async throws -> [String] {
            let transaction = transaction(from: "", to: ["bob@example.org"])
            return [
                describe(try await plugin.recipient(recipient("bob@example.org"), transaction, session())),
                describe(try await plugin.data(transaction, session())),
            ]
        }
        #expect(try await attempt() == answers)
        services.clock.advance(by: .seconds(300))
        #expect(try await attempt() == ["next", "next"])
    }

    @Test("DATA does not ask again about other senders")
    func dataAfterRecipient() async throws {
        let plugin = try TestServices().make(Greylisting.self, "{}")
        #expect(describe(try await plugin.data(transaction(to: ["bob@example.org"]), session())) == "next")
    }

    @Test("once one recipient has passed, the transaction has")
    func transactionPasses() async throws {
        let services = TestServices()
        let plugin = try services.make(Greylisting.self, "{}")
        _ = try await plugin.recipient(recipient("a@example.org"), transaction(), session())
        services.clock.advance(by: .seconds(300))
        let retry = transaction()
        #expect(describe(try await plugin.recipient(recipient("b@example.org"), retry, session())) == Self.later)
        #expect(retry.facts[GreylistVerdict.self] == .deferred)
        #expect(describe(try await plugin.recipient(recipient("a@example.org"), retry, session())) == "next")
        #expect(describe(try await plugin.recipient(recipient("c@example.org"), retry, session())) == "next")
        #expect(retry.facts[GreylistVerdict.self] == .passed)
    }

    @Test("an exempt recipient says nothing about the next")
    func exemptRecipient() async throws {
        let plugin = try TestServices().make(Greylisting.self, #"{"exempt": {"recipients": ["postmaster"]}}"#)
        let one = transaction()
        #expect(describe(try await plugin.recipient(recipient("postmaster@example.org"), one, session())) == "next")
        #expect(one.facts[GreylistVerdict.self] == .exempt)
        #expect(describe(try await plugin.recipient(recipient("bob@example.org"), one, session())) == Self.later)
    }

    @Test("what is remembered survives a restart: the store has it all")
    func survivesRestart() async throws {
        let services = TestServices()
        let first = try services.make(Greylisting.self, "{}")
        _ = try await first.recipient(recipient("bob@example.org"), transaction(), session())
        services.clock.advance(by: .seconds(300))
        let second = try services.make(Greylisting.self, "{}")
        #expect(describe(try await second.recipient(recipient("bob@example.org"), transaction(), session())) == "next")
    }

    @Test("a store that cannot be asked is a failure, never a verdict")
    func storeUnavailable() async throws {
        let services = TestServices()
        let plugin = try services.make(Greylisting.self, "{}")
        services.store.fail(with: StoreUnavailable("disk full"))
        await #expect(throws: StoreUnavailable.self) {
            try await plugin.recipient(recipient("bob@example.org"), transaction(), session())
        }
        await #expect(throws: StoreUnavailable.self) {
            try await plugin.data(transaction(from: "", to: ["bob@example.org"]), session())
        }
        services.store.fail(with: nil)
        #expect(
            describe(try await plugin.recipient(recipient("b@example.org"), transaction(), session())) == Self.later
        )
    }

    @Test("an entry that cannot be read counts as none")
    func damagedEntry() async throws {
        let services = TestServices()
        let plugin = try services.make(Greylisting.self, "{}")
        let key = "triplet 192.0.2.0/24 sender@example.com bob@example.org"
        try await services.store.set(data: Array("{".utf8), for: key, expires: nil)
        #expect(
            describe(try await plugin.recipient(recipient("bob@example.org"), transaction(), session())) == Self.later
        )
        services.clock.advance(by: .seconds(300))
        #expect(describe(try await plugin.recipient(recipient("bob@example.org"), transaction(), session())) == "next")
    }

    @Test("what is done is counted")
    func counts() async throws {
        let services = TestServices()
        let plugin = try services.make(Greylisting.self, "{}")
        for pause in [0, 1, 300, 0] {
            services.clock.advance(by: .seconds(pause))
            _ = try await plugin.recipient(recipient("bob@example.org"), transaction(), session())
        }
        _ = try await plugin.recipient(recipient("bob@example.org"), transaction(), session(isRelayClient: true))
        #expect(services.counters.snapshot == ["deferred-new": 1, "deferred-early": 1, "passed": 2, "exempt": 1])
    }

    @Test(
        "What is wrong is told when the hub starts",
        arguments: [
            [#"{"delay": "1m", "window": "1d", "lifetime": "7d", "nullSender": "data", "exempt": {}}"#],
            [#"{"delay": "soon"}"#, #"$.delay: "soon" is not a duration such as "30s", "5m", "1h30m" or "5d""#],
            [#"{"delay": "3d"}"#, "$.delay: no retry could ever come in time"],
            [#"{"lifetime": "1d"}"#, "$.lifetime: what has passed would be forgotten before what waits"],
            [#"{"network": {"ipv4": 33}}"#, "$.network.ipv4: 33 is out of range"],
            [#"{"nullSender": "no"}"#, #"$.nullSender: "no" is not one of "data", "rcpt", "exempt""#],
            [
                #"{"exempt": {"recipients": ["a@b@c"]}}"#,
                #"$.exempt.recipients[0]: "a@b@c" is not an address such as "ann@example.org" or "@example.org", "#
                    + #"or a local part such as "postmaster" for all domains"#,
            ],
            [#"{"exempt": {"network": []}}"#, "$.exempt.network: unknown key"],
            [#"{"dely": "1m"}"#, "$.dely: unknown key"],
        ]
    )
    func tells(_ row: [String]) throws {
        #expect(try TestServices().read(Greylisting.self, row[0]).problems == Array(row.dropFirst()))
    }
}
