import Delivery
import Logging
import MailHubPlugin
import MailQueue
import SMTP
import Synchronization
import Testing

@Suite("RFC 5321 section 5.1, RFC 7505: the hosts of a domain")
struct MXResolverTests {
    /// What is looked up, and what comes of it: `host address` a hop, or the reply.
    struct Row: CustomTestStringConvertible, Sendable {
        var testDescription: String
        var domain = "a.example"
        var mx: [String: [String]?] = [:]
        var hosts: [String: [String]?] = [:]
        var expected: [String]

        init(
            _ name: String,
            domain: String = "a.example",
            mx: [String: [String]?] = [:],
            hosts: [String: [String]?] = [:],
            _ expected: String...
        ) {
            self.testDescription = name
            self.domain = domain
            self.mx = mx
            self.hosts = hosts
            self.expected = expected
        }
    }

    /// The hops, or the reply of the failure.
    private func answer(_ row: Row, asking resolver: ScriptedResolver) async throws -> [String] {
        let own = try #require(IPAddress("192.0.2.100"))
        let resolver = MXResolver(
            resolver: resolver,
            ownNames: ["hub.example.org"],
            ownAddresses: [own],
            maximumAddresses: 4,
            logger: .quiet,
            shuffle: { $0.reversed() }
        )
        do {
            let destination = Destination(route: "internet", domain: row.domain)
            return try await resolver.nextHops(for: destination).map(\.text)
        } catch {
            #expect(!error.isDestinationTrouble, "what the DNS says is no reason to throttle")
            return ["\(error.reply.code) \(error.reply.enhancedText ?? "")"]
        }
    }

    @Test(
        "Hosts and their order (S5321-5.1-04, S5321-5.1-05, S5321-5.1-06, S5321-5.1-07, S5321-5.1-08, S5321-5.1-09, S5321-5.1-11, S5321-5.1-13, S5321-5.1-14, S5321-5.1-15, S5321-5.1-16, S5321-5.1-17)",
        arguments: [
            Row(
                "by preference, lowest first (S5321-5.1-13)",
                mx: ["a.example": ["20 m2.example", "5 m1.example", "300 m3.example"]],
                hosts: ["m1.example": ["192.0.2.1"], "m2.example": ["192.0.2.2"], "m3.example": ["192.0.2.3"]],
                "m1.example 192.0.2.1",
                "m2.example 192.0.2.2",
                "m3.example 192.0.2.3"
            ),
            Row(
                "equal preferences are shuffled (S5321-5.1-14)",
                mx: ["a.example": ["10 m1.example", "10 m2.example", "5 m0.example"]],
                hosts: ["m0.example": ["192.0.2.9"], "m1.example": ["192.0.2.1"], "m2.example": ["192.0.2.2"]],
                "m0.example 192.0.2.9",
                "m2.example 192.0.2.2",
                "m1.example 192.0.2.1"
            ),
            Row(
                "all addresses of a host, in the resolver's order (S5321-5.1-11, S5321-5.1-15)",
                mx: ["a.example": ["10 m1.example"]],
                hosts: ["m1.example": ["2001:db8::1", "192.0.2.7", "192.0.2.1"]],
                "m1.example 2001:db8::1",
                "m1.example 192.0.2.7",
                "m1.example 192.0.2.1"
            ),
            Row(
                "no more addresses than are allowed",
                mx: ["a.example": ["10 m1.example", "20 m2.example"]],
                hosts: [
                    "m1.example": ["192.0.2.1", "192.0.2.2", "192.0.2.3"], "m2.example": ["192.0.2.4", "192.0.2.5"],
                ],
                "m1.example 192.0.2.1",
                "m1.example 192.0.2.2",
                "m1.example 192.0.2.3",
                "m2.example 192.0.2.4"
            ),
            Row(
                "no MX records: the domain itself (S5321-5.1-07)",
                hosts: ["a.example": ["192.0.2.4"]],
                "a.example 192.0.2.4"
            ),
            Row(
                "MX records: never the domain itself (S5321-5.1-08, S5321-5.1-09)",
                mx: ["a.example": ["10 gone.example"]],
                hosts: ["a.example": ["192.0.2.4"]],
                "550 5.4.4"
            ),
            Row("no such domain (S5321-5.1-05)", "550 5.1.2"),
            Row("the DNS fails (S5321-5.1-06)", mx: ["a.example": nil], "451 4.4.3"),
            Row(
                "the DNS fails for the only host (S5321-5.1-06)",
                mx: ["a.example": ["10 m1.example"]],
                hosts: ["m1.example": nil],
                "451 4.4.3"
            ),
            Row(
                "the DNS fails for one host of two",
                mx: ["a.example": ["10 m1.example", "20 m2.example"]],
                hosts: ["m1.example": nil, "m2.example": ["192.0.2.2"]],
                "m2.example 192.0.2.2"
            ),
            Row(
                "a host without address is passed over",
                mx: ["a.example": ["10 m1.example", "20 m2.example"]],
                hosts: ["m2.example": ["192.0.2.2"]],
                "m2.example 192.0.2.2"
            ),
            Row("no MX records and no address", hosts: ["a.example": []], "550 5.4.4"),
            Row(
                "the DNS fails for the implicit MX",
                mx: ["a.example": []],
                hosts: ["a.example": nil],
                "451 4.4.3"
            ),
            Row("null MX (S7505-3-01, S7505-4.1-01, S7504-4-01)", mx: ["a.example": ["0"]], "556 5.1.10"),
            Row(
                "null MX beside others is ignored",
                mx: ["a.example": ["0", "10 m1.example"]],
                hosts: ["m1.example": ["192.0.2.1"]],
                "m1.example 192.0.2.1"
            ),
            Row(
                "an address in place of a host name (S5321-5.1-10)",
                mx: ["a.example": ["10 192.0.2.1"]],
                "550 5.4.4"
            ),
            Row(
                "ourselves and all behind us are left out (S5321-5.1-16)",
                mx: ["a.example": ["10 m1.example", "20 HUB.example.org", "20 m2.example", "30 m3.example"]],
                hosts: ["m1.example": ["192.0.2.1"], "m2.example": ["192.0.2.2"], "m3.example": ["192.0.2.3"]],
                "m1.example 192.0.2.1"
            ),
            Row(
                "nothing but ourselves (S5321-5.1-17)",
                mx: ["a.example": ["10 hub.example.org", "20 m2.example"]],
                hosts: ["m2.example": ["192.0.2.2"]],
                "554 5.4.6"
            ),
            Row(
                "ourselves by address",
                mx: ["a.example": ["10 m1.example", "20 other-name.example", "20 m2.example"]],
                hosts: [
                    "m1.example": ["192.0.2.1"], "m2.example": ["192.0.2.2"], "other-name.example": ["192.0.2.100"],
                ],
                "m1.example 192.0.2.1"
            ),
            Row(
                "nothing but ourselves, by address",
                mx: ["a.example": ["10 other-name.example"]],
                hosts: ["other-name.example": ["192.0.2.2", "192.0.2.100"]],
                "554 5.4.6"
            ),
            Row("IPv4 literal", domain: "[192.0.2.8]", "[192.0.2.8] 192.0.2.8"),
            Row("IPv6 literal", domain: "[IPv6:2001:db8::8]", "[IPv6:2001:db8::8] 2001:db8::8"),
            Row("our own address as a literal", domain: "[192.0.2.100]", "554 5.4.6"),
            Row("no literal", domain: "[nonsense]", "550 5.1.2"),
        ]
    )
    func nextHops(row: Row) async throws {
        let resolver = ScriptedResolver(mx: row.mx, hosts: row.hosts)
        #expect(try await self.answer(row, asking: resolver) == row.expected)
    }

    // S5321-5.1-01, S5321-5.1-02, S5321-5.1-04.
    @Test("MX first, names as they are, and no address look-up at a null MX (S7505-3-01)")
    func questions() async throws {
        let null = ScriptedResolver(mx: ["a.example": ["0"]], hosts: ["a.example": ["192.0.2.1"]])
        _ = try await self.answer(Row("null MX"), asking: null)
        #expect(null.asked.withLock { $0 } == ["MX a.example"])
        let implicit = ScriptedResolver(hosts: ["a.example": ["192.0.2.1"]])
        _ = try await self.answer(Row("implicit MX"), asking: implicit)
        #expect(implicit.asked.withLock { $0 } == ["MX a.example", "A a.example"])
    }

    @Test("At least two addresses are tried, whatever the limit (S5321-5.1-12)")
    func atLeastTwo() async throws {
        let resolver = MXResolver(
            resolver: ScriptedResolver(hosts: ["a.example": ["192.0.2.1", "192.0.2.2", "192.0.2.3"]]),
            ownNames: [],
            maximumAddresses: 1,
            logger: .quiet
        )
        #expect(try await resolver.nextHops(for: Destination(route: "mx", domain: "a.example")).count == 2)
    }

    @Test("Equal preferences come in more than one order (S5321-5.1-14)")
    func randomness() async throws {
        let resolver = MXResolver(
            resolver: ScriptedResolver(
                mx: ["a.example": (1...6).map { "10 m\($0).example" }],
                hosts: Dictionary(uniqueKeysWithValues: (1...6).map { ("m\($0).example", ["192.0.2.\($0)"]) })
            ),
            ownNames: [],
            logger: .quiet
        )
        var orders: Set<[String]> = []
        for _ in 0..<50 {
            let hops = try await resolver.nextHops(for: Destination(route: "mx", domain: "a.example"))
            #expect(hops.count == 6)
            orders.insert(hops.map(\.host))
        }
        #expect(orders.count > 1)
    }
}

extension NextHop {
    /// `host address`; the port only where it is not 25.
    var text: String {
        switch self.address {
        case .ip(let address, let port): "\(self.host) \(address)" + (port == 25 ? "" : " \(port)")
        case .unixSocket(let path): "\(self.host) \(path)"
        }
    }
}
