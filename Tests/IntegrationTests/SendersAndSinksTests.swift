import Foundation
import TestSupport
import Testing

@Suite("Other people's clients, through the hub, to another people's server", .timeLimit(.minutes(2)))
struct SendersAndSinksTests {
    /// Runs a body with a hub that relays everything to a sink; skipped where smtp-sink is missing.
    private func withSink(
        options: [String] = [],
        _ body: @escaping @Sendable (Scenario, MailSink) throws -> Void
    ) async throws {
        try await onThread {
            let directory = try TemporaryDirectory()
            guard let sink = try MailSink(folder: directory.url, options: options) else { return }
            try sink.start()
            let scenario = try Scenario(
                in: directory,
                routes: ["out": ["transport": "smtp", "host": "127.0.0.1", "port": sink.port]],
                more: ["defaultRoute": "out"]
            )
            try scenario.hub.start()
            try body(scenario, sink)
            #expect(scenario.hub.stop() == 0)
        }
    }

    @Test("smtp-source: 200 messages in 10 sessions, all arrive (S5321-2.1-01)", arguments: [[], ["-p"], ["-e"]])
    func postfix(options: [String]) async throws {
        try await self.withSink(options: options) { scenario, sink in
            guard let source = try Peer.find("smtp-source") else { return }
            let (status, output) = try source.run([
                "-s", "10", "-m", "200", "-l", "3000", "-f", "ann@example.org", "-t", "bob@far.example",
                "127.0.0.1:\(scenario.hub.port)",
            ])
            #expect(status == 0, "\(output)")
            #expect(eventually { sink.messages.count == 200 })
            #expect(try scenario.hub.isDrained())
            let first = try #require(sink.messages.first)
            #expect(first.contains("X-Mail-Args: <ann@example.org>"))
            #expect(first.contains("X-Rcpt-Args: <bob@far.example>"))
            #expect(first.contains("by hub.example.org"))
            #expect(first.contains(options == ["-e"] ? "X-Client-Proto: SMTP\n" : "X-Client-Proto: ESMTP\n"))
        }
    }

    @Test("swaks: what was sent is what arrives")
    func swaks() async throws {
        try await self.withSink { scenario, sink in
            guard let swaks = try Peer.find("swaks") else { return }
            let data = "Subject: from swaks\n\n.dot\n..dots\nthe end\n"
            let (status, output) = try swaks.run(
                [
                    "--server", "127.0.0.1", "--port", "\(scenario.hub.port)", "--helo", "client.example.net",
                    "--from", "ann@example.org", "--to", "bob@far.example,carol@far.example", "--data", "-",
                ],
                input: Data(data.utf8)
            )
            #expect(status == 0, "\(output)")
            #expect(eventually { sink.messages.count == 1 })
            let message = try #require(sink.messages.first)
            #expect(message.contains("X-Rcpt-Args: <bob@far.example>\nX-Rcpt-Args: <carol@far.example>\n"))
            #expect(message.contains(data))
        }
    }

    @Test(
        "Python's smtplib: 8-bit content, BODY, DSN parameters (S3461-5.2.1-01, S3461-5.2.1-02, S5321-3.6.3-05, S5321-6.4-01)"
    )
    func smtplib() async throws {
        try await self.withSink { scenario, sink in
            guard let python = try Peer.find("python3") else { return }
            let program = """
                import smtplib
                with smtplib.SMTP('127.0.0.1', \(scenario.hub.port), local_hostname='client.example.net') as c:
                    c.sendmail('ann@example.org', ['bob@far.example'],
                               'Subject: from python\\r\\n\\r\\nGr\\u00fc\\u00dfe\\r\\n.dot\\r\\n'.encode(),
                               mail_options=['BODY=8BITMIME', 'RET=HDRS', 'ENVID=QQ1'],
                               rcpt_options=['NOTIFY=FAILURE,DELAY', 'ORCPT=rfc822;Old+2Bname@far.example'])
                """
            let (status, output) = try python.run(["-c", program])
            #expect(status == 0, "\(output)")
            #expect(eventually { sink.messages.count == 1 })
            let message = try #require(sink.messages.first)
            #expect(message.contains("X-Mail-Args: <ann@example.org> BODY=8BITMIME RET=HDRS ENVID=QQ1\n"))
            #expect(
                message.contains(
                    "X-Rcpt-Args: <bob@far.example> NOTIFY=FAILURE,DELAY ORCPT=rfc822;Old+2Bname@far.example\n"
                )
            )
            // One Received field of the hub's in front; nothing else is added or changed.
            #expect(message.hasSuffix("\nSubject: from python\n\nGrüße\n.dot\n\n"))
            #expect(message.components(separatedBy: "\nReceived: ").count == 3)
            #expect(!message.contains("Message-I"))
            #expect(!message.contains("\nDate:"))
        }
    }

    @Test("One message for many recipients is one transaction (S5321-4.5.4.1-08)")
    func oneCopy() async throws {
        try await self.withSink { scenario, sink in
            let client = try scenario.client()
            defer { client.close() }
            let recipients = (0..<90).map { "user\($0)@far.example" }
            let reply = try client.message(from: "ann@example.org", to: recipients, content: "Subject: x\r\n\r\n".utf8)
            #expect(reply.hasPrefix("250"))
            #expect(eventually { !sink.messages.isEmpty })
            #expect(try scenario.hub.isDrained())
            #expect(sink.messages.count == 1)
            #expect(sink.messages[0].components(separatedBy: "X-Rcpt-Args:").count == 91)
        }
    }

    @Test("5000 recipients, in transactions of 100 (S5321-4.5.3.1.8-04)")
    func thousandsOfRecipients() async throws {
        try await onThread {
            let directory = try TemporaryDirectory()
            guard let sink = try MailSink(folder: directory.url) else { return }
            try sink.start()
            let scenario = try Scenario(
                in: directory,
                routes: ["out": ["transport": "smtp", "host": "127.0.0.1", "port": sink.port]],
                more: ["defaultRoute": "out"]
            )
            try scenario.reconfigure { configuration in
                var listeners = configuration["listeners"] as? [[String: Any]] ?? []
                listeners[0]["maximumRecipients"] = 10_000
                configuration["listeners"] = listeners
            }
            try scenario.hub.start()
            let client = try scenario.client()
            defer { client.close() }
            _ = try client.expect("250", "MAIL FROM:<ann@example.org>")
            // Pipelined: the replies are read behind all commands of a group.
            for group in 0..<10 {
                let lines = (0..<500).map { "RCPT TO:<user\(group * 500 + $0)@far.example>\r\n" }.joined()
                try client.send(lines.utf8)
                for _ in 0..<500 { #expect(try client.reply().hasPrefix("250")) }
            }
            _ = try client.expect("354", "DATA")
            try client.send("Subject: x\r\n\r\nHello\r\n.\r\n".utf8)
            #expect(try client.reply().hasPrefix("250"))
            #expect(try scenario.hub.isDrained())
            #expect((50...60).contains(sink.messages.count), "\(sink.messages.count) transactions")
            let told = Set(
                sink.messages.flatMap { $0.split(separator: "\n").filter { $0.hasPrefix("X-Rcpt-Args:") } }
            )
            #expect(told.count == 5000)
            #expect(scenario.hub.stop() == 0)
        }
    }
}
