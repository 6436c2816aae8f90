import Logging
@testable import MailQueue
import NIOPosix
import SMTP
import Testing

@Suite("Notifications: RFC 3461 sections 5.2 and 6, RFC 5321 sections 3.6.3 and 6.1")
struct QueueNotificationTests {
    let directory = TemporaryDirectory()

    /// One attempt for one recipient, and what its sender hears of it.
    struct Rule: CustomTestStringConvertible {
        let requirement: String
        var sender = "sender@a.example"
        var notify: NotifyConditions?
        let result: RecipientReport.Result
        var lateBy = 0
        let event: NotificationEvent?
        var testDescription: String {
            "\(self.requirement): \(self.notify?.parameterValue ?? "no NOTIFY"), \(self.result) after \(self.lateBy) s"
        }
    }

    @Test(arguments: [
        Rule(requirement: "S3461-5.2.6-01", result: .failed, event: .failed),
        Rule(requirement: "S3461-5.2.6-01", notify: .failure, result: .failed, event: .failed),
        Rule(requirement: "S3461-5.2.6-01", notify: [.success, .delay], result: .failed, event: nil),
        Rule(requirement: "S3461-5.2.2-02", notify: [], result: .failed, event: nil),
        Rule(requirement: "S3461-5.2.2-02", notify: [], result: .relayed(dsn: false), event: nil),
        Rule(requirement: "S3461-5.2.2-02", notify: [], result: .deferred, lateBy: 14400, event: nil),
        Rule(requirement: "S3461-5.2.3-01", notify: .success, result: .delivered, event: .delivered),
        Rule(requirement: "S3461-5.2.3-01", notify: .failure, result: .delivered, event: nil),
        Rule(requirement: "S3461-5.2.3-01", result: .delivered, event: nil),
        Rule(requirement: "S3461-5.2.2-01", notify: .success, result: .relayed(dsn: false), event: .relayed),
        Rule(requirement: "S3461-5.2.2-01", result: .relayed(dsn: false), event: nil),
        Rule(requirement: "S3461-5.2.1-01", notify: .success, result: .relayed(dsn: true), event: nil),
        Rule(requirement: "S3461-5.2.5-01", result: .deferred, lateBy: 14399, event: nil),
        Rule(requirement: "S3461-5.2.5-01", result: .deferred, lateBy: 14400, event: .delayed),
        Rule(requirement: "S3461-5.2.5-01", notify: .delay, result: .deferred, lateBy: 14400, event: .delayed),
        Rule(requirement: "S3461-5.2.5-01", notify: .failure, result: .deferred, lateBy: 14400, event: nil),
        Rule(requirement: "expiry", result: .deferred, lateBy: 5 * 86400, event: .expired),
        Rule(requirement: "expiry", notify: .delay, result: .deferred, lateBy: 5 * 86400, event: nil),
        Rule(requirement: "S5321-3.6.3-03", sender: "", result: .failed, event: nil),
        Rule(
            requirement: "S5321-4.5.4-01",
            sender: "",
            notify: .failure,
            result: .deferred,
            lateBy: 5 * 86400,
            event: nil
        ),
        Rule(requirement: "S5321-4.5.4-01", sender: "", notify: .success, result: .delivered, event: nil),
    ])
    func rule(_ rule: Rule) async throws {
        let store = MemoryQueueStore(content: ContentDirectory(path: self.directory.path, pool: .singleton))
        try await QueueHarness.run(store) { test in
            let recipient = EnvelopeRecipient(.test("a@b.example"), notify: rule.notify)
            let new = message(from: rule.sender, to: [recipient], at: test.clock.now)
            try await test.accept(new)
            await test.advance(rule.lateBy)
            try await test.attempt("b.example", rule.result, .busy)
            try await test.settled()
            let requests = test.composer.requests
            #expect(requests.flatMap(\.notices).map(\.event) == (rule.event.map { [$0] } ?? []))
            let isQueued = try await test.queue.show(new.id) != nil
            #expect(isQueued == (rule.result == .deferred && rule.lateBy < 5 * 86400))
            guard let request = requests.first, let notice = request.notices.first else { return }
            #expect(request.returnAddress == .test("sender@a.example") && request.id == new.id)
            #expect(request.content.text == new.content.text && request.arrival == new.arrival)
            #expect(notice.reply == .busy && notice.host == "mx.b.example" && notice.lastAttempt == test.clock.now)
            // S3464-2.3.9-01: only a delay says until when.
            #expect((notice.willRetryUntil != nil) == (notice.event == .delayed))
            // The notification itself is on its way.
            #expect(await test.job("a.example")?.envelope.reversePath == .null)
        }
    }

    @Test(arguments: Engine.allCases)
    func oneNotificationTellsOfAllRecipientsOfARound(engine: Engine) async throws {
        try await QueueHarness.run(try engine.open(self.directory)) { test in
            // S5321-4.4-18
            let new = message(to: "a@b.example", "b@c.example", "c@b.example", "d@d.example")
            try await test.accept(new)
            try await test.attempt("b.example", .failed, .unknown)
            try await test.settled()
            #expect(test.composer.requests.isEmpty)
            #expect(
                try await test.queue.show(new.id)?.recipients.map(\.state) == [
                    .notifying, .waiting, .notifying, .waiting,
                ]
            )
            try await test.attempt("c.example", .failed, .unknown)
            try await test.attempt("d.example", .delivered)
            try await test.settled()
            let request = try #require(test.composer.requests.first)
            #expect(test.composer.requests.count == 1)
            #expect(
                request.notices.map(\.recipient.mailbox.description) == ["a@b.example", "b@c.example", "c@b.example"]
            )
            #expect(try await test.queue.show(new.id) == nil)
            #expect(try await test.statistics.messages == 1)
        }
    }

    @Test func failuresDelaysAndSuccessesAreLettersOfTheirOwn() async throws {
        try await QueueHarness.run(try openSQLite(self.directory)) { test in
            var list = EnvelopeRecipient(.test("c@b.example"))
            list.reversePath = .mailbox(.test("owner@lists.example"))
            let new = message(
                to: [
                    EnvelopeRecipient(.test("a@b.example")), EnvelopeRecipient(.test("b@b.example"), notify: .success),
                    list,
                    EnvelopeRecipient(.test("d@b.example")),
                ],
                at: test.clock.now
            )
            try await test.accept(new)
            await test.advance(20_000)
            let job = try #require(await test.job("b.example"))
            let results: [RecipientReport.Result] = [.failed, .delivered, .failed, .deferred]
            await test.queue.finish(
                job,
                results.enumerated().map { RecipientReport(index: $0, result: $1, reply: .busy, host: nil) }
            )
            try await test.settled()
            let letters = test.composer.requests.map { "\($0.returnAddress): \($0.notices.map { "\($0.event)" })" }
            #expect(
                letters == [
                    #"sender@a.example: ["failed"]"#, #"sender@a.example: ["delivered"]"#,
                    #"owner@lists.example: ["failed"]"#, #"sender@a.example: ["delayed"]"#,
                ]
            )
        }
    }

    @Test(arguments: Engine.allCases)
    func aSenderIsWarnedOnce(engine: Engine) async throws {
        try await QueueHarness.run(try engine.open(self.directory)) { test in
            try await test.accept(message(to: "a@b.example", at: test.clock.now))
            await test.advance(15_000)
            for _ in 0..<3 {
                try await test.attempt("b.example", .deferred, .busy)
                try await test.settled()
                await test.advance(20_000)
            }
            #expect(test.composer.requests.count == 1)
            let retryUntil = test.composer.requests.first?.notices.first?.willRetryUntil
            #expect(retryUntil == Timestamp(milliseconds: 1_800_000_000_000) + .seconds(5 * 86400))
        }
    }

    @Test func aFailureDoesNotWaitForeverForTheOthers() async throws {
        try await QueueHarness.run(try openSQLite(self.directory)) { test in
            let new = message(to: "a@b.example", "b@c.example")
            try await test.accept(new)
            try await test.attempt("b.example", .failed, .unknown)
            try await test.settled()
            await test.advance(299)
            #expect(test.composer.requests.isEmpty)
            await test.advance(1)
            #expect(test.composer.requests.count == 1)
            #expect(test.composer.requests.first?.content.text == new.content.text)
            try await test.settled()
            #expect(try await test.queue.show(new.id)?.recipients.map(\.position) == [1])
        }
    }

    @Test func aCrashDoesNotLoseAFailureThatWasNotReportedYet() async throws {
        let clock = ManualClock()
        let new = message(to: "a@b.example", "b@c.example")
        try await QueueHarness.run(try openSQLite(self.directory), clock: clock) { test in
            try await test.accept(new)
            try await test.attempt("b.example", .failed, .unknown)
            try await test.settled()
            #expect(test.composer.requests.isEmpty)
        }
        try await QueueHarness.run(try openSQLite(self.directory), clock: clock) { test in
            #expect(test.composer.requests.count == 1)
            let notice = try #require(test.composer.requests.first?.notices.first)
            #expect(notice.event == .failed && notice.reply == .unknown && notice.host == "mx.b.example")
            try await test.settled()
            #expect(try await test.queue.show(new.id)?.recipients.map(\.position) == [1])
        }
        try await QueueHarness.run(try openSQLite(self.directory), clock: clock) { test in
            #expect(test.composer.requests.isEmpty)
        }
    }

    @Test func failuresWithoutNotificationAreLogged() async throws {
        try await QueueHarness.run(try openSQLite(self.directory)) { test in
            try await test.accept(message(from: "", to: "a@b.example"))
            try await test.attempt("b.example", .failed, .unknown)
            try await test.settled()
            #expect(try await test.statistics.messages == 0)
            #expect(test.lines.contains(.info, "failed; nobody is notified"))
        }
    }
}
