import Delivery
import Foundation
import Logging
import MailHubPlugin
import SMTP
import Synchronization
import TestSupport
import Testing
import TransportSecurity

@testable import TLSReports

@Suite("RFC 8460: reports on TLS")
struct ReportTests {
    @Test(
        "S8460-3: where a domain wants its reports",
        arguments: [
            (["v=TLSRPTv1;rua=mailto:reports@example.com"], ["reports@example.com"]),
            (["v=TLSRPTv1; rua=https://reporting.example.com/v1/tlsrpt"], ["reporting.example.com:443/v1/tlsrpt"]),
            (
                ["v=spf1 -all", "v=TLSRPTv1 ; x=y; rua=mailto:a@b.example , https://c.example:8443/?d=1"],
                ["a@b.example", "c.example:8443/?d=1"]
            ),
            (["v=TLSRPTv1;rua=ftp://x.example,mailto:a%2Bb@c.example?subject=x"], ["a+b@c.example"]),
            (["v=TLSRPTv1;rua=https://d.example"], ["d.example:443/"]),
        ] as [([String], [String])]
    )
    func records(_ texts: [String], _ expected: [String]) {
        let found = ReportingRecord(texts)?.destinations.map { destination in
            switch destination {
            case .mailbox(let mailbox): "\(mailbox)"
            case .https(let host, let port, let path): "\(host):\(port)\(path)"
            }
        }
        #expect(found == expected)
    }

    @Test(arguments: [
        [], ["v=TLSRPTv1"], ["v=TLSRPTv1;"], ["v=TLSRPTv1; rua="], ["v=TLSRPTv2;rua=mailto:a@b.example"],
        ["v=TLSRPTv1;rua=mailto:a@b.example", "v=TLSRPTv1;rua=mailto:a@b.example"],
        ["rua=mailto:a@b.example;v=TLSRPTv1"],
        ["v=TLSRPTv1;rua=mailto:nonsense"], ["v=TLSRPTv1;rua=https://u@h.example/"],
        ["v=TLSRPTv1;rua=https://h.example:x/"],
        ["v=TLSRPTv1;rua=mailto:a%0d%0ab@c.example"], ["v=TLSRPTv1;rua=https://h.example/a b"],
    ])
    func `No record`(_ texts: [String]) { #expect(ReportingRecord(texts) == nil) }

    @Test func `Days`() {
        for (seconds, text) in [
            (0, "1970-01-01"), (951_782_399, "2000-02-28"), (951_782_400, "2000-02-29"), (1_795_737_599, "2026-11-26"),
            (1_795_737_600, "2026-11-27"), (4_107_542_400, "2100-03-01"),
        ] as [(Int64, String)] {
            let day = Day(Timestamp(milliseconds: seconds * 1000))
            #expect(day.description == text)
            #expect(Day(text) == day)
        }
        for text in ["", "2026-13-01", "2026-1", "x-y-z"] { #expect(Day(text) == nil) }
    }

    /// The world around a reporter: DNS, time, and a place that takes reports, or not.
    private final class World: NameResolver, WallClock, ReportOutlet {
        struct State {
            var seconds: Int64 = 1_795_694_400  // 2026-11-26 12:00
            var records: [String: [String]] = [:]
            var mail: [(message: [UInt8], recipient: String)] = []
            var posts: [String] = []
            var isDown = false
            var hasNoDNS = false
        }
        struct Down: Error {}
        let state = Mutex(State())
        let store = MemoryKeyValueStore()

        var now: Timestamp { self.state.withLock { Timestamp(milliseconds: $0.seconds * 1000) } }
        func advance(hours: Int64) { self.state.withLock { $0.seconds += hours * 3600 } }

        func mailExchangers(of domain: String) async -> Lookup<[MailExchanger]> { .notFound }
        func addresses(of host: String) async -> Lookup<[IPAddress]> { .notFound }
        func texts(of name: String) async -> Lookup<[String]> {
            guard !self.state.withLock({ $0.hasNoDNS }) else { return .unavailable("SERVFAIL") }
            return self.state.withLock { $0.records[name] }.map { .found($0) } ?? .notFound
        }
        func names(of address: IPAddress) async -> Lookup<[String]> { .notFound }

        func mail(_ message: [UInt8], from sender: Mailbox, to recipient: Mailbox) async throws {
            try self.state.withLock { state in
                guard !state.isDown else { throw Down() }
                state.mail.append((message, "\(recipient)"))
            }
        }
        func post(_ body: [UInt8], type: String, host: String, port: Int, path: String) async throws {
            try self.state.withLock { state in
                guard !state.isDown else { throw Down() }
                state.posts.append("\(type) \(host) \(port) \(path) \(body.prefix(2))")
            }
        }

        func reporter() throws -> TLSReporter {
            TLSReporter(
                .init(
                    organization: "Example, Inc.",
                    contact: try #require(Mailbox("tls@hub.example.org")),
                    hostname: "mx.hub.example.org"
                ),
                resolver: self,
                store: self.store,
                clock: self,
                logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
            )
        }
    }

    /// Notes results, and waits until they are written down.
    private func collect(_ results: [TLSResult], _ reporter: TLSReporter, _ world: World) async throws {
        let task = Task { await reporter.collect() }
        for result in results { reporter.note(result) }
        let wanted = results.filter { $0.domain == "a.example" }.count
        for _ in 0..<5000 {
            let counts = try await reporter.reports().flatMap { $0.record.sections }.map { $0.successes + $0.failures }
            if counts.reduce(0, +) >= wanted { break }
            try await Task.sleep(for: .milliseconds(1))
        }
        task.cancel()
        await task.value
    }

    private static func results() throws -> [TLSResult] {
        let sts = try STSPolicy("version: STSv1\nmode: testing\nmx: mx.a.example\nmax_age: 60\n".utf8)
        let tlsa = try #require(TLSARecord(data: [3, 1, 1] + Array(repeating: 0xAB, count: 32)))
        func result(_ policy: TLSResult.Policy, _ failure: TLSResult.Failure? = nil, domain: String = "a.example")
            -> TLSResult
        {
            TLSResult(
                domain: domain,
                policy: policy,
                host: "mx.a.example",
                address: "192.0.2.1",
                sender: failure == .certificateExpired ? "192.0.2.99" : nil,
                failure: failure,
                reason: failure == nil ? "" : "certificate has expired"
            )
        }
        return [
            result(.sts(sts)), result(.sts(sts)), result(.sts(sts), .certificateExpired),
            result(.sts(sts), .certificateExpired), result(.sts(sts), .startTLSNotSupported), result(.tlsa([tlsa])),
            result(.none), result(.none, domain: "b.example"),
        ]
    }

    @Test("S8460-4-01: counted by policy and failure, for domains that ask; one JSON object a day")
    func json() async throws {
        let world = World()
        world.state.withLock { $0.records["_smtp._tls.a.example"] = ["v=TLSRPTv1;rua=mailto:r@a.example"] }
        let reporter = try world.reporter()
        try await self.collect(try Self.results(), reporter, world)
        let reports = try await reporter.reports()
        #expect(reports.map(\.domain) == ["a.example"])
        let json = String(decoding: try #require(reports.first).json, as: UTF8.self)
        let expected = #"""
            {"contact-info":"tls@hub.example.org","date-range":{"end-datetime":"2026-11-26T23:59:59Z",\#
            "start-datetime":"2026-11-26T00:00:00Z"},"organization-name":"Example, Inc.","policies":[{"failure-details":\#
            [{"failed-session-count":2,"failure-reason-code":"certificate has expired","receiving-ip":"192.0.2.1",\#
            "receiving-mx-hostname":"mx.a.example","result-type":"certificate-expired","sending-mta-ip":"192.0.2.99"},{"failed-session-count":1,\#
            "failure-reason-code":"certificate has expired","receiving-ip":"192.0.2.1",\#
            "receiving-mx-hostname":"mx.a.example","result-type":"starttls-not-supported"}],"policy":{"mx-host":\#
            ["mx.a.example"],"policy-domain":"a.example","policy-string":["version: STSv1","mode: testing",\#
            "mx: mx.a.example","max_age: 60"],"policy-type":"sts"},"summary":{"total-failure-session-count":3,\#
            "total-successful-session-count":2}},{"policy":{"policy-domain":"a.example","policy-string":\#
            ["3 1 1 \#(String(repeating: "ab", count: 32))"],"policy-type":"tlsa"},"summary":\#
            {"total-failure-session-count":0,"total-successful-session-count":1}},{"policy":{"policy-domain":\#
            "a.example","policy-type":"no-policy-found"},"summary":{"total-failure-session-count":0,\#
            "total-successful-session-count":1}}],"report-id":"2026-11-26.a.example@mx.hub.example.org"}
            """#
        #expect(json == expected)
    }

    @Test("while the DNS says nothing, results are kept, and nothing is sent; nobody is taken for one who wants none")
    func withoutDNS() async throws {
        let world = World()
        world.state.withLock {
            $0.records["_smtp._tls.a.example"] = ["v=TLSRPTv1;rua=mailto:r@a.example"]
            $0.hasNoDNS = true
        }
        let reporter = try world.reporter()
        try await self.collect(try Self.results(), reporter, world)
        #expect(try await reporter.reports().map(\.domain).contains("a.example"))
        world.advance(hours: 16)
        await reporter.sendDue(through: world)
        #expect(world.state.withLock { $0.mail.isEmpty })
        world.state.withLock { $0.hasNoDNS = false }
        await reporter.sendDue(through: world)
        #expect(world.state.withLock { $0.mail.map(\.recipient) } == ["r@a.example"])
    }

    @Test("bounded: whatever a domain shows, a day fits the store")
    func bounded() throws {
        var record = DayRecord()
        for number in 0..<6 {
            let long = String(repeating: "x", count: 2000)
            let tlsa = try #require(TLSARecord(data: [3, 0, 0] + Array(repeating: UInt8(number), count: 2000)))
            for index in 0..<30 {
                record.add(
                    TLSResult(
                        domain: "a.example",
                        policy: .tlsa(Array(repeating: tlsa, count: 40)),
                        host: "mx\(index)." + String(repeating: "a", count: 240),
                        address: "2001:db8:1111:2222:3333:4444:5555:\(index)",
                        failure: .certificateNotTrusted,
                        reason: long
                    )
                )
            }
        }
        #expect(try JSONEncoder().encode(record).count < 65_536)
        #expect(record.sections.allSatisfy { $0.failures == 30 })
    }

    @Test("a report goes out on the next day, once; as mail that Python can read")
    func mail() async throws {
        let world = World()
        world.state.withLock { $0.records["_smtp._tls.a.example"] = ["v=TLSRPTv1;rua=mailto:r@a.example"] }
        let reporter = try world.reporter()
        try await self.collect(try Self.results(), reporter, world)
        await reporter.sendDue(through: world)
        #expect(world.state.withLock { $0.mail.isEmpty }, "the day is not over")
        world.advance(hours: 16)
        await reporter.sendDue(through: world)
        await reporter.sendDue(through: world)
        let mail = world.state.withLock { $0.mail }
        #expect(mail.map(\.recipient) == ["r@a.example"])
        #expect(try await reporter.reports().isEmpty)
        guard let python = try Peer.find("python3"), let message = mail.first?.message else { return }
        let program = """
            import email, email.policy, gzip, json, sys
            message = email.message_from_bytes(sys.stdin.buffer.read(), policy=email.policy.default)
            text, attachment = message.iter_parts()
            report = json.loads(gzip.decompress(attachment.get_content()))
            print(message.get_content_type(), message.get_param("report-type"), message["TLS-Report-Domain"],
                message["TLS-Report-Submitter"], message["TLS-Required"])
            print(message["Subject"])
            print(text.get_content_type(), attachment.get_content_type(), attachment.get_filename())
            print(report["report-id"], len(report["policies"]), message.defects)
            """
        let ending = try await onThread { try python.run(["-c", program], input: Data(message)) }
        let lines = [
            "multipart/report tlsrpt a.example hub.example.org No",
            "Report Domain: a.example    Submitter: hub.example.org    Report-ID: <2026-11-26.a.example@mx.hub.example.org>",
            "text/plain application/tlsrpt+gzip hub.example.org!a.example!1795651200!1795737599.json.gz",
            "2026-11-26.a.example@mx.hub.example.org 3 []",
        ]
        #expect(ending.output == lines.joined(separator: "\n") + "\n")
    }

    @Test("who does not take it gets it later, for two days; the second place, where the first is none")
    func retries() async throws {
        let world = World()
        world.state.withLock {
            $0.records["_smtp._tls.a.example"] = ["v=TLSRPTv1;rua=https://r.a.example/x"]
            $0.isDown = true
        }
        let reporter = try world.reporter()
        try await self.collect(try Self.results(), reporter, world)
        world.advance(hours: 16)
        await reporter.sendDue(through: world)
        #expect(try await reporter.reports().count == 1)
        world.state.withLock { $0.isDown = false }
        await reporter.sendDue(through: world)
        #expect(world.state.withLock { $0.posts } == ["application/tlsrpt+gzip r.a.example 443 /x [31, 139]"])
        #expect(try await reporter.reports().isEmpty)

        // Another process, the same file.
        let second = try world.reporter()
        try await self.collect(try Self.results(), second, world)
        world.state.withLock { $0.records = [:] }
        world.advance(hours: 24)
        await second.sendDue(through: world)
        #expect(try await second.reports().count == 1, "the record may come back")
        world.advance(hours: 48)
        await second.sendDue(through: world)
        #expect(try await second.reports().isEmpty)
        #expect(world.state.withLock { $0.posts.count } == 1)
    }
}
