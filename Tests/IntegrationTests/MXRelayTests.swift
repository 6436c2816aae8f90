import Foundation
import TestSupport
import Testing

@Suite("RFC 5321 section 5.1, RFC 7505: relaying to the hosts that the DNS names", .timeLimit(.minutes(2)))
struct MXRelayTests {
    private static let zone = """
        ns A 127.0.0.1
        first MX 10 dead
        first MX 20 mx
        implicit A 127.0.0.2
        null MX 0 .
        looped MX 10 hub.example.org.
        alias CNAME first
        mx A 127.0.0.2
        dead A 127.0.0.3
        """

    @Test("By MX, in order of preference; without MX to the domain itself; failures are told to the sender")
    func relay() async throws {
        try await onThread {
            let directory = try TemporaryDirectory()
            guard let names = try NameServer(folder: directory.url, zones: ["site.test": Self.zone]) else { return }
            try names.start()
            guard let sink = try MailSink(folder: directory.url, address: "127.0.0.2") else { return }
            try sink.start()
            let scenario = try Scenario(
                in: directory,
                routes: ["internet": ["transport": "smtp", "lookup": "mx"]],
                more: [
                    "defaultRoute": "internet", "dns": ["servers": [names.server], "timeout": "2s"],
                    "delivery": ["port": sink.port],
                ]
            )
            try scenario.hub.start()
            // One message a domain; the address of each says what is expected of it.
            for domain in ["first", "implicit", "alias", "null", "looped", "missing"] {
                try scenario.send(from: "\(domain)-sender@example.org", to: "bob@\(domain).site.test", subject: domain)
            }
            #expect(eventually { sink.messages.count == 3 })
            for domain in ["first", "implicit", "alias"] {
                #expect(sink.messages.contains { $0.contains("X-Rcpt-Args: <bob@\(domain).site.test>\n") }, "\(domain)")
            }
            // S7505-4.1-01, S5321-5.1-17, S5321-5.1-05: told to the sender, at once.
            for (domain, status) in [("null", "5.1.10"), ("looped", "5.4.6"), ("missing", "5.1.2")] {
                let notification = try scenario.message(for: "\(domain)-sender").text
                #expect(notification.contains("Status: \(status)\r\n"), "\(domain): \(notification)")
            }
            #expect(try scenario.hub.isDrained())
            #expect(scenario.hub.logLines("recipient relayed").contains { $0.contains("host=mx.site.test") })

            // S5321-5.1-06: without an answer of the DNS, mail waits.
            names.stop()
            try scenario.send(to: "bob@later.site.test")
            #expect(
                try eventually {
                    let recipients = try scenario.hub.queue().first?["recipients"] as? [[String: Any]]
                    return (recipients?.first?["lastReply"] as? String)?.hasPrefix("451 4.4.3") == true
                }
            )
            #expect(scenario.hub.stop() == 0)
            sink.stop()
        }
    }

    @Test("A hub that listens on all addresses knows itself by each of them (S5321-5.1-16, S5321-5.1-17)")
    func ourselves() async throws {
        try await onThread {
            let directory = try TemporaryDirectory()
            let zone = "ns A 127.0.0.1\nselfish MX 10 alias\nalias A 127.0.0.1\n"
            guard let names = try NameServer(folder: directory.url, zones: ["site.test": zone]) else { return }
            try names.start()
            let scenario = try Scenario(
                in: directory,
                routes: ["internet": ["transport": "smtp", "lookup": "mx"]],
                more: ["defaultRoute": "internet", "dns": ["servers": [names.server]]]
            )
            try scenario.reconfigure { configuration in
                var listeners = configuration["listeners"] as? [[String: Any]] ?? []
                listeners[0]["address"] = "0.0.0.0"
                configuration["listeners"] = listeners
                configuration["delivery"] = ["port": scenario.hub.port]
            }
            try scenario.hub.start()
            try scenario.send(to: "bob@selfish.site.test")
            #expect(try scenario.message(for: "ann").text.contains("Status: 5.4.6\r\n"))
            #expect(try scenario.hub.isDrained())
            #expect(scenario.hub.logLines("message accepted").count == 1)
            #expect(scenario.hub.stop() == 0)
        }
    }

    @Test("Many domains and few sessions: each gets its mail, once")
    func manyDomains() async throws {
        try await onThread {
            let directory = try TemporaryDirectory()
            let zone = "ns A 127.0.0.1\n*.many MX 10 mx\nmx A 127.0.0.2\n"
            guard let names = try NameServer(folder: directory.url, zones: ["site.test": zone]) else { return }
            try names.start()
            guard let sink = try MailSink(folder: directory.url, address: "127.0.0.2") else { return }
            try sink.start()
            let scenario = try Scenario(
                in: directory,
                routes: ["internet": ["transport": "smtp", "lookup": "mx"]],
                more: [
                    "defaultRoute": "internet", "dns": ["servers": [names.server]],
                    "delivery": ["port": sink.port, "maximumSessions": 5],
                ]
            )
            try scenario.hub.start()
            let client = try scenario.client()
            for number in 0..<20 {
                let recipients = (0..<20).map { "bob@d\(number * 20 + $0).many.site.test" }
                let reply = try client.message(
                    from: "ann@example.org",
                    to: recipients,
                    content: "Subject: x\r\n\r\n".utf8
                )
                #expect(reply.hasPrefix("250"))
            }
            client.close()
            #expect(eventually { sink.messages.count == 400 }, "\(sink.messages.count) of 400")
            #expect(try scenario.hub.isDrained())
            let told = sink.messages.flatMap { $0.split(separator: "\n").filter { $0.hasPrefix("X-Rcpt-Args:") } }
            #expect(told.count == 400)
            #expect(Set(told).count == 400)
            #expect(scenario.hub.stop() == 0)
            sink.stop()
        }
    }
}
