import MailHubPlugin
import NIOCore
import PluginTestSupport
import SizeLimits
import Testing

@Suite("RFC 1870 section 6: size limits")
struct SizeLimitsTests {
    static let configuration = """
        {
          "message": "2KiB",
          "listeners": { "mx": "1KiB", "submission": "4KiB" },
          "domains": { "example.org": "500" },
          "recipients": { "Fax@example.org": "100" }
        }
        """

    struct Row: CustomTestStringConvertible, Sendable {
        var configuration = SizeLimitsTests.configuration
        var listener = "mx"
        var recipient = "ann@example.net"
        var size: Int?
        let answer: String
        var testDescription: String { "\(self.size ?? -1) octets by \(self.listener) for \(self.recipient)" }
    }

    @Test(
        "MAIL: the declared size",
        arguments: [
            Row(answer: "limit 1024"), Row(size: 1024, answer: "limit 1024"), Row(size: 1025, answer: "552 5.3.4"),
            Row(listener: "submission", size: 4096, answer: "limit 4096"),
            Row(listener: "submission", size: 4097, answer: "552 5.3.4"),
            Row(listener: "other", size: 2048, answer: "limit 2048"),
            Row(listener: "other", size: 2049, answer: "552 5.3.4"),
            Row(configuration: "{}", size: .max, answer: "next"),
            Row(configuration: #"{"listeners": {"mx": "1KiB"}}"#, listener: "other", size: .max, answer: "next"),
        ]
    )
    func sender(_ row: Row) async throws {
        let outcome = try await plugin(row.configuration).sender(
            transaction(size: row.size),
            session(listener: row.listener)
        )
        #expect(describe(outcome) == row.answer)
    }

    @Test(
        "RCPT: what the recipient takes",
        arguments: [
            Row(size: 5000, answer: "next"), Row(recipient: "ann@example.org", answer: "limit 500"),
            Row(recipient: "ann@EXAMPLE.org", size: 500, answer: "limit 500"),
            Row(recipient: "ann@example.org", size: 501, answer: "552 5.3.4"),
            Row(recipient: "fAX@example.org", size: 100, answer: "limit 100"),
            Row(recipient: "fax@example.org", size: 101, answer: "552 5.3.4"),
            Row(recipient: "ann@sub.example.org", size: 501, answer: "next"),
            Row(recipient: "ann@[192.0.2.1]", size: 501, answer: "next"),
        ]
    )
    func recipient(_ row: Row) async throws {
        let recipient = EnvelopeRecipient(try #require(Mailbox(row.recipient)))
        let outcome = try await plugin(row.configuration).recipient(
            recipient,
            transaction(size: row.size),
            session(listener: row.listener)
        )
        #expect(describe(outcome) == row.answer)
    }

    @Test(
        "End of data: the real size",
        arguments: [
            Row(size: 1024, answer: "next"), Row(size: 1025, answer: "552 5.3.4"),
            Row(recipient: "ann@example.org", size: 500, answer: "next"),
            Row(recipient: "ann@example.org", size: 501, answer: "552 5.3.4"),
            Row(recipient: "fax@example.org", size: 101, answer: "552 5.3.4"),
            Row(configuration: "{}", size: .max, answer: "next"),
        ]
    )
    func message(_ row: Row) async throws {
        struct NoContent: MessageContent {
            let size: Int
            func forEachPiece(_ body: (ByteBuffer) async throws -> Void) async throws {}
        }
        let size = row.size ?? 0
        let message = MessageContext(header: HeaderSection(), size: size, content: NoContent(size: size))
        let recipients = [
            EnvelopeRecipient(try #require(Mailbox("ann@example.net"))),
            EnvelopeRecipient(try #require(Mailbox(row.recipient))),
        ]
        let outcome = try await plugin(row.configuration)
            .message(message, transaction(size: nil, recipients), session(listener: row.listener))
        #expect(describe(outcome) == row.answer)
    }

    @Test(
        "What is wrong is told when the hub starts",
        arguments: [
            [SizeLimitsTests.configuration],
            [#"{"message": "big"}"#, #"$.message: "big" is not a size such as "25MiB" or a number of octets"#],
            [#"{"message": 0}"#, "$.message: a limit of 0 lets no message through"],
            [#"{"domains": {"-": "1KiB"}}"#, #"$.domains["-"]: "-" is not a domain name"#],
            [#"{"recipients": {"ann": "1KiB"}}"#, #"$.recipients.ann: "ann" is not a mail address"#],
            [#"{"listener": {}}"#, "$.listener: unknown key"],
        ]
    )
    func tells(_ row: [String]) throws {
        #expect(try TestServices().read(SizeLimits.self, row[0]).problems == Array(row.dropFirst()))
    }
}
