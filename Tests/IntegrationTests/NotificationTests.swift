import Foundation
import TestSupport
import Testing

@Suite("RFC 3461, RFC 3464: what senders are told", .timeLimit(.minutes(2)))
struct NotificationTests {
    private static func scenario(
        _ sink: MailSink,
        _ directory: TemporaryDirectory,
        queue: [String: Any] = [:]
    ) throws -> Scenario {
        let keys: [String: Any] = ["directory": "queue", "retry": ["1s"]]
        return try Scenario(
            in: directory,
            routes: ["out": ["transport": "smtp", "host": "127.0.0.1", "port": sink.port]],
            more: ["defaultRoute": "out", "queue": keys.merging(queue) { $1 }]
        )
    }

    // S5321-3.6.3-01, S5321-3.6.3-02, S5321-3.6.3-03, S5321-3.6.3-04, S3461-5.2.6-01.
    @Test("A refusal comes back, to whom wants it, once (S5321-2.1-01)")
    func bounce() async throws {
        try await onThread {
            let directory = try TemporaryDirectory()
            let options = ["-f", "RCPT", "-B", "550 5.1.1 Nobody here"]
            guard let sink = try MailSink(folder: directory.url, options: options) else { return }
            try sink.start()
            let scenario = try Self.scenario(sink, directory)
            try scenario.hub.start()
            let client = try scenario.client()
            _ = try client.expect("250", "MAIL FROM:<ann@example.org> RET=FULL ENVID=QQ1")
            _ = try client.expect("250", "RCPT TO:<bob@far.example> NOTIFY=FAILURE ORCPT=rfc822;robert@far.example")
            _ = try client.expect("250", "RCPT TO:<carol@far.example>")
            _ = try client.expect("250", "RCPT TO:<dave@far.example> NOTIFY=NEVER")
            _ = try client.expect("250", "RCPT TO:<erin@far.example> NOTIFY=SUCCESS,DELAY")
            _ = try client.expect("354", "DATA")
            try client.send("Subject: returned\r\n\r\nThe body\r\n.\r\n".utf8)
            #expect(try client.reply().hasPrefix("250"))
            // Nobody is told about a notification that cannot be delivered.
            _ = try client.message(from: "", to: ["frank@far.example"], content: "Subject: a notification\r\n\r\n".utf8)
            client.close()
            #expect(try scenario.hub.isDrained())
            let text = try scenario.message(for: "ann").text
            #expect(scenario.hub.mailboxFiles("ann").count == 1, "one notification for all recipients")
            #expect(text.hasPrefix("Return-Path: <>\r\n"))
            #expect(text.contains("Content-Type: multipart/report; report-type=delivery-status"))
            #expect(text.contains("Original-Envelope-Id: QQ1\r\n"))
            #expect(text.contains("Original-Recipient: rfc822; robert@far.example\r\n"))
            #expect(text.contains("Final-Recipient: rfc822; bob@far.example\r\n"))
            #expect(text.contains("Final-Recipient: rfc822; carol@far.example\r\n"))
            #expect(!text.contains("dave@far.example\r\n"))
            #expect(!text.contains("erin@far.example\r\n"))
            #expect(text.contains("Action: failed\r\n"))
            #expect(text.contains("Status: 5.1.1\r\n"))
            #expect(text.contains("Diagnostic-Code: smtp; 550 5.1.1 Nobody here"))
            #expect(text.contains("The body\r\n"))
            #expect(scenario.hub.stop() == 0)
            sink.stop()
        }
    }

    // S5321-4.5.4.1-01, S5321-4.5.4.1-05.
    @Test("A delay is told once, expiry is told, and NOTIFY is heeded (S3461-5.2.5-01)")
    func delayAndExpiry() async throws {
        try await onThread {
            let directory = try TemporaryDirectory()
            guard let sink = try MailSink(folder: directory.url, options: ["-r", "RCPT"]) else { return }
            try sink.start()
            let scenario = try Self.scenario(sink, directory, queue: ["warnAfter": "1s", "expireAfter": "5s"])
            try scenario.hub.start()
            let client = try scenario.client()
            for (name, notify) in [("plain", ""), ("failure", " NOTIFY=FAILURE"), ("delay", " NOTIFY=DELAY")] {
                _ = try client.expect("250", "MAIL FROM:<\(name)@example.org>")
                _ = try client.expect("250", "RCPT TO:<bob@far.example>\(notify)")
                _ = try client.expect("354", "DATA")
                try client.send("Subject: late\r\n\r\n.\r\n".utf8)
                #expect(try client.reply().hasPrefix("250"))
            }
            client.close()
            #expect(eventually { !scenario.hub.mailboxFiles("plain").isEmpty })
            let warning = try scenario.message(for: "plain").text
            #expect(warning.contains("Action: delayed\r\n"))
            #expect(warning.contains("Will-Retry-Until:"))
            #expect(try scenario.hub.isDrained())
            let actions = ["plain", "failure", "delay"].map { name in
                scenario.hub.mailbox(name).map { $0.text.contains("Action: failed") ? "failed" : "delayed" }.sorted()
            }
            #expect(actions == [["delayed", "failed"], ["failed"], ["delayed"]])
            #expect(scenario.hub.stop() == 0)
            sink.stop()
        }
    }

    @Test("Success is told where it is asked for: delivered here, relayed there (S3461-5.2.2-01, S3461-5.2.3-01)")
    func success() async throws {
        try await onThread {
            let directory = try TemporaryDirectory()
            // -e: no EHLO, so no DSN at the next hop.
            guard let sink = try MailSink(folder: directory.url, options: ["-e"]) else { return }
            try sink.start()
            let scenario = try Self.scenario(sink, directory)
            try scenario.hub.start()
            let client = try scenario.client()
            _ = try client.expect("250", "MAIL FROM:<ann@example.org>")
            _ = try client.expect("250", "RCPT TO:<bob@far.example> NOTIFY=SUCCESS")
            _ = try client.expect("250", "RCPT TO:<carol@example.org> NOTIFY=SUCCESS,FAILURE")
            _ = try client.expect("250", "RCPT TO:<dave@example.org>")
            _ = try client.expect("354", "DATA")
            try client.send("Subject: told\r\n\r\n.\r\n".utf8)
            #expect(try client.reply().hasPrefix("250"))
            client.close()
            #expect(try scenario.hub.isDrained())
            let all = scenario.hub.mailbox("ann").map(\.text).joined()
            #expect(all.contains("Final-Recipient: rfc822; bob@far.example\r\nAction: relayed\r\n"), "\(all)")
            #expect(all.contains("Final-Recipient: rfc822; carol@example.org\r\nAction: delivered\r\n"), "\(all)")
            #expect(!all.contains("Final-Recipient: rfc822; dave@example.org"))
            #expect(scenario.hub.stop() == 0)
            sink.stop()
        }
    }
}
