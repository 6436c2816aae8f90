@testable import MailQueue
import SMTP
import Testing

@Suite("The operator's hands on the queue")
struct QueueOperatorTests {
    let directory = TemporaryDirectory()

    @Test(arguments: Engine.allCases)
    func heldMessagesWaitForTheirRelease(engine: Engine) async throws {
        try await QueueHarness.run(try engine.open(self.directory)) { test in
            let (first, second) = (message(to: "a@b.example"), message(to: "a@b.example", holdReason: "quarantine"))
            for new in [first, second] { try await test.accept(new) }
            await test.queue.handleInbox()
            #expect(try await test.queue.hold(.ids([first.id]), reason: "spam?") == [first.id])
            #expect(await test.job("b.example") == nil)
            #expect(try await test.queue.release(.matching(QueueFilter(state: .held))) == [first.id, second.id])
            #expect(await test.job("b.example")?.id == first.id)
            #expect(await test.job("b.example")?.id == second.id)
        }
    }

    @Test(arguments: Engine.allCases)
    func aMessageThatIsHeldWhileItIsTriedStaysHeld(engine: Engine) async throws {
        try await QueueHarness.run(try engine.open(self.directory)) { test in
            let new = message(to: "a@b.example")
            try await test.accept(new)
            let job = try #require(await test.job("b.example"))
            _ = try await test.queue.hold(.ids([new.id]), reason: "wait")
            await test.finish(job, .deferred, .busy)
            try await test.settled()
            #expect(try await test.queue.show(new.id)?.recipients.map(\.state) == [.held])
            await test.advance(400)
            #expect(await test.job("b.example") == nil)
        }
    }

    @Test(arguments: Engine.allCases)
    func waitingRecipientsAreTriedAtOnce(engine: Engine) async throws {
        try await QueueHarness.run(try engine.open(self.directory)) { test in
            let new = message(to: "a@b.example")
            try await test.accept(new)
            try await test.attempt("b.example", .deferred, .busy)
            try await test.settled()
            #expect(try await test.queue.retry(.matching(QueueFilter(destination: "b.example"))) == [new.id])
            #expect(await test.job("b.example")?.recipients.map(\.attempts) == [1])
            #expect(await test.job("b.example") == nil)
        }
    }

    @Test(arguments: Engine.allCases)
    func deletedMessagesAreGoneWithoutAWord(engine: Engine) async throws {
        try await QueueHarness.run(try engine.open(self.directory)) { test in
            let (first, second) = (message(to: "a@b.example"), message(to: "a@b.example", "b@c.example"))
            for new in [first, second] { try await test.accept(new) }
            let job = try #require(await test.job("b.example"))
            #expect(try await test.queue.delete(.matching(QueueFilter())) == [first.id, second.id])
            for domain in ["b.example", "c.example"] { #expect(await test.job(domain) == nil) }
            await test.finish(job, .deferred, .busy)
            try await test.settled()
            #expect(try await test.statistics.messages == 0)
            await test.advance(400)
            #expect(await test.job("b.example") == nil)
            #expect(test.composer.requests.isEmpty)
        }
    }

    @Test func suspendedDestinationsWait() async throws {
        try await QueueHarness.run(try openSQLite(self.directory)) { test in
            await test.queue.suspend(.internet("b.example"))
            try await test.accept(message(to: "a@b.example", "b@c.example"))
            #expect(await test.job("c.example") != nil)
            #expect(await test.job("b.example") == nil)
            #expect(await test.queue.suspendedDestinations == [.internet("b.example")])
            await test.queue.destinationFailed(.internet("b.example"), reply: .unknown, host: nil, permanent: true)
            await test.queue.resume(.internet("b.example"))
            #expect(await test.job("b.example")?.recipients.map(\.attempts) == [0])
        }
    }
}
