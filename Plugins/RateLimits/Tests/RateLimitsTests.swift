import MailHubPlugin
import PluginTestSupport
import RateLimits
import Testing

@Suite("Rate limits: token buckets (RFC 3463 section 3.8)")
struct RateLimitsTests {
    /// One MAIL or RCPT, and its answer; `count` of them have the same answer.
    struct Command: Sendable {
        var after = Duration.zero
        var client = "192.0.2.1"
        var user: String?
        var isRelayClient = false
        var listener = "mx"
        var sender = "ann@example.com"
        /// `nil` for MAIL.
        var recipient: String?
        var count = 1
        var answer = "next"
    }
    struct Story: CustomTestStringConvertible, Sendable {
        let testDescription: String
        let limits: String
        var more = ""
        let commands: [Command]
    }

    @Test(arguments: [
        Story(
            testDescription: "a client has its burst at once, then the rate",
            limits: #"{"by": "client", "messages": 6, "per": "1m", "burst": 3}"#,
            commands: [
                .init(count: 3), .init(answer: "451 4.7.1"), .init(client: "192.0.2.200", answer: "451 4.7.1"),
                .init(client: "192.0.3.1", count: 3), .init(after: .seconds(9), answer: "451 4.7.1"),
                .init(after: .seconds(1)), .init(answer: "451 4.7.1"), .init(after: .seconds(86_400), count: 3),
                .init(answer: "451 4.7.1"), .init(recipient: "bob@example.org", count: 50),
            ]
        ),
        Story(
            testDescription: "without a burst, a period's tokens can be saved",
            limits: #"{"by": "client", "messages": 2, "per": "1h"}"#,
            commands: [
                .init(count: 2), .init(answer: "451 4.7.1"), .init(after: .seconds(1800)), .init(answer: "451 4.7.1"),
            ]
        ),
        Story(
            testDescription: "an IPv6 client is its /64",
            limits: #"{"by": "client", "messages": 1}"#,
            commands: [
                .init(client: "2001:db8::1"), .init(client: "2001:db8::2", answer: "451 4.7.1"),
                .init(client: "2001:db8:0:1::1"),
            ]
        ),
        Story(
            testDescription: "networks as configured",
            limits: #"{"by": "client", "messages": 1}"#,
            more: #", "network": {"ipv4": 32, "ipv6": 32}"#,
            commands: [
                .init(client: "2001:db8::1"), .init(client: "2001:db8:1::2", answer: "451 4.7.1"), .init(),
                .init(client: "192.0.2.2"),
            ]
        ),
        Story(
            testDescription: "recipients of a client are counted at RCPT",
            limits: #"{"by": "client", "recipients": 2, "action": "reject"}"#,
            commands: [
                .init(count: 9), .init(recipient: "a@example.org"), .init(recipient: "b@example.org"),
                .init(recipient: "c@example.org", answer: "550 5.7.1"), .init(),
            ]
        ),
        Story(
            testDescription: "a recipient gets so many messages, from whomever",
            limits: #"{"by": "recipient", "messages": 1}"#,
            commands: [
                .init(recipient: "a@example.org"),
                .init(client: "198.51.100.1", recipient: "A@EXAMPLE.org", answer: "450 4.7.1"),
                .init(recipient: "b@example.org"),
            ]
        ),
        Story(
            testDescription: "a recipient domain",
            limits: #"{"by": "recipientDomain", "recipients": 1}"#,
            commands: [
                .init(recipient: "a@example.org"), .init(recipient: "b@Example.org", answer: "450 4.7.1"),
                .init(recipient: "b@example.net"),
            ]
        ),
        Story(
            testDescription: "a sender; the null reverse-path has no limit",
            limits: #"{"by": "sender", "messages": 1, "action": "reject"}"#,
            commands: [
                .init(), .init(client: "198.51.100.1", sender: "ANN@Example.COM", answer: "550 5.7.1"),
                .init(sender: "bob@example.com"), .init(sender: "", count: 5),
            ]
        ),
        Story(
            testDescription: "a sender domain",
            limits: #"{"by": "senderDomain", "messages": 1}"#,
            commands: [
                .init(), .init(sender: "bob@EXAMPLE.com", answer: "451 4.7.1"), .init(sender: "bob@example.net"),
                .init(sender: "bob@[192.0.2.1]"), .init(sender: "ann@[192.0.2.1]", answer: "451 4.7.1"),
                .init(sender: "", count: 5),
            ]
        ),
        Story(
            testDescription: "a user, wherever they are",
            limits: #"{"by": "user", "messages": 1}"#,
            commands: [
                .init(user: "ann"), .init(client: "198.51.100.1", user: "ann", answer: "451 4.7.1"),
                .init(user: "bob"), .init(count: 3), .init(isRelayClient: true, count: 3),
            ]
        ),
        Story(
            testDescription: "a listener",
            limits: #"{"by": "listener", "messages": 1}"#,
            commands: [.init(), .init(client: "198.51.100.1", answer: "451 4.7.1"), .init(listener: "mx2")],
        ),
        Story(
            testDescription: "only the listeners that are named",
            limits: #"{"by": "client", "messages": 1, "listeners": ["mx2"]}"#,
            commands: [.init(count: 3), .init(listener: "mx2"), .init(listener: "mx2", answer: "451 4.7.1")],
        ),
        Story(
            testDescription: "relay clients and users are spared unless a limit is theirs",
            limits: #"{"by": "client", "messages": 1}, {"by": "client", "messages": 2, "clients": "relay"}"#,
            commands: [
                .init(isRelayClient: true, count: 2), .init(isRelayClient: true, answer: "451 4.7.1"), .init(),
                .init(answer: "451 4.7.1"), .init(user: "ann", count: 5),
            ]
        ),
        Story(
            testDescription: "a limit for all",
            limits: #"{"by": "client", "messages": 2, "clients": "all"}"#,
            commands: [.init(isRelayClient: true), .init(user: "ann"), .init(answer: "451 4.7.1")],
        ),
        Story(
            testDescription: "what one limit refuses takes no token of another",
            limits: #"""
                {"by": "senderDomain", "messages": 2}, {"by": "sender", "messages": 1, "action": "reject"}
                """#,
            commands: [
                .init(), .init(count: 3, answer: "550 5.7.1"), .init(sender: "bob@example.com"),
                .init(sender: "carl@example.com", answer: "451 4.7.1"),
            ]
        ),
        Story(
            testDescription: "exemptions",
            limits: #"{"by": "client", "messages": 1}, {"by": "client", "recipients": 1}"#,
            more: #", "exempt": {"networks": ["198.51.100.0/24"], "senderDomains": ["friend.example"], "#
                + #""recipients": ["postmaster"]}"#,
            commands: [
                .init(client: "198.51.100.1", count: 3), .init(sender: "x@sub.friend.example", count: 3),
                .init(recipient: "postmaster@example.org", count: 3), .init(), .init(answer: "451 4.7.1"),
            ]
        ),
        Story(
            testDescription: "bounded: keys that were used once are forgotten, who has used most is not",
            limits: #"{"by": "sender", "messages": 2}"#,
            more: #", "mostEntries": 4"#,
            commands: [.init(count: 2)]
                + (0..<100).map { .init(sender: "\($0)@example.com") }
                + [.init(answer: "451 4.7.1"), .init(sender: "57@example.com", count: 2)]
        ),
    ])
    func answers(_ story: Story) async throws {
        let services = TestServices()
        let plugin = try services.make(RateLimits.self, #"{"limits": [\#(story.limits)]\#(story.more)}"#)
        for (index, command) in story.commands.enumerated() {
            services.clock.advance(by: command.after)
            let session = session(
                from: command.client,
                listener: command.listener,
                isRelayClient: command.isRelayClient,
                user: command.user
            )
            for _ in 0..<command.count {
                let transaction = transaction(from: command.sender)
                let answer =
                    if let address = command.recipient {
                        describe(try await plugin.recipient(recipient(address), transaction, session))
                    } else { describe(try await plugin.sender(transaction, session)) }
                #expect(answer == command.answer, "command \(index + 1)")
            }
        }
    }

    @Test("a clock that is set back gives nothing and takes nothing")
    func clockSetBack() async throws {
        let services = TestServices()
        let plugin = try services.make(RateLimits.self, #"{"limits": [{"by": "client", "messages": 2}]}"#)
        #expect(describe(try await plugin.sender(transaction(), session())) == "next")
        services.clock.advance(by: .seconds(-86_400))
        #expect(describe(try await plugin.sender(transaction(), session())) == "next")
        #expect(describe(try await plugin.sender(transaction(), session())) == "451 4.7.1")
        #expect(services.counters.snapshot == ["deferred": 1])
    }

    @Test("many sessions at once take exactly the burst")
    func concurrentSessions() async throws {
        let services = TestServices()
        let plugin = try services.make(RateLimits.self, #"{"limits": [{"by": "client", "messages": 100}]}"#)
        let taken = try await withThrowingTaskGroup(of: Bool.self) { group in
            for _ in 0..<500 {
                group.addTask { describe(try await plugin.sender(transaction(), session())) == "next" }
            }
            return try await group.reduce(0) { $0 + ($1 ? 1 : 0) }
        }
        #expect(taken == 100)
    }

    @Test("the operator sees who has used most, and can reset it")
    func operates() async throws {
        let services = TestServices()
        let limits = #"[{"name": "hourly", "by": "sender", "messages": 3}, {"by": "client", "recipients": 5}]"#
        let plugin = try services.make(RateLimits.self, #"{"limits": \#(limits)}"#)
        for sender in ["a@example.com", "b@example.com", "b@example.com"] {
            _ = try await plugin.sender(transaction(from: sender), session())
        }
        _ = try await plugin.recipient(recipient("bob@example.org"), transaction(), session())
        let list = try await plugin.operate(OperatorRequest(verb: "list"))
        #expect(
            list.rows == [
                ["hourly", "b@example.com", "1 of 3"], ["hourly", "a@example.com", "2 of 3"],
                ["client-2", "192.0.2.0/24", "4 of 5"],
            ]
        )
        let reset = OperatorRequest(verb: "reset", arguments: ["b@example.com"])
        #expect(try await plugin.operate(reset).lines == ["reset in 1 limit"])
        await #expect(throws: OperatorMistake.self) { try await plugin.operate(reset) }
        await #expect(throws: OperatorMistake.self) { try await plugin.operate(OperatorRequest(verb: "x")) }
        let short = OperatorRequest(verb: "list", options: ["limit": "1"])
        #expect(try await plugin.operate(short).rows.count == 2)
    }

    @Test(
        "What is wrong is told when the hub starts",
        arguments: [
            [
                #"{"limits": [{"by": "client", "messages": 1, "per": "1m", "burst": 5, "action": "reject", "name": "a"}]}"#
            ],
            [#"{}"#, "$.limits: no limit is set"],
            [#"{"limits": [{"by": "client"}]}"#, "$.limits[0].messages: a limit counts either messages or recipients"],
            [
                #"{"limits": [{"by": "client", "messages": 1, "recipients": 1}]}"#,
                "$.limits[0].recipients: a limit counts either messages or recipients",
            ],
            [#"{"limits": [{"messages": 1}]}"#, "$.limits[0].by: missing"],
            [#"{"limits": [{"by": "client", "messages": 0}]}"#, "$.limits[0].messages: 0 is out of range"],
            [#"{"limits": [{"by": "client", "messages": 1, "per": "0s"}]}"#, "$.limits[0].per: a period of nothing"],
            [
                #"{"limits": [{"by": "client", "messages": 1, "action": "drop"}]}"#,
                #"$.limits[0].action: "drop" is not one of "defer", "reject""#,
            ],
            [
                #"{"limits": [{"by": "client", "messages": 1, "name": "a"}, {"by": "user", "messages": 1, "name": "a"}]}"#,
                #"$.limits[1].name: another limit is named "a""#,
            ],
            [
                #"{"limits": [{"by": "user", "messages": 1}], "exempt": {"authenticated": true}}"#,
                "$.exempt.authenticated: unknown key",
            ],
        ]
    )
    func tells(_ row: [String]) throws {
        #expect(try TestServices().read(RateLimits.self, row[0]).problems == Array(row.dropFirst()))
    }
}
