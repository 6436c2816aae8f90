import InternetMessage
import NIOCore
import SMTP
import Testing

private typealias Recipient = DeliveryStatusNotification.Recipient

private let arrival = Timestamp(milliseconds: 1_700_000_000_000)
private let original =
    "Received: from a\r\n\tby b; date\r\nMessage-ID: <1@client.example>\r\nSubject: Hello\r\n\r\nbody\r\n"

private func mailbox(_ text: String) throws -> Mailbox { try #require(Mailbox(text)) }

private func notification(
    _ recipients: [Recipient],
    to returnAddress: String = "SeNdEr@client.example",
    content: String = original,
    isComplete: Bool = true,
    envelopeIdentifier: String? = nil,
    returnContent: ReturnContent? = nil
) throws -> DeliveryStatusNotification {
    DeliveryStatusNotification(
        host: try #require(Domain("Hub.example.org")),
        postmaster: try mailbox("postmaster@example.org"),
        returnAddress: try mailbox(returnAddress),
        identifier: "0k3v9x2ab0001",
        date: arrival + .seconds(60),
        original: DeliveryStatusNotification.Original(
            content: ByteBuffer(string: content),
            isComplete: isComplete,
            arrival: arrival,
            envelopeIdentifier: envelopeIdentifier,
            returnContent: returnContent
        ),
        recipients: recipients
    )
}

private func failed(_ address: String, _ reply: Reply, from host: String? = "mx.example.net") throws -> Recipient {
    Recipient(mailbox: try mailbox(address), event: .failed, reply: reply, remoteHost: host)
}

private let unknown = Reply(550, EnhancedStatusCode(1, 1), "No such mailbox")

@Suite("RFC 3464: delivery status notifications")
struct DeliveryStatusNotificationTests {
    @Test("RFC 6522 section 3: the message around the parts (S6522-3-01, S3464-2-01, S3464-2-02)")
    func message() throws {
        let buffer = try notification([failed("ann@example.net", unknown)]).write()
        #expect(buffer.readableBytesView.allSatisfy { $0 < 0x80 })
        let report = try ParsedReport(buffer)
        let header = report.header
        #expect(header.first(named: "From")?.value == "Mail Delivery System <MAILER-DAEMON@hub.example.org>")
        #expect(header.first(named: "Reply-To")?.value == "<postmaster@example.org>")
        #expect(header.first(named: "To")?.value == "<SeNdEr@client.example>")
        #expect(header.first(named: "Date")?.value == DateTime(arrival + .seconds(60)).description)
        #expect(header.first(named: "Message-ID")?.value == "<0k3v9x2ab0001@hub.example.org>")
        #expect(header.first(named: "References")?.value == "<1@client.example>")
        #expect(header.first(named: "Auto-Submitted")?.value == "auto-replied")
        #expect(header.first(named: "MIME-Version")?.value == "1.0")
        #expect(header.first(named: "Return-Path") == nil)  // S5321-4.4-13
        #expect(
            report.parts.map(\.type) == [
                "text/plain; charset=us-ascii", "message/delivery-status", "text/rfc822-headers",
            ]
        )
        #expect(report.parts.map(\.encoding) == ["7bit", "7bit", "7bit"])  // S3464-2.1-01
        #expect(report.parts[2].body == original.components(separatedBy: "\r\n\r\n")[0] + "\r\n")
    }

    @Test(
        "RFC 3461 section 6.3: all fields, in the order of the grammar (S3461-6.3-01, S3464-2.2.5-01, S3464-2.3.2-01)"
    )
    func fields() throws {
        let recipient = Recipient(
            mailbox: try mailbox("UsEr@Example.com"),
            originalRecipient: "rfc822;Us+65r+2Bx@example.org",
            event: .failed,
            reply: unknown,
            remoteHost: "mx.example.net",
            lastAttempt: arrival + .seconds(30),
            willRetryUntil: arrival + .seconds(3600)
        )
        let report = try ParsedReport(try notification([recipient], envelopeIdentifier: "QQ+2B3141+20x").write())
        #expect(report.statusGroups.count == 2)
        #expect(
            report.statusGroups[0].map { "\($0.name): \($0.value)" } == [
                "Original-Envelope-Id: QQ+3141 x", "Reporting-MTA: dns; hub.example.org",
                "Arrival-Date: \(DateTime(arrival))",
            ]
        )
        #expect(
            report.statusGroups[1].map { "\($0.name): \($0.value)" } == [
                "Original-Recipient: rfc822; User+x@example.org", "Final-Recipient: rfc822; UsEr@Example.com",
                "Action: failed", "Status: 5.1.1", "Remote-MTA: dns; mx.example.net",
                "Diagnostic-Code: smtp; 550 5.1.1 No such mailbox",
                "Last-Attempt-Date: \(DateTime(arrival + .seconds(30)))",
            ]
        )
    }

    struct EventRow: CustomTestStringConvertible, Sendable {
        let event: DeliveryStatusNotification.Event
        let reply: Reply
        let action: String
        let status: String
        var testDescription: String { "\(self.event) after \(self.reply)" }
    }

    @Test(
        "Action and status agree (RFC 3464 sections 2.3.3 and 2.3.4)",
        arguments: [
            EventRow(event: .failed, reply: unknown, action: "failed", status: "5.1.1"),
            EventRow(event: .failed, reply: Reply(554, nil, "no"), action: "failed", status: "5.0.0"),
            EventRow(
                event: .failed,
                reply: Reply(450, EnhancedStatusCode(2, 1), "later"),
                action: "failed",
                status: "5.0.0"
            ),
            EventRow(
                event: .expired,
                reply: Reply(451, EnhancedStatusCode(7, 1), "later"),
                action: "failed",
                status: "4.4.7"
            ),
            EventRow(
                event: .delayed,
                reply: Reply(452, EnhancedStatusCode(2, 2), "full"),
                action: "delayed",
                status: "4.2.2"
            ),
            EventRow(event: .delayed, reply: Reply(421, nil, "bye"), action: "delayed", status: "4.0.0"),
            EventRow(
                event: .delivered,
                reply: Reply(250, EnhancedStatusCode(1, 5), "ok"),
                action: "delivered",
                status: "2.1.5"
            ),
            EventRow(event: .relayed, reply: Reply(250, nil, "ok"), action: "relayed", status: "2.0.0"),
            EventRow(event: .expanded, reply: Reply(250, nil, "ok"), action: "expanded", status: "2.0.0"),
        ]
    )
    func events(_ row: EventRow) throws {
        let recipient = Recipient(
            mailbox: try mailbox("ann@example.net"),
            event: row.event,
            reply: row.reply,
            willRetryUntil: arrival + .seconds(86_400)
        )
        let report = try ParsedReport(try notification([recipient], returnContent: .full).write())
        #expect(report.value("Action", group: 1) == row.action)
        #expect(report.value("Status", group: 1) == row.status)
        // S3464-2.3.9-01, and RFC 3461 section 6.2: the whole message for failures only
        #expect((report.value("Will-Retry-Until", group: 1) != nil) == (row.event == .delayed))
        let isFailure = row.event == .failed || row.event == .expired
        #expect(report.parts[2].type == (isFailure ? "message/rfc822" : "text/rfc822-headers"))
        #expect(report.value("Remote-MTA", group: 1) == nil)
        #expect(report.value("Diagnostic-Code", group: 1) == "X-MailHub; \(row.reply)")
    }

    @Test("S5321-4.4-18: one notification for several recipients")
    func severalRecipients() throws {
        let report = try ParsedReport(
            try notification([
                failed("a@example.net", unknown), failed("b@example.net", Reply(552, EnhancedStatusCode(2, 2), "full")),
                failed("\"two words\"@example.net", unknown),
            ]).write()
        )
        #expect(report.statusGroups.count == 4)
        #expect(
            (1...3).map { report.value("Final-Recipient", group: $0) } == [
                "rfc822; a@example.net", "rfc822; b@example.net", "rfc822; \"two words\"@example.net",
            ]
        )
        for text in ["<a@example.net>", "<b@example.net>", "552 5.2.2 full", "mailbox is full", "these addresses"] {
            #expect(report.parts[0].body.contains(text))
        }
    }

    @Test("The text says what happened, to whom, why, and what to do")
    func explanation() throws {
        let report = try ParsedReport(try notification([failed("ann@example.net", unknown)]).write())
        let text = report.parts[0].body.components(separatedBy: "\r\n")
        #expect(
            text
                == """
                This is the mail system at hub.example.org.

                It is about a message with your address as its sender that arrived here:

                    \(DateTime(arrival))

                It could not be delivered to this address, and will not be tried again:

                    <ann@example.net>

                    The mail server mx.example.net said:

                        550 5.1.1 No such mailbox

                    This address does not exist there. Please check its spelling, and
                    ask the recipient for the right one.

                The header lines of your message are attached, with a report for
                programs.

                If you need help, please write to postmaster@example.org and include
                this report.

                """.components(separatedBy: "\n")
        )
    }

    @Test("S5322-2.1.1-01: whatever a peer says, lines stay short and fields stay fields")
    func hostileReplies() throws {
        let replies = [
            Reply(550, lines: Array(repeating: String(repeating: "x", count: 500), count: 100)),
            Reply(550, nil, "a\r\nFinal-Recipient: rfc822; other@example.net\r\n\r\n--=_0k3v9x2ab0001"),
            Reply(550, nil, String(repeating: "word ", count: 2000)),
        ]
        for reply in replies {
            let buffer = try notification([failed("ann@example.net", reply, from: "mx\r\nBcc: ü")]).write()
            let report = try ParsedReport(buffer)
            #expect(report.statusGroups.count == 2)
            #expect(
                report.statusGroups[1].map(\.name) == [
                    "Final-Recipient", "Action", "Status", "Remote-MTA", "Diagnostic-Code",
                ]
            )
            #expect(buffer.readableBytesView.allSatisfy { $0 < 0x80 })
        }
    }

    @Test("RFC 2046 section 5.1.1: no part contains the boundary")
    func boundary() throws {
        let content = "A: 1\r\n\r\n--=_0k3v9x2ab0001\r\n--=_0k3v9x2ab0001--\r\n"
        let report = try ParsedReport(
            try notification([failed("ann@example.net", unknown)], content: content, returnContent: .full).write()
        )
        #expect(report.parts[2].body == content)
    }
}

@Suite("RFC 3461 section 6.2: what is returned (S3461-6.2-01)")
struct ReturnedContentTests {
    struct Row: CustomTestStringConvertible, Sendable {
        let name: String
        let content: String
        var isComplete = true
        var returnContent: ReturnContent? = .full
        let type: String
        var encoding = "7bit"
        var body: String?
        var testDescription: String { self.name }
    }

    static let header = "A: 1\r\nB: 2\r\n"
    static let rows: [Row] = [
        Row(name: "RET=FULL", content: header + "\r\nbody\r\n", type: "message/rfc822", body: header + "\r\nbody\r\n"),
        Row(
            name: "RET=HDRS",
            content: header + "\r\nbody\r\n",
            returnContent: .headers,
            type: "text/rfc822-headers",
            body: header
        ),
        Row(
            name: "no RET",
            content: header + "\r\nbody\r\n",
            returnContent: nil,
            type: "text/rfc822-headers",
            body: header
        ),
        Row(
            name: "not all at hand",
            content: header + "\r\nbo",
            isComplete: false,
            type: "text/rfc822-headers",
            body: header
        ),
        Row(
            name: "too large",
            content: header + "\r\n" + String(repeating: "0123456789\r\n", count: 11_000),
            type: "text/rfc822-headers",
            body: header
        ),
        Row(
            name: "lines too long",
            content: header + "\r\n" + String(repeating: "x", count: 999),
            type: "text/rfc822-headers",
            body: header
        ),
        Row(name: "bare LF", content: header + "\r\na\nb\r\n", type: "text/rfc822-headers", body: header),
        Row(name: "bare CR", content: header + "\r\na\rb\r\n", type: "text/rfc822-headers", body: header),
        Row(name: "NUL", content: header + "\r\na\0b\r\n", type: "text/rfc822-headers", body: header),
        Row(
            name: "8-bit body",
            content: header + "\r\nü\r\n",
            type: "message/rfc822",
            encoding: "8bit",
            body: header + "\r\nü\r\n"
        ),
        Row(
            name: "8-bit header",
            content: "Subject: ü=\r\n\r\nö \r\n",
            type: "message/global",
            encoding: "quoted-printable",
            body: "Subject: =C3=BC=3D\r\n\r\n=C3=B6=20\r\n"
        ),
        Row(
            name: "8-bit header, RET=HDRS",
            content: "Subject: ü\r\n\r\nbody\r\n",
            returnContent: .headers,
            type: "text/rfc822-headers; charset=utf-8",
            encoding: "quoted-printable",
            body: "Subject: =C3=BC\r\n"
        ),
        Row(
            name: "field too long",
            content: "X: " + String(repeating: "x", count: 1000) + "\r\n\r\n",
            type: "text/rfc822-headers",
            encoding: "quoted-printable"
        ),
        Row(name: "no header", content: "\r\nbody\r\n", returnContent: nil, type: "text/rfc822-headers", body: ""),
        Row(name: "nothing", content: "", returnContent: nil, type: "text/rfc822-headers", body: ""),
    ]

    @Test(arguments: rows)
    func returns(_ row: Row) throws {
        let buffer = try notification(
            [failed("ann@example.net", unknown)],
            content: row.content,
            isComplete: row.isComplete,
            returnContent: row.returnContent
        ).write()
        let report = try ParsedReport(buffer)
        #expect(report.parts[2].type == row.type)
        #expect(report.parts[2].encoding == row.encoding)
        if let body = row.body { #expect(report.parts[2].body == body) }
        #expect(
            report.header.first(named: "Content-Transfer-Encoding")?.value == (row.encoding == "8bit" ? "8bit" : "7bit")
        )
        #expect(buffer.readableBytesView.allSatisfy { $0 < 0x80 } == (row.encoding != "8bit"))
        let says =
            row.type.hasPrefix("message/")
            ? "Your message is attached" : "The header lines of your message are attached"
        #expect(report.parts[0].body.contains(says))
    }
}

@Suite("RFC 6533: reports about addresses that are not ASCII (S6533-3-01)")
struct InternationalReportTests {
    private static func recipient(orcpt: String? = nil) throws -> Recipient {
        Recipient(mailbox: try mailbox("jörg@example.net"), originalRecipient: orcpt, event: .failed, reply: unknown)
    }

    @Test("To an ASCII address all is 7-bit")
    func sevenBit() throws {
        let buffer = try notification([try Self.recipient(orcpt: "utf-8;us\\x{FC}er\\x{2B}x@example.org")]).write()
        #expect(buffer.readableBytesView.allSatisfy { $0 < 0x80 })
        let report = try ParsedReport(buffer)
        #expect(report.parts[1].type == "message/delivery-status")
        #expect(report.value("Original-Recipient", group: 1) == "utf-8; us\\x{FC}er\\x{2B}x@example.org")
        #expect(report.value("Final-Recipient", group: 1) == "utf-8; j\\x{F6}rg@example.net")
        #expect(report.parts[0].type == "text/plain; charset=utf-8")
        #expect(report.parts[0].body.fromQuotedPrintable.contains("<jörg@example.net>"))
    }

    @Test("To an internationalized address the new media types are used")
    func utf8() throws {
        let recipient = try Self.recipient(orcpt: "utf-8;us\\x{FC}er\\x{2B}x@example.org")
        let notification = try notification(
            [recipient],
            to: "sänder@client.example",
            content: "Subject: ü\r\n\r\n",
            returnContent: nil
        )
        #expect(notification.isInternationalized)
        let report = try ParsedReport(notification.write())
        #expect(report.header.first(named: "To")?.value == "<sänder@client.example>")
        #expect(report.parts.dropFirst().map(\.type) == ["message/global-delivery-status", "message/global-headers"])
        #expect(report.parts.dropFirst().map(\.encoding) == ["8bit", "8bit"])
        #expect(report.value("Original-Recipient", group: 1) == "utf-8; usüer+x@example.org")
        #expect(report.value("Final-Recipient", group: 1) == "utf-8; jörg@example.net")
    }

    @Test(
        "ORCPT in any shape gives one safe field",
        arguments: [
            ["rfc822;a+2Bb@example.org", "rfc822; a+b@example.org"], ["RFC822;x", "RFC822; x"],
            ["x400;/C+3Dde/", "x400; /C=de/"],
            ["rfc822;a+0D+0AB:+20x@example.org", "rfc822; a\\x{2B}0D\\x{2B}0AB:\\x{2B}20x@example.org"],
            ["rfc822;bad+G", "rfc822; bad\\x{2B}G"], ["nonsense", "rfc822; nonsense"],
            ["utf-8;\\x{110000}\\x{\\", "utf-8; \\x{5C}x{110000}\\x{5C}x{\\x{5C}"],
        ]
    )
    func originalRecipient(_ row: [String]) throws {
        let report = try ParsedReport(try notification([try Self.recipient(orcpt: row[0])]).write())
        #expect(report.value("Original-Recipient", group: 1) == row[1])
    }
}
