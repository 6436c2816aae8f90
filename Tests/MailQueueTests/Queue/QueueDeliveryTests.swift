import Logging
@testable import MailQueue
import NIOCore
import NIOPosix
import SMTP
import Testing

@Suite("The queue hands out work: S5321-4.5.4.1-01, S5321-4.2.1-01")
struct QueueDeliveryTests {
    let directory = TemporaryDirectory()

    @Test(arguments: Engine.allCases)
    func aMessageIsHandedOutOnceForEachDestination(engine: Engine) async throws {
        try await QueueHarness.run(try engine.open(self.directory)) { test in
            let new = message(to: "a@b.example", "x@c.example", "b@b.example")
            try await test.accept(new)
            let job = try #require(await test.job("b.example"))
            #expect(job.recipients.map(\.index) == [0, 2] && job.recipients.map(\.attempts) == [0, 0])
            #expect(job.id == new.id && job.content.text == new.content.text)
            #expect(job.envelope.reversePath == new.envelope.reversePath && job.envelope.recipients.isEmpty)
            #expect(await test.job("b.example") == nil)
            #expect(await test.job("c.example")?.recipients.map(\.index) == [1])
            #expect(await test.job("nowhere.example") == nil)
        }
    }

    @Test(arguments: Engine.allCases)
    func deliveredMessagesAreGone(engine: Engine) async throws {
        try await QueueHarness.run(try engine.open(self.directory)) { test in
            for _ in 0..<3 { try await test.accept(message(to: "a@b.example")) }
            for _ in 0..<3 { try await test.attempt("b.example", .delivered) }
            try await test.settled()
            #expect(try await test.statistics.messages == 0)
            #expect(await test.queue.activity == (0, 0))
            #expect(test.composer.requests.isEmpty)
        }
    }

    @Test(arguments: Engine.allCases)
    func deferredRecipientsComeAgain(engine: Engine) async throws {
        try await QueueHarness.run(try engine.open(self.directory)) { test in
            let new = message(to: "a@b.example")
            try await test.accept(new)
            for (attempt, seconds) in [300, 900, 1800, 3600].enumerated() {
                let job = try await test.attempt("b.example", .deferred, .busy)
                #expect(job.recipients.map(\.attempts) == [attempt])
                #expect(job.content.text == new.content.text)
                try await test.settled()
                #expect(await test.job("b.example") == nil)
                await test.advance(seconds - 1)
                #expect(await test.job("b.example") == nil)
                await test.advance(1)
            }
            let shown = try #require(try await test.queue.show(new.id)?.recipients.first)
            #expect(shown.attempts == 4 && shown.last?.reply == .busy && shown.last?.host == "mx.b.example")
        }
    }

    @Test(arguments: Engine.allCases)
    func recipientsOfOneJobGoTheirOwnWays(engine: Engine) async throws {
        try await QueueHarness.run(try engine.open(self.directory)) { test in
            try await test.accept(message(to: "a@b.example", "b@b.example", "c@b.example", "d@b.example"))
            let job = try #require(await test.job("b.example"))
            await test.queue.finish(
                job,
                [
                    RecipientReport(index: 0, result: .delivered, reply: .ok, host: nil),
                    RecipientReport(index: 1, result: .deferred, reply: .busy, host: nil),
                    RecipientReport(index: 2, result: .failed, reply: .unknown, host: nil),
                    // Nothing about the last one: put off.
                ]
            )
            try await test.settled()
            #expect(try await test.queue.show(job.id)?.recipients.map(\.position) == [1, 3])
            await test.advance(300)
            #expect(await test.job("b.example")?.recipients.map(\.index) == [1, 3])
        }
    }

    @Test func aJobThatIsGivenBackCountsNoAttempt() async throws {
        try await QueueHarness.run(try openSQLite(self.directory)) { test in
            try await test.accept(message(to: "a@b.example"))
            let job = try #require(await test.job("b.example"))
            await test.queue.giveBack(job)
            let again = try #require(await test.job("b.example"))
            #expect(again.id == job.id && again.recipients.map(\.attempts) == [0])
        }
    }

    @Test func whileAnOutcomeIsNotRecordedItsRecipientsAreNotHandedOut() async throws {
        let store = MemoryQueueStore(content: ContentDirectory(path: self.directory.path, pool: .singleton))
        try await QueueHarness.run(store) { test in
            try await test.accept(message(to: "a@b.example"))
            store.fail(with: .noSpace)
            try await test.attempt("b.example", .delivered)
            await test.advance(400)
            #expect(await test.job("b.example") == nil)
            #expect(try await test.statistics.messages == 1)
            store.fail(with: nil)
            await test.advance(1)
            await test.queue.handleInbox()
            #expect(try await test.statistics.messages == 0)
            #expect(await test.queue.activity == (0, 0))
        }
    }

    @Test func aFullStoreRefusesMessages() async throws {
        let store = MemoryQueueStore(content: ContentDirectory(path: self.directory.path, pool: .singleton))
        try await QueueHarness.run(store) { test in
            store.fail(with: .noSpace)
            await #expect(throws: StoreError.noSpace) { try await test.accept(message(to: "a@b.example")) }
            store.fail(with: nil)
            try await test.accept(message(to: "a@b.example"))
            #expect(await test.job("b.example") != nil)
        }
    }

    @Test func waitingWorkersAreServedInTheirOrder() async throws {
        try await QueueHarness.run(try openSQLite(self.directory)) { test in
            let queue = test.queue
            try await withThrowingTaskGroup(of: (Int, QueueID?).self) { group in
                for number in 0..<3 {
                    group.addTask {
                        (number, await queue.nextJob(for: .internet("b.example"), waitingUpTo: .seconds(60))?.id)
                    }
                    while queue.workers.count(at: .internet("b.example")) <= number { await Task.yield() }
                }
                var ids: [QueueID] = []
                for _ in 0..<3 {
                    let new = message(to: "a@b.example")
                    ids.append(new.id)
                    try await test.accept(new)
                }
                for try await (number, id) in group { #expect(id == ids[number]) }
            }
        }
    }

    @Test func aWorkerWaitsNoLongerThanItSaid() async throws {
        try await QueueHarness.run(try openSQLite(self.directory)) { test in
            let queue = test.queue
            async let job = queue.nextJob(for: .internet("b.example"), waitingUpTo: .seconds(5))
            while queue.workers.count(at: .internet("b.example")) == 0 { await Task.yield() }
            await test.advance(5)
            #expect(await job == nil)
        }
    }

    @Test func aCancelledWorkerLeavesAndTakesNothingWithIt() async throws {
        try await QueueHarness.run(try openSQLite(self.directory)) { test in
            let queue = test.queue
            await withTaskGroup { group in
                group.addTask {
                    #expect(await queue.nextJob(for: .internet("b.example"), waitingUpTo: .seconds(500)) == nil)
                }
                while queue.workers.count(at: .internet("b.example")) == 0 { await Task.yield() }
                group.cancelAll()
            }
            #expect(queue.workers.count(at: .internet("b.example")) == 0)
            try await test.accept(message(to: "a@b.example"))
            #expect(await test.job("b.example") != nil)
        }
    }

    @Test func theEndOfTheQueueSendsWorkersAway() async throws {
        let store = try openSQLite(self.directory)
        try await withThrowingTaskGroup(of: Void.self) { group in
            try await QueueHarness.run(store) { test in
                let queue = test.queue
                group.addTask {
                    #expect(await queue.nextJob(for: .internet("b.example"), waitingUpTo: .seconds(500)) == nil)
                    for await _ in queue.readyDestinations {}
                }
                while queue.workers.count(at: .internet("b.example")) == 0 { await Task.yield() }
            }
            try await group.waitForAll()
        }
    }

    @Test func workersAreInvitedToWhereWorkIs() async throws {
        try await QueueHarness.run(try openSQLite(self.directory)) { test in
            var destinations = test.queue.readyDestinations.makeAsyncIterator()
            try await test.accept(message(to: "a@b.example"))
            #expect(await destinations.next() == .internet("b.example"))
            // A worker that waits takes its work without an invitation.
            try await test.attempt("b.example", .delivered)
            let queue = test.queue
            async let job = queue.nextJob(for: .internet("b.example"), waitingUpTo: .seconds(5))
            while queue.workers.count(at: .internet("b.example")) == 0 { await Task.yield() }
            try await test.accept(message(to: "a@b.example"))
            #expect(await job != nil)
            try await test.accept(message(to: "a@c.example"))
            #expect(await destinations.next() == .internet("c.example"))
        }
    }

    @Test(arguments: Engine.allCases)
    func anUnreachableDestinationCountsAsAnAttemptForAllThatWait(engine: Engine) async throws {
        try await QueueHarness.run(try engine.open(self.directory)) { test in
            for _ in 0..<5 { try await test.accept(message(to: "a@b.example", "a@c.example")) }
            await test.queue.handleInbox()
            await test.queue.destinationFailed(.internet("b.example"), reply: .busy, host: nil, permanent: false)
            try await test.settled()
            #expect(await test.job("b.example") == nil)
            await test.advance(300)
            for _ in 0..<5 {
                let job = try await test.attempt("b.example", .delivered)
                #expect(job.recipients.map(\.attempts) == [1])
            }
            await test.queue.destinationFailed(.internet("c.example"), reply: .unknown, host: nil, permanent: true)
            try await test.settled()
            #expect(await test.job("c.example") == nil)
            #expect(test.composer.requests.count == 5)
        }
    }

    @Test func thousandsInTheStoreAreWorkedOffThroughASmallWindow() async throws {
        var settings = QueueSettings()
        settings.maximumActive = 40
        let store = try openSQLite(self.directory)
        for number in 0..<300 {
            // One destination has most of it.
            let domain = number % 10 == 0 ? "d\(number % 7).example" : "big.example"
            try await store.append(routed(message(to: "a@\(domain)")))
        }
        try await QueueHarness.run(store, settings: settings) { test in
            var delivered = 0
            for _ in 0..<200 {
                for domain in ["big.example"] + (0..<7).map({ "d\($0).example" }) {
                    while let job = await test.job(domain) {
                        await test.finish(job, .delivered)
                        delivered += 1
                    }
                }
                try await test.settled()
                #expect(await test.queue.activity.recipients <= 40)
                await test.advance(1)
                if try await test.statistics.messages == 0 { break }
            }
            #expect(delivered == 300)
        }
    }

    @Test func theQueueGoesOnAfterARestart() async throws {
        let clock = ManualClock()
        try await QueueHarness.run(try openSQLite(self.directory), clock: clock) { test in
            for _ in 0..<3 { try await test.accept(message(to: "a@b.example")) }
            try await test.attempt("b.example", .deferred, .busy)
            // One was taken and never finished, as by a crash.
            #expect(await test.job("b.example") != nil)
        }
        clock.advance(by: .seconds(10))
        try await QueueHarness.run(try openSQLite(self.directory), clock: clock) { test in
            try await test.attempt("b.example", .delivered)
            try await test.attempt("b.example", .delivered)
            #expect(await test.job("b.example") == nil)
            await test.advance(300)
            #expect(await test.job("b.example")?.recipients.map(\.attempts) == [1])
        }
    }

    @Test func aDamagedMessageIsMovedAsideAndTheOthersGoOn() async throws {
        let store = try openSQLite(self.directory)
        let lost = NewMessage(
            id: .make(at: Timestamp(milliseconds: 1_800_000_000_000)),
            envelope: Envelope(reversePath: .null, recipients: [EnvelopeRecipient(.test("a@b.example"))]),
            content: .file(name: "lost.eml", size: 3),
            arrival: Timestamp(milliseconds: 1_800_000_000_000)
        )
        let good = message(to: "a@b.example")
        for new in [lost, good] { try await store.append(routed(new)) }
        try await QueueHarness.run(store) { test in
            #expect(await test.job("b.example")?.id == good.id)
            #expect(await test.job("b.example") == nil)
            #expect(test.lines.contains(.critical, "a queued message is damaged"))
            let damaged = try await test.queue.list(QueueFilter(state: .damaged))
            #expect(damaged.messages.map(\.id) == [lost.id])
            #expect(damaged.messages.first?.damage == "the content file lost.eml is missing")
        }
    }
}
