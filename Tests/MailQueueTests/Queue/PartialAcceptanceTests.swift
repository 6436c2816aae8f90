import MailQueue
import SMTP
import Testing

@Suite("RFC 3461 section 6: recipients that do not take a message which others take")
struct PartialAcceptanceTests {
    private let directory = TemporaryDirectory()

    private static func failure(_ address: String, notify: NotifyConditions? = nil) throws -> RecipientFailure {
        RecipientFailure(
            recipient: EnvelopeRecipient(try #require(Mailbox(address)), notify: notify),
            reply: Reply(550, EnhancedStatusCode(7, 1), "Not for me")
        )
    }

    @Test("Copies and the notification to the sender are stored together", arguments: Engine.allCases)
    func notifies(engine: Engine) async throws {
        try await QueueHarness.run(try engine.open(self.directory)) { test in
            let copies = [message(to: "a@b.example"), message(to: "c@b.example")]
            try await test.queue.accept(copies, failing: [try Self.failure("no@b.example")])
            #expect(try await test.statistics.messages == 3)
            let request = try #require(test.composer.requests.first)
            #expect(test.composer.requests.count == 1)
            #expect(request.id == copies[0].id)
            #expect(request.notices.map { $0.recipient.mailbox.description } == ["no@b.example"])
            #expect(request.notices.map { $0.event } == [.failed])
            #expect(request.notices.map { $0.reply.text } == ["Not for me"])
        }
    }

    @Test("Who asked for no notification gets none", arguments: Engine.allCases)
    func never(engine: Engine) async throws {
        try await QueueHarness.run(try engine.open(self.directory)) { test in
            let failure = try Self.failure("no@b.example", notify: NotifyConditions())
            try await test.queue.accept([message(to: "a@b.example")], failing: [failure])
            #expect(test.composer.requests.isEmpty)
            #expect(try await test.statistics.messages == 1)
        }
    }
}
