import Delivery
import Logging
import MailQueue
import NIOCore
import NIOPosix
import SMTP
import Synchronization
import Testing

@Suite("RFC 5321 section 4.5.4.1: what a destination is sent, and when", .timeLimit(.minutes(5)))
struct DeliveryDispatcherTests {
    private let mx = Destination(route: "internet", domain: "a.example")
    private let other = Destination(route: "internet", domain: "b.example")
    private static let down = TransportFailure(
        reply: Reply(451, .init(4, 1), "Nobody there"),
        host: nil,
        isDestinationTrouble: true
    )

    /// Runs a dispatcher for as long as the body.
    private func run(
        limits: ThrottleLimits = ThrottleLimits(),
        settings: DispatchSettings = DispatchSettings(),
        hooks: any DeliveryStages = NoDeliveryStages(),
        routes: Set<String> = ["internet"],
        _ body: @escaping @Sendable (DispatchHarness) async throws -> Void
    ) async throws {
        let clock = ManualClock()
        let source = ScriptedSource()
        let transport = ScriptedTransport()
        let throttles = ThrottleTable(clock: clock) { _ in limits }
        let dispatcher = DeliveryDispatcher(
            source: source,
            eventLoops: MultiThreadedEventLoopGroup.singleton,
            throttles: throttles,
            settings: settings,
            hooks: hooks,
            clock: clock,
            logger: .quiet
        ) { routes.contains($0.route) ? transport : nil }
        let harness = DispatchHarness(
            dispatcher: dispatcher,
            source: source,
            transport: transport,
            throttles: throttles,
            clock: clock
        )
        try await withThrowingTaskGroup { group in
            group.addTask { await dispatcher.run() }
            defer {
                dispatcher.shutDown()
                transport.letGo()
            }
            try await body(harness)
        }
        #expect(transport.open == 0, "each session is closed")
    }

    private func mail(_ address: String, _ destination: Destination? = nil) throws -> DeliveryJob {
        try job(to: [try recipient(address)], destination: destination ?? self.mx)
    }

    @Test("Jobs of a destination go over one session")
    func reuse() async throws {
        try await self.run { harness in
            harness.transport.state.withLock { $0.isHeld = true }
            harness.source.add(try self.mail("1@a.example"))
            #expect(try await harness.until { harness.transport.open == 1 })
            harness.source.state.withLock {
                $0.jobs[self.mx] = (try? [self.mail("2@a.example"), self.mail("3@a.example")]) ?? []
            }
            harness.transport.letGo()
            #expect(try await harness.until { harness.source.finished.count == 3 })
            #expect(harness.source.finished == (1...3).map { "\($0)@a.example relayed 250 2.0.0" })
            #expect(harness.transport.opened == 1)
        }
    }

    @Test("A session that cannot be used again is followed by another")
    func noReuse() async throws {
        try await self.run { harness in
            harness.transport.state.withLock { $0.isReusable = false }
            harness.source.add(try self.mail("1@a.example"), try self.mail("2@a.example"))
            #expect(try await harness.until { harness.source.finished.count == 2 })
            #expect(harness.transport.opened == 2)
        }
    }

    @Test("No more sessions at a time than the limit", arguments: [1, 3])
    func concurrency(limit: Int) async throws {
        try await self.run(limits: ThrottleLimits(concurrency: limit)) { harness in
            harness.transport.state.withLock { $0.isHeld = true }
            for number in 0..<10 { harness.source.add(try self.mail("\(number)@a.example")) }
            #expect(try await harness.until { harness.transport.open == limit })
            try await harness.settle()
            #expect(harness.transport.state.withLock { $0.mostOpen } == limit)
            harness.transport.letGo()
            #expect(try await harness.until { harness.source.finished.count == 10 })
            #expect(harness.transport.state.withLock { $0.mostOpen } == limit)
        }
    }

    @Test("Sessions in all are limited, and who was passed over gets his turn")
    func maximumSessions() async throws {
        var settings = DispatchSettings()
        settings.maximumSessions = 1
        try await self.run(settings: settings) { harness in
            harness.transport.state.withLock { $0.isHeld = true }
            harness.source.add(try self.mail("1@a.example"))
            #expect(try await harness.until { harness.transport.open == 1 })
            harness.source.add(try self.mail("1@b.example", self.other))
            try await harness.settle()
            #expect(harness.transport.opened == 1)
            harness.transport.letGo()
            #expect(try await harness.until { harness.source.finished.count == 2 })
        }
    }

    @Test("A session that only waits for more gives its place to a destination that has mail")
    func idlePlaces() async throws {
        var settings = DispatchSettings()
        settings.maximumSessions = 2
        try await self.run(settings: settings) { harness in
            harness.source.state.withLock { $0.idles = true }
            for number in 0..<20 {
                let destination = Destination(route: "internet", domain: "d\(number).example")
                harness.source.add(try self.mail("1@d\(number).example", destination))
            }
            #expect(try await harness.until { harness.source.finished.count == 20 })
            #expect(harness.transport.state.withLock { $0.mostOpen } <= 2)
            // Nobody wants the places any more: shutdown sends them away.
            #expect(harness.transport.open > 0)
        }
    }

    @Test("A destination in trouble is left alone, then probed by one (S5321-4.5.4.1-02, S5321-4.5.4.1-06)")
    func backOff() async throws {
        try await self.run { harness in
            harness.transport.state.withLock { $0.openings = [Self.down] }
            harness.source.add(try self.mail("1@a.example"))
            #expect(try await harness.until { !harness.source.failures.isEmpty })
            #expect(harness.source.failures == ["internet/a.example 451"])
            // New mail waits for the end of the pause.
            harness.source.add(try self.mail("2@a.example"), try self.mail("3@a.example"), try self.mail("4@a.example"))
            try await harness.settle()
            #expect(harness.transport.opened == 1)
            // Another destination is not concerned.
            harness.source.add(try self.mail("1@b.example", self.other))
            #expect(try await harness.until { harness.source.finished == ["1@b.example relayed 250 2.0.0"] })
            // The pause is over: one session finds out.
            harness.transport.state.withLock { $0.isHeld = true }
            harness.clock.advance(by: .seconds(70))
            for _ in 0..<3 { harness.source.invite(self.mx) }
            #expect(try await harness.until { harness.transport.open == 1 })
            try await harness.settle()
            #expect(harness.transport.open == 1)
            harness.transport.letGo()
            #expect(try await harness.until { harness.source.finished.count == 4 })
        }
    }

    @Test(
        "421 to the mail is trouble of the destination, 550 is not",
        arguments: [(421, false), (550, true), (450, true)]
    )
    func repliesAndPauses(code: Int, goesOn: Bool) async throws {
        try await self.run(limits: ThrottleLimits(concurrency: 1)) { harness in
            let reply = Reply(try #require(ReplyCode(code)), nil, "No")
            harness.transport.state.withLock { state in
                state.replies = [reply]
                state.isReusable = false
            }
            harness.source.add(try self.mail("1@a.example"), try self.mail("2@a.example"))
            #expect(try await harness.until { harness.source.finished.count == (goesOn ? 2 : 1) })
            try await harness.settle()
            #expect(harness.source.finished.count == (goesOn ? 2 : 1))
            let snapshot = await harness.throttles.throttle(for: self.mx).snapshot
            #expect((snapshot.pausedUntil == nil) == goesOn)
        }
    }

    @Test("Destinations in a long pause take no places from others")
    func pausesTakeNoPlaces() async throws {
        var settings = DispatchSettings()
        settings.maximumSessions = 2
        try await self.run(settings: settings) { harness in
            harness.transport.state.withLock { $0.openings = Array(repeating: Self.down, count: 5) }
            for number in 0..<5 {
                let sick = Destination(route: "internet", domain: "sick\(number).example")
                harness.source.add(try self.mail("1@sick\(number).example", sick))
                #expect(try await harness.until { harness.source.failures.count == number + 1 })
                harness.source.add(try self.mail("2@sick\(number).example", sick))
            }
            harness.source.add(try self.mail("1@a.example"))
            #expect(try await harness.until { harness.source.finished.count == 1 })
        }
    }

    @Test(
        "A permanent failure of the destination fails what waits there, and nothing later (S5321-5.1-05, S5321-4.5.4.1-07)"
    )
    func permanent() async throws {
        try await self.run { harness in
            let failure = TransportFailure(
                reply: Reply(556, .init(1, 10), "Null MX"),
                host: nil,
                isDestinationTrouble: false
            )
            harness.transport.state.withLock { $0.openings = [failure] }
            harness.source.add(try self.mail("1@a.example"))
            #expect(try await harness.until { harness.source.failures == ["internet/a.example 556 permanent"] })
            // No pause: the next message is tried at once.
            harness.source.add(try self.mail("2@a.example"))
            #expect(try await harness.until { harness.source.finished.count == 1 })
        }
    }

    @Test("No more messages per period than the limit, and no connection that only waits")
    func rate() async throws {
        let limits = ThrottleLimits(concurrency: 5, messages: 2, period: .seconds(3600))
        try await self.run(limits: limits) { harness in
            for number in 0..<5 { harness.source.add(try self.mail("\(number)@a.example")) }
            #expect(try await harness.until { harness.source.finished.count == 2 })
            #expect(try await harness.until { harness.transport.open == 0 })
            let opened = harness.transport.opened
            for _ in 0..<3 { harness.source.invite(self.mx) }
            try await harness.settle()
            #expect(harness.source.finished.count == 2)
            #expect(harness.transport.opened == opened)
            #expect(harness.source.waiting(self.mx) == 3)
            harness.clock.advance(by: .seconds(1801))
            harness.source.invite(self.mx)
            #expect(try await harness.until { harness.source.finished.count == 3 })
            try await harness.settle()
            #expect(harness.source.finished.count == 3)
        }
    }

    @Test("The operator suspends a destination, and resumes it")
    func suspension() async throws {
        try await self.run { harness in
            await harness.throttles.throttle(for: self.mx).suspend()
            harness.source.add(try self.mail("1@a.example"), try self.mail("1@b.example", self.other))
            #expect(try await harness.until { harness.source.finished == ["1@b.example relayed 250 2.0.0"] })
            try await harness.settle()
            #expect(harness.source.waiting(self.mx) == 1)
            await harness.throttles.throttle(for: self.mx).resume()
            harness.source.invite(self.mx)
            #expect(try await harness.until { harness.source.finished.count == 2 })
        }
    }

    @Test("A suspension lets the transaction under way end, and no more")
    func suspensionUnderWay() async throws {
        try await self.run(limits: ThrottleLimits(concurrency: 1)) { harness in
            harness.transport.state.withLock { $0.isHeld = true }
            harness.source.add(try self.mail("1@a.example"), try self.mail("2@a.example"))
            #expect(try await harness.until { harness.transport.open == 1 })
            await harness.throttles.throttle(for: self.mx).suspend()
            harness.transport.letGo()
            #expect(try await harness.until { harness.transport.open == 0 })
            #expect(harness.source.finished.count == 1)
            #expect(harness.source.waiting(self.mx) == 1)
        }
    }

    @Test("A destination without a route is tried again")
    func noRoute() async throws {
        try await self.run(routes: []) { harness in
            harness.source.add(try self.mail("1@a.example"))
            #expect(try await harness.until { harness.source.finished == ["1@a.example deferred 451 4.4.4"] })
        }
    }

    @Test("Shutdown lets transactions end, and begins none")
    func shutDown() async throws {
        try await self.run(limits: ThrottleLimits(concurrency: 1)) { harness in
            harness.transport.state.withLock { $0.isHeld = true }
            harness.source.add(try self.mail("1@a.example"), try self.mail("2@a.example"))
            #expect(try await harness.until { harness.transport.open == 1 })
            harness.dispatcher.shutDown()
            harness.transport.letGo()
            #expect(try await harness.until { harness.transport.open == 0 })
            #expect(harness.source.finished == ["1@a.example relayed 250 2.0.0"])
            #expect(harness.source.waiting(self.mx) == 1)
        }
    }

    private struct Refusing: DeliveryStages {
        let reply: Reply
        func willDeliver(_ job: DeliveryJob) async -> DeliveryPermission { .refuse(self.reply) }
        func release(_ sent: DeliveryJob, original: DeliveryJob) async {}
        func delivered(_ job: DeliveryJob, _ reports: [RecipientReport]) async {}
    }

    @Test("Plugins may refuse a delivery, for now or for good", arguments: [(451, "deferred"), (550, "failed")])
    func refusal(code: Int, result: String) async throws {
        let hooks = Refusing(reply: Reply(try #require(ReplyCode(code)), .init(7, 1), "Not now"))
        try await self.run(hooks: hooks) { harness in
            harness.source.add(try self.mail("1@a.example"))
            #expect(
                try await harness.until {
                    harness.source.finished == ["1@a.example \(result) \(code) \(code / 100).7.1"]
                }
            )
            #expect(harness.transport.state.withLock { $0.delivered } == 0)
        }
    }
}
