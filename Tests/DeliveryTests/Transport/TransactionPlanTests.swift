@testable import Delivery
import InternetMessage
import MailQueue
import NIOCore
import SMTP
import Testing

@Suite("RFC 5321 section 4.1.1.3: only parameters of extensions that the server offers (S5321-4.1.1.3-02)")
struct TransactionPlanTests {
    struct Row: CustomTestStringConvertible, Sendable {
        var testDescription: String
        var offers: [String] = []
        var sender = "s@a.example"
        var recipient = "r@b.example"
        var original: String?
        var notify: NotifyConditions?
        var content = "Subject: x\r\n\r\nHello\r\n"
        var body: BodyType?
        var isInternationalized = false
        var identifier: String?
        var returnContent: ReturnContent?
        var isLMTP = false
        var isAuthenticated = false
        /// MAIL, RCPT and how the content goes; or the refusal.
        var expected: [String]
    }

    private static let everything = ["SIZE 1000", "8BITMIME", "SMTPUTF8", "DSN", "CHUNKING", "PIPELINING"]
    private static let long = String(repeating: "x", count: 999)
    private static let eightBit = "Subject: x\r\n\r\nGrüße\r\n"

    @Test(
        arguments: [
            Row(
                testDescription: "nothing offered, nothing said",
                expected: ["MAIL FROM:<s@a.example>", "RCPT TO:<r@b.example>", "data"]
            ),
            Row(
                testDescription: "null reverse-path (S5321-4.5.5-03)",
                sender: "",
                expected: ["MAIL FROM:<>", "RCPT TO:<r@b.example>", "data"]
            ),
            Row(
                testDescription: "SIZE (S5321-4.5.3.1.7-03)",
                offers: ["SIZE"],
                expected: ["MAIL FROM:<s@a.example> SIZE=21", "RCPT TO:<r@b.example>", "data"]
            ),
            Row(
                testDescription: "larger than the server takes (S5321-2.2.3-01)",
                offers: ["SIZE 20"],
                expected: ["552 5.3.4"]
            ),
            Row(
                testDescription: "SIZE 0 is no limit",
                offers: ["SIZE 0"],
                expected: ["MAIL FROM:<s@a.example> SIZE=21", "RCPT TO:<r@b.example>", "data"]
            ),
            Row(
                testDescription: "8-bit content to a server with 8BITMIME (S5321-2.4-05)",
                offers: ["8BITMIME"],
                content: Self.eightBit,
                expected: ["MAIL FROM:<s@a.example> BODY=8BITMIME", "RCPT TO:<r@b.example>", "data"]
            ),
            Row(
                testDescription: "8-bit content to a server without it (S6152-3-03, S5321-2.4-05, S5321-2.2.3-01)",
                offers: ["SMTPUTF8"],
                content: Self.eightBit,
                expected: ["554 5.6.3"]
            ),
            Row(
                testDescription: "7-bit content declared as 8BITMIME to a server without it",
                body: .eightBitMIME,
                expected: ["MAIL FROM:<s@a.example>", "RCPT TO:<r@b.example>", "data"]
            ),
            Row(
                testDescription: "7-bit content: no BODY",
                offers: ["8BITMIME"],
                expected: ["MAIL FROM:<s@a.example>", "RCPT TO:<r@b.example>", "data"]
            ),
            Row(
                testDescription: "SMTPUTF8 where an address needs it (S6531-3.4-01)",
                offers: ["SMTPUTF8", "8BITMIME"],
                recipient: "jörg@b.example",
                isInternationalized: true,
                expected: ["MAIL FROM:<s@a.example> SMTPUTF8", "RCPT TO:<jörg@b.example>", "data"]
            ),
            Row(
                testDescription: "SMTPUTF8 where the header needs it (S6531-3.4-01)",
                offers: ["SMTPUTF8", "8BITMIME"],
                content: "Subject: Grüße\r\n\r\n\r\n",
                isInternationalized: true,
                expected: ["MAIL FROM:<s@a.example> BODY=8BITMIME SMTPUTF8", "RCPT TO:<r@b.example>", "data"]
            ),
            Row(
                testDescription: "no SMTPUTF8 where nothing needs it (S6531-3.4-01)",
                offers: ["SMTPUTF8", "8BITMIME"],
                isInternationalized: true,
                expected: ["MAIL FROM:<s@a.example>", "RCPT TO:<r@b.example>", "data"]
            ),
            Row(
                testDescription: "a server without SMTPUTF8, a sender that needs it (S6531-3.2-02)",
                offers: ["8BITMIME"],
                sender: "jörg@a.example",
                isInternationalized: true,
                expected: ["550 5.6.7"]
            ),
            Row(
                testDescription: "a server without SMTPUTF8, a header that needs it (S6531-3.2-02)",
                offers: ["8BITMIME"],
                content: "Subject: Grüße\r\n\r\n\r\n",
                isInternationalized: true,
                expected: ["550 5.6.7"]
            ),
            Row(
                testDescription: "DSN passed on as it came (S3461-5.2.1-01, S3461-5.2.1-02)",
                offers: ["DSN"],
                original: "rfc822;Old+2Bname@b.example",
                notify: [.success, .delay],
                identifier: "QQ+2B1",
                returnContent: .headers,
                expected: [
                    "MAIL FROM:<s@a.example> RET=HDRS ENVID=QQ+2B1",
                    "RCPT TO:<r@b.example> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;Old+2Bname@b.example", "data",
                ]
            ),
            Row(
                testDescription: "NOTIFY=NEVER (S3461-5.2.1-01)",
                offers: ["DSN"],
                notify: [],
                expected: ["MAIL FROM:<s@a.example>", "RCPT TO:<r@b.example> NOTIFY=NEVER", "data"]
            ),
            Row(
                testDescription: "DSN offered, nothing asked for: nothing added (S3461-5.2.1-01)",
                offers: ["DSN"],
                expected: ["MAIL FROM:<s@a.example>", "RCPT TO:<r@b.example>", "data"]
            ),
            Row(
                testDescription: "no DSN parameters to a server without it (S3461-5.2.2-01)",
                original: "rfc822;old@b.example",
                notify: [.success],
                identifier: "QQ1",
                returnContent: .full,
                expected: ["MAIL FROM:<s@a.example>", "RCPT TO:<r@b.example>", "data"]
            ),
            Row(
                testDescription: "a line that is too long, as a chunk",
                offers: ["CHUNKING"],
                content: "Subject: x\r\n\r\n\(Self.long)\r\n",
                expected: ["MAIL FROM:<s@a.example>", "RCPT TO:<r@b.example>", "chunk"]
            ),
            Row(
                testDescription: "a line that is too long, to a server without chunks (S5321-4.5.3.1.6-02)",
                content: "Subject: x\r\n\r\n\(Self.long)\r\n",
                expected: ["554 5.6.0"]
            ),
            Row(
                testDescription: "a line of 998 octets is not too long",
                content: "Subject: x\r\n\r\n\(Self.long.dropLast())\r\n",
                expected: ["MAIL FROM:<s@a.example>", "RCPT TO:<r@b.example>", "data"]
            ),
            Row(
                testDescription: "a line that is too long, to a mailbox by LMTP",
                content: "Subject: x\r\n\r\n\(Self.long)\r\n",
                isLMTP: true,
                expected: ["MAIL FROM:<s@a.example>", "RCPT TO:<r@b.example>", "data"]
            ),
            Row(
                testDescription: "minimum quoting (S5321-4.1.2-02)",
                sender: "\"s\"@a.example",
                recipient: "\"r x\"@b.example",
                expected: ["MAIL FROM:<s@a.example>", "RCPT TO:<\"r x\"@b.example>", "data"]
            ),
            Row(
                testDescription: "nobody is vouched for (RFC 4954 section 5)",
                offers: ["AUTH PLAIN"],
                isAuthenticated: true,
                expected: ["MAIL FROM:<s@a.example> AUTH=<>", "RCPT TO:<r@b.example>", "data"]
            ),
            Row(
                testDescription: "everything offered",
                offers: Self.everything,
                expected: ["MAIL FROM:<s@a.example> SIZE=21", "RCPT TO:<r@b.example>", "data"]
            ),
        ]
    )
    func lines(row: Row) throws {
        let recipient = try recipient(row.recipient, notify: row.notify, original: row.original)
        let content = ByteBuffer(string: row.content)
        let job = try job(from: row.sender, to: [recipient], content: .inline(content)) { envelope in
            envelope.body = row.body
            envelope.isInternationalized = row.isInternationalized
            envelope.envelopeIdentifier = row.identifier
            envelope.returnContent = row.returnContent
        }
        let plan = TransactionPlan(
            job: job,
            recipients: job.recipients,
            traits: ContentTraits(of: content),
            capabilities: ServerCapabilities(ehlo: Reply(250, lines: ["mx.example"] + row.offers)),
            dialect: row.isLMTP ? .lmtp : .smtp,
            isAuthenticated: row.isAuthenticated
        )
        if let refusal = plan.refusal {
            #expect(["\(refusal.code) \(refusal.enhancedText ?? "")"] == row.expected)
            return
        }
        var lines: [String] = []
        for line in [ClientTransaction.Line.mail, .recipient(0)] {
            var buffer = ByteBuffer()
            plan.write(line, into: &buffer)
            let text = String(buffer: buffer)
            #expect(text.hasSuffix("\r\n"))
            lines.append(String(text.dropLast(1)))
        }
        #expect(lines + [plan.contentCommand == .chunk ? "chunk" : "data"] == row.expected)
    }

    @Test("A recipient from a list has its own reverse-path (S5321-3.9-02)")
    func listOwner() throws {
        let job = try job(to: [try recipient("r@b.example", from: "owner@list.example")])
        let plan = TransactionPlan(
            job: job,
            recipients: job.recipients,
            traits: ContentTraits(of: ByteBuffer(string: "x")),
            capabilities: ServerCapabilities(),
            dialect: .smtp
        )
        var buffer = ByteBuffer()
        plan.write(.mail, into: &buffer)
        #expect(String(buffer: buffer) == "MAIL FROM:<owner@list.example>\r\n")
    }

    // S5321-4.5.3.2.2-01, S5321-4.5.3.2.3-01, S5321-4.5.3.2.4-01, S5321-4.5.3.2.5-01, S5321-4.5.3.2.6-01.
    @Test("The waits of RFC 5321 section 4.5.3.2 (S5321-4.5.3.2.1-01)")
    func timeouts() {
        let timeouts = ClientTimeouts()
        #expect(timeouts.greeting >= .seconds(300))
        #expect(timeouts.mail >= .seconds(300))
        #expect(timeouts.recipient >= .seconds(300))
        #expect(timeouts.data >= .seconds(120))
        #expect(timeouts.block >= .seconds(180))
        #expect(timeouts.endOfData >= .seconds(600))
    }
}
