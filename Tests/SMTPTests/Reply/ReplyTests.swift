import NIOCore
import SMTP
import Testing

@Suite("RFC 5321 section 4.2, RFC 2034 section 4: replies as they are written")
struct ReplyTests {
    @Test(
        "S5321-4.2-02, S5321-4.2.1-03, S2034-4-01, S2034-4-02: code, enhanced code and text on every line",
        arguments: [
            (Reply(250, .init(0, 0), "OK"), "250 2.0.0 OK\r\n"), (Reply(354, "Go on"), "354 Go on\r\n"),
            (Reply(550, .init(1, 1), lines: ["a", "b"]), "550-5.1.1 a\r\n550 5.1.1 b\r\n"),
            (Reply(250, nil, lines: []), "250 \r\n"), (Reply(250, nil, lines: ["", "x"]), "250-\r\n250 x\r\n"),
            (Reply(451, .init(2000, -1), "x"), "451 4.999.0 x\r\n"),
            (Reply(550, .init(7, 1), "a\r\n250 OK\0\tb\u{7F}"), "550 5.7.1 a  250 OK  b \r\n"),
            (Reply(550, .init(7, 1), "Gr\u{FC}\u{DF}e"), "550 5.7.1 Gr??e\r\n"),
        ]
    )
    func write(_ reply: Reply, _ wire: String) {
        var buffer = ByteBuffer()
        reply.write(to: &buffer)
        #expect(String(buffer: buffer) == wire)
    }

    @Test("S5321-4.5.3.1.5-01: no line is longer than 512 octets", arguments: [0, 1, 500, 501, 502, 503, 1004, 5000])
    func longText(_ length: Int) {
        var buffer = ByteBuffer()
        let text = String(repeating: "x", count: length)
        Reply(550, .init(7, 1), text).write(to: &buffer)
        let lines = String(buffer: buffer).split(separator: "\r\n")
        #expect(lines.allSatisfy { $0.utf8.count + 2 <= 512 })
        #expect(lines.dropLast().allSatisfy { $0.hasPrefix("550-5.7.1 ") })
        #expect(lines.last?.hasPrefix("550 5.7.1 ") == true)
        #expect(lines.map { $0.dropFirst(10) }.joined() == text)
    }

    @Test(
        "S5321-4.2-08: codes that may be sent",
        arguments: [100, 199, 200, 259, 260, 299, 354, 421, 555, 559, 560, 600, -1]
    )
    func codes(_ value: Int) {
        let isRight = [200, 259, 354, 421, 555, 559].contains(value)
        #expect((ReplyCode(value) != nil) == isRight)
    }

    /// The replies that the hub gives by itself, with the registry of RFC 5248: subject and detail that go with the code.
    static let own: [Reply] = [
        .ok, .senderOK, .recipientOK, .helpText, .cannotVerify, .unrecognized, .lineTooLong, .bareLineEnd,
        .notImplemented,
        .helloFirst, .nestedMail, .mailFirst, .recipientFirst, .chunkingInProgress, .badSequence, .tooManyRecipients,
        .tooManyRecipientsOfClient, .messageTooLarge, .temporaryFailure, .directoryUnavailable, .noSuchMailbox,
        .relayingDenied, .domainTakesNoMail, .bareLineEndInContent, .mailLoop, .useLHLO, .refusedSession, .queued("x"),
        .closing(hostname: "h"), .shuttingDown(hostname: "h"), .timedOut(hostname: "h"), .tooManyErrors(hostname: "h"),
        .tooManyMessages(hostname: "h"), .tooManyMessagesOfClient(hostname: "h"), .tooManyConnections(hostname: "h"),
        .internalFault(hostname: "h"),
    ]
    /// Enhanced codes that the registry of RFC 5248 has, as far as the hub uses them.
    static let registered: Set<String> = [
        "0.0", "1.0", "1.1", "1.2", "1.5", "1.10", "3.0", "3.1", "3.2", "3.4", "4.2", "4.3", "4.6", "5.0", "5.1", "5.2",
        "5.3", "5.4", "6.0", "6.7", "7.0", "7.1",
    ]
    /// The codes of RFC 5321 section 4.2.3 and RFC 7504.
    static let known: Set<Int> = [
        211, 214, 220, 221, 250, 251, 252, 354, 421, 450, 451, 452, 455, 500, 501, 502, 503, 504, 521, 550, 551, 552,
        553,
        554, 555, 556,
    ]

    @Test("S5248-2-01, S3463-2-01, S5321-4.2-04: registered codes only", arguments: Self.own)
    func registeredCodes(_ reply: Reply) throws {
        let enhanced = try #require(reply.enhanced)
        #expect(Self.registered.contains("\(enhanced.subject).\(enhanced.detail)"))
        #expect(Self.known.contains(reply.code.value))
        let isForClosing = reply.code == 421 || reply.code == 221
        #expect(!isForClosing || reply.text.hasPrefix("h "), "S5321-4.2.2-02: the host first")
    }
}
