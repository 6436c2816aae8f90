@testable import DNSResolver
import Foundation
import MailHubPlugin
import SMTP
import TestSupport
import Testing

@Suite("The DNS through libunbound, against a real name server", .serialized, .timeLimit(.minutes(2)))
struct UnboundResolverTests {
    private static let zone = """
        ns A 127.0.0.1
        @ MX 20 mx2
        @ MX 10 MX1
        @ TXT "v=spf1 " "-all"
        @ TXT "other"
        mx1 A 192.0.2.1
        mx1 A 192.0.2.2
        mx1 AAAA 2001:db8::1
        mx2 AAAA 2001:db8::2
        null MX 0 .
        alias CNAME @
        hostalias CNAME mx1
        dangling CNAME gone
        bare A 192.0.2.9
        only-text TXT "x"
        *.wild MX 5 mx1
        """
    private static let reverse = "7 PTR Mail.Site.test.\n7 PTR second.site.test.\n"
    private static let reverse6 = "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0 PTR six.site.test."

    /// Runs a body with a resolver that asks a name server with the zones above.
    private func withResolver(
        usesIPv6: Bool = true,
        timeLimit: Duration = .seconds(10),
        _ body: (UnboundResolver, NameServer) async throws -> Void
    ) async throws {
        let directory = try TemporaryDirectory()
        let zones = [
            "site.test": Self.zone, "2.0.192.in-addr.arpa": Self.reverse, "1.168.192.in-addr.arpa": Self.reverse,
            "8.b.d.0.1.0.0.2.ip6.arpa": Self.reverse6,
        ]
        guard let server = try NameServer(folder: directory.url, zones: zones) else { return }
        let starting = Unshared(server)
        try await onThread { try starting.value.start() }
        let resolver = try UnboundResolver(
            settings: .init(servers: [server.server], usesIPv6: usesIPv6, timeLimit: timeLimit)
        )
        do { try await body(resolver, server) } catch { Issue.record(error) }
        resolver.shutDown()
        try await onThread { starting.value.stop() }
    }

    /// For a value that one thread at a time uses: the test waits for the threads that it lends it to.
    private final class Unshared<Value>: @unchecked Sendable {
        let value: Value
        init(_ value: Value) { self.value = value }
    }

    @Test("MX: order kept, names in lower case, null MX, CNAME, nothing (S5321-5.1-04, S5321-5.1-05, S7505-3-01)")
    func mailExchangers() async throws {
        try await self.withResolver { resolver, _ in
            let rows: [(String, Lookup<Set<MailExchanger>>)] = [
                (
                    "site.test",
                    .found([.init(preference: 10, host: "mx1.site.test"), .init(preference: 20, host: "mx2.site.test")])
                ),
                (
                    "SITE.test",
                    .found([.init(preference: 10, host: "mx1.site.test"), .init(preference: 20, host: "mx2.site.test")])
                ),
                (
                    "alias.site.test",
                    .found([.init(preference: 10, host: "mx1.site.test"), .init(preference: 20, host: "mx2.site.test")])
                ),
                ("x.wild.site.test", .found([.init(preference: 5, host: "mx1.site.test")])),
                ("null.site.test", .found([.init(preference: 0, host: "")])),
                ("bare.site.test", .found([])),
                ("gone.site.test", .notFound),
                ("dangling.site.test", .notFound),
                ("", .notFound),
                ("two words.site.test", .notFound),
                (String(repeating: "a.", count: 130) + "test", .notFound),
            ]
            for (domain, expected) in rows {
                let answer = await resolver.mailExchangers(of: domain)
                let unordered: Lookup<Set<MailExchanger>> =
                    switch answer {
                    case .found(let records): .found(Set(records))
                    case .notFound: .notFound
                    case .unavailable(let why): .unavailable(why)
                    }
                #expect(unordered == expected, "\(domain)")
            }
        }
    }

    private func texts(_ lookup: Lookup<[IPAddress]>) -> [String] {
        switch lookup {
        case .found(let addresses): addresses.map(\.description).sorted()
        case .notFound: ["not found"]
        case .unavailable: ["unavailable"]
        }
    }

    @Test("Addresses: A and AAAA, by CNAME, or none (S5321-5.2-01, S5321-5.1-10)")
    func addresses() async throws {
        try await self.withResolver { resolver, _ in
            let rows = [
                ("mx1.site.test", ["192.0.2.1", "192.0.2.2", "2001:db8::1"]), ("mx2.site.test", ["2001:db8::2"]),
                ("hostalias.site.test", ["192.0.2.1", "192.0.2.2", "2001:db8::1"]), ("bare.site.test", ["192.0.2.9"]),
                ("only-text.site.test", ["not found"]), ("gone.site.test", ["not found"]),
                ("dangling.site.test", ["not found"]),
            ]
            for (host, expected) in rows {
                #expect(self.texts(await resolver.addresses(of: host)) == expected, "\(host)")
            }
        }
    }

    @Test("No AAAA where IPv6 is switched off")
    func withoutIPv6() async throws {
        try await self.withResolver(usesIPv6: false) { resolver, _ in
            let both = await resolver.addresses(of: "mx1.site.test")
            #expect(self.texts(both) == ["192.0.2.1", "192.0.2.2"])
            let none = await resolver.addresses(of: "mx2.site.test")
            #expect(self.texts(none) == ["not found"])
        }
    }

    @Test("TXT: the strings of a record are joined")
    func textRecords() async throws {
        try await self.withResolver { resolver, _ in
            guard case .found(let texts) = await resolver.texts(of: "site.test") else {
                Issue.record("no records")
                return
            }
            #expect(texts.sorted() == ["other", "v=spf1 -all"])
            #expect(await resolver.texts(of: "bare.site.test") == .notFound)
        }
    }

    @Test("PTR, in zones of private addresses as well: the servers that are named are asked for everything")
    func reverseNames() async throws {
        try await self.withResolver { resolver, _ in
            let rows: [(String, Set<String>)] = [
                ("192.0.2.7", ["mail.site.test", "second.site.test"]),
                ("192.168.1.7", ["mail.site.test", "second.site.test"]), ("2001:db8::1", ["six.site.test"]),
                ("192.0.2.8", []),
            ]
            for (text, expected) in rows {
                let answer = await resolver.names(of: try #require(IPAddress(text)))
                if case .found(let names) = answer {
                    #expect(Set(names) == expected, "\(text)")
                } else {
                    #expect(answer == .notFound && expected.isEmpty, "\(text): \(answer)")
                }
            }
        }
    }

    @Test("A server that is gone is no answer, never \"not found\"; one that is back answers (S5321-5.1-06)")
    func outage() async throws {
        try await self.withResolver(timeLimit: .seconds(2)) { resolver, server in
            let lent = Unshared(server)
            try await onThread { lent.value.stop() }
            guard case .unavailable = await resolver.mailExchangers(of: "null.site.test") else {
                Issue.record("an answer of nobody")
                return
            }
            guard case .unavailable = await resolver.addresses(of: "mx1.site.test") else {
                Issue.record("an answer of nobody")
                return
            }
            try await onThread { try lent.value.start() }
            // The library remembers for a while that the server was down.
            var names: Lookup<[MailExchanger]> = .notFound
            for _ in 0..<40 {
                names = await resolver.mailExchangers(of: "x\(UInt32.random(in: 0...UInt32.max)).wild.site.test")
                if case .found = names { break }
                try await Task.sleep(for: .milliseconds(250))
            }
            #expect(names == .found([.init(preference: 5, host: "mx1.site.test")]))
        }
    }

    @Test("A caller that is cancelled has its answer at once, before and while it waits; so has one in a hurry")
    func cancellation() async throws {
        // A server that is there, and never answers.
        let silent = try SilentServer()
        let resolver = try UnboundResolver(
            settings: .init(servers: ["127.0.0.1@\(silent.port)"], timeLimit: .seconds(3600))
        )
        defer { resolver.shutDown() }
        let waiting = Task { await resolver.addresses(of: "mx1.site.test") }
        try await onThread { try silent.awaitQuestion() }
        waiting.cancel()
        guard case .unavailable = await waiting.value else {
            Issue.record("an answer of nobody")
            return
        }
        let early = Task {
            while !Task.isCancelled { await Task.yield() }
            return await resolver.texts(of: "mx1.site.test")
        }
        early.cancel()
        guard case .unavailable = await early.value else {
            Issue.record("an answer of nobody")
            return
        }
        guard case .unavailable = await resolver.within(.milliseconds(100)).names(of: .ipv4(0xC000_0201)) else {
            Issue.record("an answer of nobody")
            return
        }
    }

    @Test("A zone that the server does not have is no answer")
    func refused() async throws {
        try await self.withResolver(timeLimit: .seconds(3)) { resolver, _ in
            guard case .unavailable = await resolver.mailExchangers(of: "elsewhere.example") else {
                Issue.record("REFUSED was taken for an answer")
                return
            }
        }
    }

    @Test("Many look-ups at a time, and after the end none hangs")
    func manyAtATime() async throws {
        try await self.withResolver { resolver, _ in
            await withTaskGroup { group in
                for number in 0..<300 {
                    group.addTask { await resolver.mailExchangers(of: "h\(number).wild.site.test") }
                }
                for await answer in group { #expect(answer == .found([.init(preference: 5, host: "mx1.site.test")])) }
            }
            resolver.shutDown()
            guard case .unavailable = await resolver.mailExchangers(of: "late.wild.site.test") else {
                Issue.record("an answer after the end")
                return
            }
        }
    }
}

@Suite("RFC 1035 section 3.3: the data of records")
struct ResourceDataTests {
    @Test(
        "Names",
        arguments: [
            ([0], ""), ([1, 0x41, 0], "a"), ([1, 0x41, 2, 0x62, 0x43, 0], "a.bc"), ([1, 0x41], nil), ([], nil),
            ([5, 0x41, 0], nil), ([0xC0, 0x0C], nil), ([1, 0x41, 0, 0], nil), ([1, 0x2E, 0], nil), ([1, 0x00, 0], nil),
        ] as [([UInt8], String?)]
    )
    func names(bytes: [UInt8], name: String?) { #expect(ResourceData.name(bytes[...]) == name) }

    @Test(
        "TXT and MX that are cut off are none",
        arguments: [[3, 0x61, 0x62], [0, 4, 0x61], [0x61]] as [[UInt8]]
    )
    func malformed(bytes: [UInt8]) {
        #expect(ResourceData.text(bytes) == nil)
        #expect(ResourceData.mailExchanger(bytes) == nil)
        #expect(ResourceData.address(bytes) == nil)
    }

    @Test(
        "Names of addresses (RFC 1035 section 3.5, RFC 3596 section 2.5)",
        arguments: [
            ("192.0.2.7", "7.2.0.192.in-addr.arpa"),
            ("2001:db8::1", "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa"),
        ]
    )
    func reverse(address: String, name: String) throws {
        #expect(ResourceData.reverseName(of: try #require(IPAddress(address))) == name)
    }
}
