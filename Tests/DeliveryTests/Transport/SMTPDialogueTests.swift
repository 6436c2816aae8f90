@testable import Delivery
import MailHubPlugin
import MailQueue
import NIOCore
import NIOPosix
import SMTP
import Testing

@Suite("RFC 5321 section 3.3, RFC 2920, RFC 3030, RFC 2033: transactions of the sending side")
struct SMTPDialogueTests {
    /// One job, and what becomes of each of its recipients.
    struct Dialogue: CustomTestStringConvertible, Sendable {
        var testDescription: String
        var dialect = SMTPTransport.Dialect.smtp
        var script = Script()
        var recipients = ["r@b.example"]
        var content = "Subject: x\r\n\r\nHello\r\n"
        var expected: [String]
        /// What the server heard between EHLO and QUIT; `nil` where that is not the point.
        var lines: [String]?

        init(
            _ name: String,
            _ features: [String] = [],
            _ rules: KeyValuePairs<String, Answer> = [:],
            dialect: SMTPTransport.Dialect = .smtp,
            to recipients: [String] = ["r@b.example"],
            content: String = "Subject: x\r\n\r\nHello\r\n",
            expecting expected: [String],
            lines: [String]? = nil
        ) {
            self.testDescription = name
            self.script = Script(features, rules)
            self.dialect = dialect
            self.recipients = recipients
            self.content = content
            self.expected = expected
            self.lines = lines
        }
    }

    private static let mail = "MAIL FROM:<sender@a.example>"
    private static let three = ["a@b.example", "b@b.example", "c@b.example"]

    @Test(
        "What is said, and what becomes of each recipient",
        arguments: [
            Dialogue(
                "a command at a time (S5321-4.3.1-01, S5321-3.3-13, S5321-4.1.1-02, S5321-4.1.1.1-03, S5321-F.6-01, S5321-3.6.1-01)",
                expecting: ["0 relayed 250 2.0.0"],
                lines: [Self.mail, "RCPT TO:<r@b.example>", "DATA", "."]
            ),
            Dialogue(
                "all in one write, where PIPELINING is offered (S2920-3.1-01, S2920-3.1-03)",
                ["PIPELINING"],
                ["MAIL": .raw(""), "RCPT": .raw(""), "DATA": "250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n354 Go on"],
                expecting: ["0 relayed 250 2.0.0"],
                lines: [Self.mail, "RCPT TO:<r@b.example>", "DATA", "."]
            ),
            Dialogue(
                "one copy for all recipients (S5321-4.5.4.1-08)",
                to: Self.three,
                expecting: ["0 relayed 250 2.0.0", "1 relayed 250 2.0.0", "2 relayed 250 2.0.0"],
                lines: [Self.mail] + Self.three.map { "RCPT TO:<\($0)>" } + ["DATA", "."]
            ),
            Dialogue(
                "the next hop takes over DSN (S3461-5.2.2-01)",
                ["DSN"],
                expecting: ["0 relayed+dsn 250 2.0.0"]
            ),
            Dialogue(
                "some recipients refused (S5321-4.2.1-01, S5321-4.2.1-02)",
                ["PIPELINING"],
                ["RCPT TO:<a": "550 5.1.1 No", "RCPT TO:<b": "450 4.2.1 Later"],
                to: Self.three,
                expecting: ["0 failed 550 5.1.1", "1 deferred 450 4.2.1", "2 relayed 250 2.0.0"]
            ),
            Dialogue(
                "all recipients refused: no DATA (S5321-3.3-09)",
                [],
                ["RCPT": "550 5.1.1 No"],
                to: ["a@b.example", "b@b.example"],
                expecting: ["0 failed 550 5.1.1", "1 failed 550 5.1.1"],
                lines: [Self.mail, "RCPT TO:<a@b.example>", "RCPT TO:<b@b.example>"]
            ),
            Dialogue(
                "all refused, yet DATA accepted: a lone dot (S2920-3.1-02)",
                ["PIPELINING"],
                ["RCPT": "550 5.1.1 No", ".": "554 5.5.1 No recipients"],
                expecting: ["0 failed 550 5.1.1"],
                lines: [Self.mail, "RCPT TO:<r@b.example>", "DATA", "."]
            ),
            Dialogue(
                "too many recipients: the rest at once in another transaction (S5321-4.5.3.1.8-04)",
                [],
                ["RCPT TO:<c": .inTurn(["452 4.5.3 Too many", "250 2.1.5 Ok"])],
                to: Self.three,
                expecting: ["0 relayed 250 2.0.0", "1 relayed 250 2.0.0", "2 relayed 250 2.0.0"],
                lines: [Self.mail] + Self.three.map { "RCPT TO:<\($0)>" } + ["DATA", "."]
                    + [Self.mail, "RCPT TO:<c@b.example>", "DATA", "."]
            ),
            Dialogue(
                "552 for too many recipients (S5321-4.5.3.1.10-02)",
                ["PIPELINING"],
                ["RCPT TO:<b": .inTurn(["552 5.5.3 Too many", "250 2.1.5 Ok"])],
                to: ["a@b.example", "b@b.example"],
                expecting: ["0 relayed 250 2.0.0", "1 relayed 250 2.0.0"]
            ),
            Dialogue(
                "452 for the only recipient (S1870-6.4-01)",
                [],
                ["RCPT": "452 4.3.1 Later"],
                expecting: ["0 deferred 452 4.3.1"]
            ),
            Dialogue(
                "552 for the only recipient (S1870-6.4-01)",
                [],
                ["RCPT": "552 5.2.2 Full"],
                expecting: ["0 failed 552 5.2.2"]
            ),
            Dialogue("552 to MAIL (S1870-6.2-01)", [], ["MAIL": "552 5.3.4 Big"], expecting: ["0 failed 552 5.3.4"]),
            Dialogue(
                "452 to MAIL (S1870-6.2-01)",
                ["PIPELINING"],
                ["MAIL": "452 4.3.1 Big"],
                expecting: ["0 deferred 452 4.3.1"]
            ),
            Dialogue(
                "DATA refused for good (S5321-3.3-09)",
                [],
                ["DATA": "554 5.7.1 No"],
                expecting: ["0 failed 554 5.7.1"]
            ),
            Dialogue(
                "DATA refused for now (S5321-3.3-09)",
                [],
                ["DATA": "451 4.3.0 No"],
                expecting: ["0 deferred 451 4.3.0"]
            ),
            Dialogue(
                "DATA answered with 250 (S5321-3.3-09)",
                [],
                ["DATA": "250 2.0.0 Ok"],
                expecting: ["0 deferred 250 2.0.0"]
            ),
            Dialogue(
                "the content refused for good (S5321-4.2.5-04)",
                [],
                [".": "554 5.7.1 No"],
                expecting: ["0 failed 554 5.7.1"]
            ),
            Dialogue("the content refused for now", [], [".": "451 4.3.0 No"], expecting: ["0 deferred 451 4.3.0"]),
            Dialogue(
                "unknown codes: by their first digit (S5321-4.2-07)",
                [],
                ["MAIL": "299 Hm", "RCPT TO:<a": "499 Hm", "RCPT TO:<b": "599 Hm", ".": "277 Hm"],
                to: Self.three,
                expecting: ["0 deferred 499", "1 failed 599", "2 relayed 277"]
            ),
            Dialogue("codes that are none (S5321-4.2-09)", [], ["MAIL": "699 Hm"], expecting: ["0 deferred 699"]),
            Dialogue("a content answered with 1yz (S5321-4.2-09)", [], [".": "150 Hm"], expecting: ["0 deferred 150"]),
            Dialogue(
                "replies without text, and of several lines (S5321-4.2-03, S5321-4.2-06, S5321-4.2.1-04)",
                [],
                ["MAIL": .raw("250\r\n"), "RCPT": .raw("250 \r\n"), ".": .raw("250-a\r\n250-\r\n250\r\n")],
                expecting: ["0 relayed 250"]
            ),
            Dialogue(
                "texts mean nothing (S5321-4.2-05)",
                [],
                ["RCPT": "250 550 5.1.1 No such user", ".": "250 rejected"],
                expecting: ["0 relayed 250"]
            ),
            Dialogue(
                "HELO where EHLO is unknown (S5321-2.2.1-03, S5321-2.2.1-04, S5321-4.1.1.1-02)",
                ["SIZE"],
                ["EHLO": "502 5.5.1 No", "HELO": "250 mx.example"],
                expecting: ["0 relayed 250 2.0.0"],
                lines: ["HELO hub.example.org", Self.mail, "RCPT TO:<r@b.example>", "DATA", "."]
            ),
            Dialogue(
                "no 8-bit content behind HELO (S6152-3-03)",
                ["8BITMIME"],
                ["EHLO": "500 5.5.1 No"],
                content: "Subject: x\r\n\r\nGrüße\r\n",
                expecting: ["0 failed 554 5.6.3"],
                lines: ["HELO hub.example.org"]
            ),
            Dialogue(
                "an address that needs SMTPUTF8 keeps the message from nobody else (S6531-3.2-02)",
                ["8BITMIME"],
                to: ["jörg@b.example", "a@b.example", "jürgen@b.example"],
                expecting: ["0 failed 550 5.6.7", "1 relayed 250 2.0.0", "2 failed 550 5.6.7"],
                lines: [Self.mail, "RCPT TO:<a@b.example>", "DATA", "."]
            ),
            Dialogue(
                "a large message as one chunk (S3030-2-05)",
                ["CHUNKING", "PIPELINING"],
                content: "Subject: x\r\n\r\n" + String(repeating: "x", count: 2000) + "\r\n",
                expecting: ["0 relayed 250 2.0.0"],
                lines: [Self.mail, "RCPT TO:<r@b.example>", "BDAT 2016 LAST", "."]
            ),
            Dialogue(
                "no chunk where no recipient was accepted (S3030-2-05)",
                ["CHUNKING", "PIPELINING"],
                ["RCPT": "550 5.1.1 No"],
                content: "Subject: x\r\n\r\n" + String(repeating: "x", count: 2000) + "\r\n",
                expecting: ["0 failed 550 5.1.1"],
                lines: [Self.mail, "RCPT TO:<r@b.example>"]
            ),
            Dialogue(
                "a chunk refused",
                ["CHUNKING"],
                [".": "552 5.3.4 Big"],
                content: "Subject: x\r\n\r\n" + String(repeating: "x", count: 2000) + "\r\n",
                expecting: ["0 failed 552 5.3.4"]
            ),
            Dialogue(
                "LMTP: a reply for each recipient (RFC 2033 section 4.2)",
                ["PIPELINING"],
                ["RCPT TO:<b": "550 5.1.1 No", ".": "250 2.1.5 Stored\r\n452 4.2.2 Full"],
                dialect: .lmtp,
                to: Self.three,
                expecting: ["0 delivered 250 2.1.5", "1 failed 550 5.1.1", "2 deferred 452 4.2.2"]
            ),
            Dialogue(
                "LMTP: the connection lost after some replies (S2033-5-03)",
                ["PIPELINING"],
                [".": .replyAndClose("250 2.1.5 Stored\r\n550 5.2.1 No")],
                dialect: .lmtp,
                to: Self.three,
                expecting: ["0 delivered 250 2.1.5", "1 failed 550 5.2.1", "2 deferred 451 4.4.2"]
            ),
        ]
    )
    func dialogue(_ dialogue: Dialogue) async throws {
        try await ScriptedServer.run(dialogue.script) { server in
            let job = try job(
                to: try dialogue.recipients.map { try recipient($0) },
                content: .inline(ByteBuffer(string: dialogue.content))
            )
            let reports = try await server.deliver(job, over: server.transport(dialogue.dialect))
            #expect(reports.summaries == dialogue.expected)
            let heard = server.heard
            #expect(heard.connections == 1)
            #expect(!heard.wasRushed, "nothing is sent ahead without PIPELINING")
            #expect(heard.lines.first == "CONNECT")
            // S5321-2.3.5-02, S5321-4.1.1.1-02: our name and nothing else.
            #expect(heard.lines.dropFirst().first == (dialogue.dialect == .smtp ? "EHLO" : "LHLO") + " hub.example.org")
            if let lines = dialogue.lines { #expect(Array(heard.lines.dropFirst(2)) == lines + ["QUIT"]) }
        }
    }

    @Test(
        "More than 100 recipients go in several transactions, in large groups (S5321-4.5.3.1.8-04, S2920-3.1-04)",
        arguments: [100, 101, 250]
    )
    func manyRecipients(count: Int) async throws {
        try await ScriptedServer.run(Script(["PIPELINING"])) { server in
            let job = try job(to: try (0..<count).map { try recipient("r\($0)@b.example") })
            let reports = try await server.deliver(job, over: server.transport())
            #expect(reports.count == count)
            #expect(reports.allSatisfy { $0.summary.hasSuffix("relayed 250 2.0.0") })
            let heard = server.heard
            #expect(heard.lines.count { $0.hasPrefix("RCPT") } == count)
            #expect(heard.contents.count == (count + 99) / 100)
            #expect(heard.connections == 1)
        }
    }

    @Test("Recipients from a list go with the list's reverse-path (S5321-3.9-02)")
    func lists() async throws {
        try await ScriptedServer.run(Script()) { server in
            let job = try job(to: [
                try recipient("a@b.example"), try recipient("b@b.example", from: "owner@list.example"),
                try recipient("c@b.example"),
            ])
            let reports = try await server.deliver(job, over: server.transport())
            #expect(reports.summaries.allSatisfy { $0.contains("relayed") })
            #expect(
                server.heard.lines.filter { $0.hasPrefix("MAIL") || $0.hasPrefix("RCPT") } == [
                    "MAIL FROM:<sender@a.example>", "RCPT TO:<a@b.example>", "RCPT TO:<c@b.example>",
                    "MAIL FROM:<owner@list.example>", "RCPT TO:<b@b.example>",
                ]
            )
        }
    }

    struct Content: CustomTestStringConvertible, Sendable {
        var testDescription: String
        var sent: String
        var received: String?
    }

    @Test(
        "Content arrives octet by octet (S5321-4.5.2-01, S5321-4.1.1.4-03, S5321-4.1.1.4-04, S5321-3.3-14)",
        arguments: [
            Content(testDescription: "dots", sent: ".\r\n..\r\n.x\r\nx.\r\n\r\n.\r\n"),
            Content(testDescription: "empty", sent: ""),
            Content(testDescription: "an empty line", sent: "\r\n"),
            Content(testDescription: "no line end at the end", sent: "a\r\nb", received: "a\r\nb\r\n"),
            Content(testDescription: "a lone CR at the end", sent: "a\r", received: "a\r\r\n"),
            Content(testDescription: "8 bit", sent: "Subject: x\r\n\r\nGrüße \u{1F600}\r\n"),
            Content(testDescription: "the longest line", sent: String(repeating: ".", count: 998) + "\r\n"),
            Content(testDescription: "NUL", sent: "a\0b\r\n"),
            Content(
                testDescription: "a Return-Path stays, and no field is added (S5321-4.4-14, S5321-6.4-01)",
                sent: "Return-Path: <x@a.example>\r\nSubject: x\r\n\r\n"
            ),
        ],
        [false, true]
    )
    func octets(content: Content, inChunks: Bool) async throws {
        // A line of 999 octets makes it a chunk.
        let tail = inChunks ? "\r\n" + String(repeating: "x", count: 999) : ""
        try await ScriptedServer.run(Script(["8BITMIME", "CHUNKING", "PIPELINING"])) { server in
            let job = try job(to: "r@b.example", content: content.sent + tail)
            let reports = try await server.deliver(job, over: server.transport())
            #expect(reports.summaries == ["0 relayed 250 2.0.0"])
            let expected = inChunks ? content.sent + tail : content.received ?? content.sent
            #expect(server.heard.contents == [Array(expected.utf8)])
        }
    }

    @Test("A content file arrives octet by octet", arguments: [[], ["CHUNKING"]])
    func contentFile(features: [String]) async throws {
        let folder = Folder()
        let contents = ContentDirectory(path: folder.path, pool: .singleton)
        let spool = contents.spool(for: .make(at: Timestamp(milliseconds: 1)))
        var expected: [UInt8] = Array("Subject: x\r\n\r\n".utf8)
        for line in 0..<60_000 { expected += Array(".\(line) Grüße\r\n".utf8) }
        try await spool.append(ByteBuffer(bytes: expected))
        let stored = try await spool.finish()
        #expect(stored.fileName != nil)
        try await ScriptedServer.run(Script(["8BITMIME"] + features)) { server in
            let job = try job(to: [try recipient("r@b.example")], content: stored)
            let reports = try await server.deliver(job, over: server.transport(folder: folder))
            #expect(reports.summaries == ["0 relayed 250 2.0.0"])
            #expect(server.heard.contents == [expected])
        }
    }

    @Test("A content that cannot be read is tried again")
    func unreadable() async throws {
        try await ScriptedServer.run(Script()) { server in
            let job = try job(to: [try recipient("r@b.example")], content: .file(name: "gone.eml", size: 200_000))
            let session = try await server.transport().open(
                .store,
                on: EventLoopActorExecutor(MultiThreadedEventLoopGroup.singleton.any())
            )
            #expect(await session.deliver(job).summaries == ["0 deferred 451 4.3.0"])
            let isReusable = await session.isReusable
            #expect(isReusable)
            await session.close()
        }
    }

    @Test("A server may refuse in the middle of the content (S3030-2-05)")
    func earlyRefusal() async throws {
        let script = Script(["CHUNKING"], ["BDAT": "552 5.3.4 Too big", ".": .raw("")])
        try await ScriptedServer.run(script) { server in
            let content = "Subject: x\r\n\r\n" + String(repeating: "x", count: 2_000_000) + "\r\n"
            let reports = try await server.deliver(
                try job(to: "r@b.example", content: content),
                over: server.transport()
            )
            #expect(reports.summaries == ["0 failed 552 5.3.4"])
        }
    }
}
