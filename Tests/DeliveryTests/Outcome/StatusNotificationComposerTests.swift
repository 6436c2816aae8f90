import Delivery
import Glibc
import Logging
import MailQueue
import NIOCore
import NIOPosix
import SMTP
import Testing

@Suite("RFC 3461 section 6.1: notifications are messages that cause no notification (S3461-6.1-01, S5321-3.6.3-04)")
struct StatusNotificationComposerTests {
    private struct FixedClock: WallClock {
        let now = Timestamp(milliseconds: 1_700_000_000_000)
    }

    /// Runs a body with a composer over an empty directory of its own.
    private func withComposer(_ body: (StatusNotificationComposer, ContentDirectory) async throws -> Void) async throws
    {
        let path = "/tmp/composer-\(UInt64.random(in: 0...UInt64.max))"
        let made = unsafe mkdir(path, 0o700)
        try #require(made == 0)
        let pool = NIOThreadPool(numberOfThreads: 1)
        pool.start()
        let contents = ContentDirectory(path: path, pool: pool)
        let composer = StatusNotificationComposer(
            host: try #require(Domain("hub.example.org")),
            postmaster: try #require(Mailbox("postmaster@example.org")),
            contents: contents,
            clock: FixedClock(),
            logger: Logger(label: "test")
        )
        do { try await body(composer, contents) } catch { Issue.record(error) }
        try await pool.shutdownGracefully()
        unsafe rmdir(path)
    }

    private func request(
        to address: String = "sender@example.net",
        about recipient: String = "ann@example.com",
        content: StoredContent = .inline(ByteBuffer(string: "Subject: x\r\n\r\nbody\r\n")),
        returnContent: ReturnContent? = nil,
        count: Int = 1
    ) throws -> NotificationRequest {
        let mailbox = try #require(Mailbox(address))
        var envelope = Envelope(reversePath: .mailbox(mailbox))
        envelope.returnContent = returnContent
        envelope.envelopeIdentifier = "QQ1"
        let notice = RecipientNotice(
            recipient: EnvelopeRecipient(try #require(Mailbox(recipient)), originalRecipient: "rfc822;Ann@example.com"),
            event: .failed,
            reply: Reply(550, EnhancedStatusCode(1, 1), "No such mailbox"),
            host: "mx.example.com",
            lastAttempt: FixedClock().now
        )
        return NotificationRequest(
            returnAddress: mailbox,
            id: QueueID.make(at: FixedClock().now),
            envelope: envelope,
            arrival: FixedClock().now,
            content: content,
            notices: Array(repeating: notice, count: count)
        )
    }

    private func text(_ message: NewMessage) throws -> String {
        guard case .inline(let buffer) = message.content else {
            Issue.record("not inline")
            return ""
        }
        return String(buffer: buffer)
    }

    @Test("From <> to the return address, with NOTIFY=NEVER and without RET")
    func envelope() async throws {
        try await self.withComposer { composer, _ in
            let request = try self.request(returnContent: .full)
            let message = try #require(await composer.compose(request))
            #expect(message.isNotification)
            #expect(message.holdReason == nil)
            #expect(message.id != request.id)
            #expect(message.envelope.reversePath == .null)
            #expect(message.envelope.recipients.map(\.mailbox.description) == ["sender@example.net"])
            #expect(message.envelope.recipients.map(\.notify) == [[]])
            #expect(message.envelope.returnContent == nil)
            #expect(message.envelope.envelopeIdentifier == nil)
            #expect(message.envelope.body == nil)
            #expect(!message.envelope.isInternationalized)
            let text = try self.text(message)
            #expect(text.contains("Message-ID: <\(message.id)@hub.example.org>\r\n"))
            #expect(text.contains("\r\nOriginal-Envelope-Id: QQ1\r\n"))
            #expect(
                text.contains(
                    "\r\nOriginal-Recipient: rfc822; Ann@example.com\r\nFinal-Recipient: rfc822; ann@example.com\r\n"
                )
            )
            #expect(text.contains("\r\nSubject: x\r\n\r\nbody\r\n"))
        }
    }

    @Test("The envelope asks for what the notification needs")
    func extensions() async throws {
        try await self.withComposer { composer, _ in
            let eightBit = StoredContent.inline(ByteBuffer(string: "Subject: x\r\n\r\nü\r\n"))
            let full = try #require(await composer.compose(try self.request(content: eightBit, returnContent: .full)))
            #expect(full.envelope.body == .eightBitMIME)
            #expect(!full.envelope.isInternationalized)
            let sevenBit = try #require(
                await composer.compose(try self.request(about: "jörg@example.com", content: eightBit))
            )
            #expect(sevenBit.envelope.body == nil)
            #expect(!sevenBit.envelope.isInternationalized)
            let international = try #require(await composer.compose(try self.request(to: "jörg@example.net")))
            #expect(international.envelope.isInternationalized)
            #expect(international.envelope.body == .eightBitMIME)
        }
    }

    @Test("An original that cannot be read is left out")
    func unreadable() async throws {
        try await self.withComposer { composer, _ in
            let missing = StoredContent.file(name: "missing.eml", size: 200_000)
            let message = try #require(await composer.compose(try self.request(content: missing, returnContent: .full)))
            #expect(try self.text(message).contains("Content-Type: text/rfc822-headers\r\n"))
        }
    }

    @Test("Of a large original the header section is returned, and a large notification is a file")
    func large() async throws {
        try await self.withComposer { composer, contents in
            let spool = contents.spool(for: QueueID.make(at: FixedClock().now))
            try await spool.append(ByteBuffer(string: "Subject: x\r\n\r\n"))
            for _ in 0..<20 {
                try await spool.append(ByteBuffer(string: String(repeating: "0123456\r\n", count: 1000)))
            }
            let original = try await spool.finish()
            let message = try #require(
                await composer.compose(try self.request(content: original, returnContent: .full))
            )
            #expect(try self.text(message).contains("Content-Type: text/rfc822-headers\r\n"))

            let many = try #require(await composer.compose(try self.request(count: 1000)))
            guard case .file(_, let size) = many.content else {
                Issue.record("kept in memory")
                return
            }
            #expect(try await contents.prefix(of: many.content, upTo: size + 1).readableBytes == size)
            await contents.discard(original)
            await contents.discard(many.content)
        }
    }
}
