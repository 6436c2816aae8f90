import DNSBlocklists
import MailHubPlugin
import PluginTestSupport
import Testing

@Suite("RFC 5782: block lists in the DNS")
struct DNSBlocklistsTests {
    static let refused = "550 5.7.1"
    static let deferred = "451 4.7.1"

    struct Row: CustomTestStringConvertible, Sendable {
        let testDescription: String
        var lists = #"{"zone": "bad.example"}"#
        var more = #", "testEvery": "0s""#
        var client = "192.0.2.99"
        var sender = "ann@example.com"
        var recipient = "bob@example.org"
        var isRelayClient = false
        /// Names with their addresses; `"?"` for unavailable.
        var names: [String: String] = ["99.2.0.192.bad.example": "127.0.0.2"]
        let answer: String
    }

    @Test(arguments: [
        Row(testDescription: "listed (section 2.1)", answer: refused),
        Row(testDescription: "not listed", client: "192.0.2.98", answer: "next"),
        Row(
            testDescription: "IPv6: nibbles in reverse order (section 2.4)",
            lists: #"{"zone": "Ugly.Example.com"}"#,
            client: "2001:db8:1:2:3:4:567:89ab",
            names: [
                "b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.8.b.d.0.1.0.0.2.ugly.example.com": "127.0.0.2"
            ],
            answer: refused
        ),
        Row(
            testDescription: "a list of IPv4 addresses is not asked about others",
            lists: #"{"zone": "bad.example", "families": ["ipv4"], "weightUnavailable": 5}"#,
            client: "2001:db8::1",
            names: ["*": "?"],
            answer: "next"
        ),
        Row(
            testDescription: "several codes",
            names: ["99.2.0.192.bad.example": "127.0.1.1 127.0.1.2"],
            answer: refused
        ),
        Row(
            testDescription: "only some codes count",
            lists: #"{"zone": "bad.example", "codes": ["127.0.0.4-127.0.0.7", "127.0.1.0/24"]}"#,
            answer: "next"
        ),
        Row(
            testDescription: "a code of the range counts",
            lists: #"{"zone": "bad.example", "codes": ["127.0.0.4-127.0.0.7", "127.0.1.0/24"]}"#,
            names: ["99.2.0.192.bad.example": "127.0.0.2 127.0.0.7"],
            answer: refused
        ),
        Row(
            testDescription: "a code of the network counts",
            lists: #"{"zone": "bad.example", "codes": ["127.0.0.4-127.0.0.7", "127.0.1.0/24"]}"#,
            names: ["99.2.0.192.bad.example": "127.0.1.255"],
            answer: refused
        ),
        Row(
            testDescription: "one zone, codes with weights of their own",
            lists: #"{"zone": "bad.example", "codes": ["127.0.0.2"]}, "#
                + #"{"zone": "bad.example", "codes": ["127.0.0.3"], "weight": 2}"#,
            more: #", "testEvery": "0s", "refuse": 3, "defer": 2"#,
            names: ["99.2.0.192.bad.example": "127.0.0.3"],
            answer: deferred
        ),
        Row(
            testDescription: "weights add up",
            lists: #"{"zone": "bad.example", "weight": 2}, {"zone": "worse.example", "weight": 3}"#,
            more: #", "testEvery": "0s", "refuse": 5"#,
            names: ["99.2.0.192.bad.example": "127.0.0.2", "99.2.0.192.worse.example": "127.0.0.9"],
            answer: refused
        ),
        Row(
            testDescription: "a list of good hosts speaks for a client",
            lists: #"{"zone": "bad.example", "weight": 2}, {"zone": "good.example", "weight": -2}"#,
            names: ["99.2.0.192.bad.example": "127.0.0.2", "99.2.0.192.good.example": "127.0.0.2"],
            answer: "next"
        ),
        Row(
            testDescription: "not enough to refuse, enough to defer",
            lists: #"{"zone": "bad.example", "weight": 2}"#,
            more: #", "testEvery": "0s", "refuse": 3, "defer": 2"#,
            answer: deferred
        ),
        Row(
            testDescription: "enough for neither",
            lists: #"{"zone": "bad.example"}"#,
            more: #", "testEvery": "0s", "refuse": 3, "defer": 2"#,
            answer: "next"
        ),
        Row(
            testDescription: "127.255.255.x is an error",
            names: ["99.2.0.192.bad.example": "127.255.255.254"],
            answer: "next"
        ),
        Row(testDescription: "127.0.0.1 is an error", names: ["99.2.0.192.bad.example": "127.0.0.1"], answer: "next"),
        Row(
            testDescription: "a parked domain answers for all names",
            names: ["99.2.0.192.bad.example": "203.0.113.80"],
            answer: "next"
        ),
        Row(
            testDescription: "an IPv6 answer is none",
            names: ["99.2.0.192.bad.example": "2001:db8::1"],
            answer: "next"
        ),
        Row(testDescription: "a list that cannot be asked says nothing", names: ["*": "?"], answer: "next"),
        Row(
            testDescription: "unless it has a weight for that",
            lists: #"{"zone": "bad.example", "weight": 5, "weightUnavailable": 2}"#,
            more: #", "testEvery": "0s", "refuse": 5, "defer": 2"#,
            names: ["99.2.0.192.bad.example": "?"],
            answer: deferred
        ),
        Row(testDescription: "postmaster is reached by everybody", recipient: "Postmaster@example.org", answer: "next"),
        Row(testDescription: "and abuse", recipient: "abuse@example.org", answer: "next"),
        Row(
            testDescription: "other exempt recipients",
            more: #", "testEvery": "0s", "exempt": {"recipients": ["@open.example.org"]}"#,
            recipient: "any@open.example.org",
            answer: "next"
        ),
        Row(
            testDescription: "an exempt network",
            more: #", "testEvery": "0s", "exempt": {"networks": ["192.0.2.0/24"]}"#,
            answer: "next"
        ),
        Row(testDescription: "relay clients", isRelayClient: true, answer: "next"),
        Row(
            testDescription: "a sender's domain (section 3)",
            lists: #"{"zone": "doms.example", "of": "senderDomain"}"#,
            names: ["example.com.doms.example": "127.0.0.2"],
            answer: refused
        ),
        Row(
            testDescription: "a sender's domain that is internationalized is asked for in A-labels",
            lists: #"{"zone": "doms.example", "of": "senderDomain"}"#,
            sender: "ann@b\u{fc}cher.example",
            names: ["xn--bcher-kva.example.doms.example": "127.0.0.2"],
            answer: refused
        ),
        Row(
            testDescription: "the null reverse-path has no domain",
            lists: #"{"zone": "doms.example", "of": "senderDomain"}"#,
            sender: "",
            names: ["*": "127.0.0.2"],
            answer: "next"
        ),
        Row(
            testDescription: "a domain too long to be asked for",
            lists: #"{"zone": "doms.example", "of": "senderDomain"}"#,
            sender: "a@" + String(repeating: "abcdefg.", count: 30) + "example",
            names: ["*": "127.0.0.2"],
            answer: "next"
        ),
        Row(
            testDescription: "client and sender together",
            lists: #"{"zone": "bad.example"}, {"zone": "doms.example", "of": "senderDomain"}"#,
            more: #", "testEvery": "0s", "refuse": 2"#,
            names: ["99.2.0.192.bad.example": "127.0.0.2", "example.com.doms.example": "127.0.0.2"],
            answer: refused
        ),
    ])
    func answers(_ row: Row) async throws {
        var services = TestServices()
        let zones = ScriptedZones()
        services.resolver = zones
        row.names.forEach { zones.answer($1, for: $0) }
        let plugin = try services.make(DNSBlocklists.self, #"{"lists": [\#(row.lists)]\#(row.more)}"#)
        let session = session(from: row.client, isRelayClient: row.isRelayClient)
        #expect(describe(try await plugin.connected(session)) == "next")
        let outcome = try await plugin.recipient(recipient(row.recipient), transaction(from: row.sender), session)
        #expect(describe(outcome) == row.answer)
    }

    @Test(
        "at connect, where the configuration says so",
        arguments: [("127.0.0.2", 3, "554 5.7.1"), ("127.0.0.2", 2, "421 4.7.1"), ("?", 3, "next")]
    )
    func atConnect(_ answer: String, weight: Int, outcome: String) async throws {
        var services = TestServices()
        let zones = ScriptedZones()
        services.resolver = zones
        zones.answer(answer, for: "1.2.0.192.bad.example")
        let lists = #"{"zone": "bad.example", "weight": \#(weight)}"#
        let plugin = try services.make(
            DNSBlocklists.self,
            #"{"at": "connect", "refuse": 3, "defer": 2, "lists": [\#(lists)], "testEvery": "0s"}"#
        )
        #expect(describe(try await plugin.connected(session())) == outcome)
        #expect(describe(try await plugin.connected(session(isRelayClient: true))) == "next")
        let atRecipient = try await plugin.recipient(recipient("bob@example.org"), transaction(), session())
        #expect(describe(atRecipient) == "next")
    }

    @Test("lists are asked once for a session, a sender's domain once for a transaction")
    func asksOnce() async throws {
        var services = TestServices()
        let zones = ScriptedZones()
        services.resolver = zones
        zones.answer("127.0.0.2", for: "1.2.0.192.bad.example")
        let lists = #"[{"zone": "bad.example"}, {"zone": "doms.example", "of": "senderDomain"}]"#
        let plugin = try services.make(DNSBlocklists.self, #"{"lists": \#(lists), "testEvery": "0s"}"#)
        let (session, transaction) = (session(), transaction())
        for _ in 0..<3 {
            let outcome = try await plugin.recipient(recipient("bob@example.org"), transaction, session)
            #expect(describe(outcome) == Self.refused)
        }
        #expect(zones.asked.sorted() == ["1.2.0.192.bad.example", "example.com.doms.example"])
        #expect(session.facts[BlocklistScore.self]?.zones == ["bad.example"])
        #expect(services.counters.snapshot == ["refused": 3, "listed": 1])
        #expect(transaction.facts[BlocklistScore.self]?.score == 0)
    }

    @Test(
        "it takes part where it is configured to refuse, and nowhere else",
        arguments: [("connect", Stage.connect), ("recipient", .recipient)]
    )
    func stages(moment: String, stage: Stage) throws {
        let plugin = try TestServices().make(
            DNSBlocklists.self,
            #"{"lists": [{"zone": "bad.example"}], "at": "\#(moment)"}"#
        )
        #expect(plugin.stages == [stage])
    }

    @Test("a list that does not answer in time is unavailable")
    func late() async throws {
        var services = TestServices()
        let zones = ScriptedZones()
        services.resolver = zones
        zones.hang(on: "1.2.0.192.slow.example")
        zones.answer("127.0.0.2", for: "1.2.0.192.bad.example")
        let lists = #"[{"zone": "slow.example", "weight": 5}, {"zone": "bad.example"}]"#
        let plugin = try services.make(
            DNSBlocklists.self,
            #"{"lists": \#(lists), "testEvery": "0s", "lookupTimeout": "2s"}"#
        )
        let outcome = try await plugin.recipient(recipient("bob@example.org"), transaction(), session())
        #expect(describe(outcome) == Self.refused)
        #expect(services.counters["unavailable"] == 1)
    }

    struct Test5: CustomTestStringConvertible, Sendable {
        let testDescription: String
        let present: String
        let absent: String
        let answer: String
    }

    @Test(
        "section 5: a zone that fails its test entries is not believed",
        arguments: [
            Test5(testDescription: "a list", present: "127.0.0.2", absent: "-", answer: refused),
            Test5(testDescription: "it lists everything", present: "127.0.0.2", absent: "127.0.0.2", answer: "next"),
            Test5(testDescription: "a parked domain", present: "203.0.113.1", absent: "203.0.113.1", answer: "next"),
            Test5(testDescription: "it lists nothing any more", present: "-", absent: "-", answer: "next"),
            Test5(testDescription: "the test cannot be had", present: "?", absent: "?", answer: refused),
        ]
    )
    func testEntries(_ row: Test5) async throws {
        for (client, test, prefix) in [
            ("192.0.2.1", ["2.0.0.127.bad.example", "1.0.0.127.bad.example"], "1.2.0.192"),
            (
                "2001:db8::1",
                [
                    "2.0.0.0.0.0.f.7.f.f.f.f.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.bad.example",
                    "1.0.0.0.0.0.f.7.f.f.f.f.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.bad.example",
                ], "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2"
            ),
        ] {
            var services = TestServices()
            let zones = ScriptedZones()
            services.resolver = zones
            zones.answer("127.0.0.2", for: "\(prefix).bad.example")
            zones.answer(row.present, for: test[0])
            zones.answer(row.absent, for: test[1])
            let plugin = try services.make(DNSBlocklists.self, #"{"lists": [{"zone": "bad.example"}]}"#)
            let outcome = try await plugin.recipient(
                recipient("bob@example.org"),
                transaction(),
                session(from: client)
            )
            #expect(describe(outcome) == row.answer)
            #expect(zones.asked.count == 3)
        }
    }

    @Test("a zone is tested again after a while, and believed again")
    func testsAgain() async throws {
        var services = TestServices()
        let zones = ScriptedZones()
        services.resolver = zones
        for name in ["1.2.0.192", "2.0.0.127", "1.0.0.127"] {
            zones.answer("127.0.0.2", for: "\(name).bad.example")
        }
        let plugin = try services.make(DNSBlocklists.self, #"{"lists": [{"zone": "bad.example"}], "testEvery": "1h"}"#)
        func answer() async throws -> String {
            describe(try await plugin.recipient(recipient("bob@example.org"), transaction(), session()))
        }
        #expect(try await answer() == "next")
        zones.answer("-", for: "1.0.0.127.bad.example")
        services.clock.advance(by: .seconds(3599))
        #expect(try await answer() == "next")
        services.clock.advance(by: .seconds(1))
        #expect(try await answer() == Self.refused)
        #expect(zones.asked.count == 3 + 1 + 3)
    }

    @Test("a name-based list is tested by TEST and INVALID (section 5)")
    func testsDomains() async throws {
        var services = TestServices()
        let zones = ScriptedZones()
        services.resolver = zones
        for name in ["example.com", "test", "invalid"] {
            zones.answer("127.0.0.2", for: "\(name).doms.example")
        }
        let lists = #"[{"zone": "doms.example", "of": "senderDomain"}]"#
        let plugin = try services.make(DNSBlocklists.self, #"{"lists": \#(lists)}"#)
        let outcome = try await plugin.recipient(recipient("bob@example.org"), transaction(), session())
        #expect(describe(outcome) == "next")
        let answer = try await plugin.operate(OperatorRequest(verb: "lists"))
        #expect(
            answer.rows == [["doms.example", "senderDomain", "1", "not believed, domain: it lists everything"]]
        )
    }

    @Test("the operator sees what each list says")
    func operates() async throws {
        var services = TestServices()
        let zones = ScriptedZones()
        services.resolver = zones
        zones.answer("127.0.0.2", for: "1.2.0.192.bad.example")
        zones.answer("?", for: "1.2.0.192.down.example")
        zones.answer("127.0.0.2", for: "example.com.doms.example")
        let lists = #"""
            [{"zone": "bad.example", "weight": 3}, {"zone": "down.example"}, {"zone": "good.example", "weight": -1},
             {"zone": "doms.example", "of": "senderDomain"}]
            """#
        let plugin = try services.make(DNSBlocklists.self, #"{"lists": \#(lists), "testEvery": "0s"}"#)
        let client = try await plugin.operate(OperatorRequest(verb: "test", arguments: ["192.0.2.1"]))
        #expect(
            client.rows == [
                ["bad.example", "listed: 127.0.0.2", "3"], ["down.example", "unavailable: down", "0"],
                ["good.example", "not listed", "0"],
            ]
        )
        let domain = try await plugin.operate(OperatorRequest(verb: "test", arguments: ["example.com"]))
        #expect(domain.rows == [["doms.example", "listed: 127.0.0.2", "1"]])
        for request in [
            OperatorRequest(verb: "test"), OperatorRequest(verb: "test", arguments: ["a b"]),
            OperatorRequest(verb: "x"),
        ] {
            await #expect(throws: OperatorMistake.self) { try await plugin.operate(request) }
        }
    }

    @Test(
        "What is wrong is told when the hub starts",
        arguments: [
            [#"{"lists": [{"zone": "bad.example", "codes": ["127.0.0.2"], "weight": -2}], "refuse": 5, "defer": 2}"#],
            [#"{}"#, "$.lists: no list is named"],
            [#"{"lists": [{}]}"#, "$.lists[0].zone: missing"],
            [#"{"lists": [{"zone": "a b"}]}"#, #"$.lists[0].zone: "a b" is not a domain name"#],
            [#"{"lists": [{"zone": "a.example", "weight": 0}]}"#, "$.lists[0].weight: a weight of 0 changes nothing"],
            [
                #"{"lists": [{"zone": "a.example", "families": ["ipv5"]}]}"#,
                #"$.lists[0].families[0]: "ipv5" is not "ipv4" or "ipv6""#,
            ],
            [
                #"{"lists": [{"zone": "a.example"}], "refuse": 2, "defer": 2}"#,
                "$.defer: what would be deferred is refused",
            ],
            [
                #"{"lists": [{"zone": "a.example", "of": "senderDomain"}], "at": "connect"}"#,
                "$.lists[0].of: no sender is known at connect",
            ],
        ]
    )
    func tells(_ row: [String]) throws {
        #expect(try TestServices().read(DNSBlocklists.self, row[0]).problems == Array(row.dropFirst()))
    }

    @Test(
        "codes that are none",
        arguments: ["127.0.0.2-", "127.0.0.9-127.0.0.2", "192.0.2.1", "::1", "126.0.0.0/7", "", "x"]
    )
    func codes(_ text: String) throws {
        let lists = #"[{"zone": "a.example", "codes": ["\#(text)"]}]"#
        let problems = try TestServices().read(DNSBlocklists.self, #"{"lists": \#(lists)}"#).problems
        #expect(problems.map { $0.prefix(18) } == ["$.lists[0].codes[0"])
    }
}
