import MailHubPlugin
import MailHubPluginTesting
import Synchronization
import Testing

@Suite("Every stage: a plugin that fails does what its configuration says")
struct FailureTests {
    struct Row: CustomTestStringConvertible, Sendable {
        let stage: ProbedStage
        let behaviour: Behaviour
        let ignores: Bool
        var testDescription: String {
            "\(self.stage.rawValue): \(self.behaviour), onFailure \(self.ignores ? "ignore" : "defer")"
        }

        /// What the client hears.
        var reply: String {
            switch self.stage {
            case .queued, .disconnect, .deliveryOutcome: "250 2.0.0"
            case .connect: self.ignores ? "220 " : "421 "
            case .resolver: "451 4.4.3"  // never "unknown user"
            case .hello, .sender, .recipient: self.ignores ? "250" : "451 4.3.0"
            case .data: self.ignores ? "354" : "451 4.3.0"
            case .header, .message, .recipientMessage, .route: self.ignores ? "250 2.0.0" : "451 4.3.0"
            case .delivery: self.ignores ? "sent" : "451 4.3.0"
            }
        }

        /// Whether the plugins behind it are asked: always where they are only told.
        var reachesNext: Bool {
            switch self.stage {
            case .queued, .disconnect, .deliveryOutcome: true
            default: self.ignores
            }
        }
    }

    static let rows = ProbedStage.allCases.flatMap { stage in
        [Behaviour.throw, .hang, .hangOn].flatMap { behaviour in
            [false, true].map { Row(stage: stage, behaviour: behaviour, ignores: $0) }
        }
    }

    @Test("It throws, or outlives its time limit", arguments: Self.rows)
    func failure(_ row: Row) async throws {
        let scribe = Scribe()
        defer { scribe.release() }
        let behaviour = row.behaviour
        let hub = try TestHub([
            row.stage.probe("probe", scribe, ignoresFailure: row.ignores) { behaviour },
            row.stage.probe("next", scribe, ignoresFailure: row.ignores) { .next },
        ])
        let drive = StageDrive(hub: hub)
        let reply: String
        if case .throw = behaviour {
            reply = try await drive.reply(at: row.stage)
        } else {
            reply = try await drive.reply(at: row.stage, whileHanging: scribe)
        }
        #expect(reply.hasPrefix(row.reply), "\(reply)")
        if case .hang = behaviour { try await scribe.has("probe cancelled") }
        if row.reachesNext { try await scribe.has("next \(row.stage.rawValue)") }
        #expect(scribe.count("next \(row.stage.rawValue)") == (row.reachesNext ? 1 : 0))
    }

    @Test(
        "An answer behind the time limit is thrown away: the plugins behind it are asked once",
        arguments: [false, true]
    )
    func late(ignores: Bool) async throws {
        let scribe = Scribe()
        defer { scribe.release() }
        let hub = try TestHub([
            ProbedStage.sender.probe("probe", scribe, ignoresFailure: ignores) { .answerLate },
            ProbedStage.sender.probe("next", scribe, ignoresFailure: ignores) { .next },
        ])
        let reply = try await StageDrive(hub: hub).reply(at: .sender, whileHanging: scribe)
        #expect(reply.hasPrefix(ignores ? "250" : "451"), "\(reply)")
        scribe.release()
        try await scribe.has("probe late")
        await hub.advance(by: .seconds(1))
        #expect(scribe.count("next sender") == (ignores ? 1 : 0))
    }

    @Test(
        "A resolver fails, which is to be ignored: another one may know the recipient, and none may say that it is unknown",
        arguments: [Behaviour.throw, .hang]
    )
    func otherResolvers(_ behaviour: Behaviour) async throws {
        for (answer, expected) in [
            (RecipientResolution.found(ResolvedRecipient()), "250"), (.notFound, "451 4.4.3"), (.next, "451 4.4.3"),
        ] {
            let scribe = Scribe()
            defer { scribe.release() }
            let hub = try TestHub([
                ProbedStage.resolver.probe("probe", scribe, ignoresFailure: true) { behaviour },
                .init(named: "other") { _, _ in Answering(answer: answer) },
            ])
            let drive = StageDrive(hub: hub)
            let reply =
                if case .throw = behaviour {
                    try await drive.reply(at: .resolver)
                } else {
                    try await drive.reply(at: .resolver, whileHanging: scribe)
                }
            #expect(reply.hasPrefix(expected), "\(reply)")
        }
    }

    private struct Answering: RecipientResolver {
        let answer: RecipientResolution

        init(answer: RecipientResolution) { self.answer = answer }
        init(configuration: ConfigurationSection, services: PluginServices) { self.answer = .next }

        func resolve(_ mailbox: Mailbox, _ session: SessionContext) async throws -> RecipientResolution { self.answer }
    }

    @Test("A stage that a plugin sits out does not ask it")
    func idle() async throws {
        let hub = try TestHub([.init(HalfIdle.self)])
        let client = try await hub.connect()
        #expect(client.greeting.hasPrefix("220"))
        #expect(try await client.send("EHLO client.example.net").hasPrefix("550 5.7.1"))
        #expect(hub.plugins.map(\.stages) == [[.hello]])
    }

    private struct HalfIdle: ConnectHook, HelloHook {
        var idleStages: Set<Stage> { [.connect] }

        init(configuration: ConfigurationSection, services: PluginServices) {}

        func connected(_ session: SessionContext) async throws -> ConnectOutcome { throw CancellationError() }

        func hello(_ name: String, _ session: SessionContext) async throws -> HelloOutcome {
            .reject(Reply(550, EnhancedStatusCode(7, 1), "Not here"))
        }
    }

    @Test("A stage may have a time limit of its own", arguments: ProbedStage.allCases)
    func limits(_ stage: ProbedStage) async throws {
        let scribe = Scribe()
        let own = try #require(Stage(rawValue: stage.rawValue))
        let hub = try TestHub([stage.probe("probe", scribe, timeLimits: [own: .seconds(2)]) { .hang }])
        _ = try await StageDrive(hub: hub).reply(at: stage, whileHanging: scribe, 3)
        try await scribe.has("probe cancelled")
    }

    @Test("The limit of another stage is not its own")
    func otherLimit() async throws {
        let scribe = Scribe()
        let hub = try TestHub([
            ProbedStage.hello.probe("probe", scribe, timeLimits: [.sender: .seconds(2)]) { .hang }
        ])
        let drive = StageDrive(hub: hub)
        async let reply = drive.reply(at: .hello)
        try await scribe.has("probe hello")
        await hub.advance(by: .seconds(9))
        #expect(scribe.count("probe cancelled") == 0)
        await hub.advance(by: .seconds(2))
        #expect(try await reply.hasPrefix("451"))
    }

    static let asked: [ProbedStage] = [
        .connect, .hello, .sender, .resolver, .recipient, .data, .header, .message, .recipientMessage, .route,
    ]

    @Test("The client goes away: the plugin that is at work for it is cancelled", arguments: Self.asked)
    func clientGone(_ stage: ProbedStage) async throws {
        let scribe = Scribe()
        let hub = try TestHub([
            stage.probe("probe", scribe, ignoresFailure: true) { .hang },
            ProbedStage.disconnect.probe("end", scribe) { .next },
        ])
        let client = try await hub.connect(awaitingGreeting: stage != .connect)
        let lines = ["EHLO c", "MAIL FROM:<a@b.example>", "RCPT TO:<ann@example.org>", "DATA", "\r\nHi", "."]
        await client.send(octets: Array(lines.map { "\($0)\r\n" }.joined().utf8))
        try await scribe.has("probe \(stage.rawValue)")
        await client.disconnect()
        try await scribe.has("probe cancelled")
        try await client.finished()
        #expect(scribe.count("end disconnect") == 1)
        let mayBeTaken = stage == .route  // nothing is lost when a message is taken whose client does not hear of it
        if !mayBeTaken { #expect(try await hub.messages.isEmpty) }
    }

    @Test("What has happened is told to the end, client or no client")
    func queuedIsNotCancelled() async throws {
        let scribe = Scribe()
        let hub = try TestHub([ProbedStage.queued.probe("probe", scribe) { .hang }])
        let client = try await hub.connect()
        _ = try await client.send("EHLO c.example")
        #expect(try await client.deliver(from: "a@b.example", to: ["ann@example.org"], "\r\nHi\r\n").hasPrefix("250"))
        try await scribe.has("probe queued")
        await client.disconnect()
        await hub.advance(by: .seconds(5))
        #expect(scribe.count("probe cancelled") == 0)
        await hub.advance(by: .seconds(6))
        try await scribe.has("probe cancelled")
        try await client.finished()
    }

    @Test(
        "The breaker opens after failures in a row, skips, lets one call through, and closes",
        arguments: [false, true]
    )
    func breaker(ignores: Bool) async throws {
        let scribe = Scribe()
        let isBroken = Toggle(true)
        let hub = try TestHub([
            ProbedStage.sender.probe("probe", scribe, ignoresFailure: ignores, breaksAfter: 3) {
                isBroken.value ? .throw : .next
            }
        ])
        let client = try await hub.connect()
        _ = try await client.send("EHLO c.example")
        let failed = ignores ? "250" : "451"
        func mail(_ reply: String, calls: Int, _ location: SourceLocation = #_sourceLocation) async throws {
            let answer = try await client.send("MAIL FROM:<a@example.net>")
            #expect(answer.hasPrefix(reply), "\(answer)", sourceLocation: location)
            #expect(scribe.count("probe sender") == calls, sourceLocation: location)
            _ = try await client.send("RSET")
        }
        for calls in 1...3 { try await mail(failed, calls: calls) }
        try await mail(failed, calls: 3)  // open
        await hub.advance(by: .seconds(31))
        try await mail(failed, calls: 4)  // one call: it fails
        try await mail(failed, calls: 4)
        await hub.advance(by: .seconds(31))
        isBroken.value = false
        try await mail("250", calls: 5)  // one call: it answers
        try await mail("250", calls: 6)
    }

    @Test("Edits of which one fails are not applied at all, and the plugin counts as failed")
    func halfEdits() async throws {
        struct Halfway: MessageHook {
            init(configuration: ConfigurationSection, services: PluginServices) throws {}
            func message(
                _ message: MessageContext,
                _ transaction: TransactionContext,
                _ session: SessionContext
            ) async throws -> MessageOutcome {
                .change([
                    .header(.append(name: "X-First", value: "there")), .header(.append(name: "Not a name:", value: "")),
                ])
            }
        }
        let hub = try TestHub([TestHub.Plugin(Halfway.self, ignoresFailure: true)])
        _ = try await StageDrive(hub: hub).reply(at: .message)
        let message = try #require(try await hub.messages.first)
        #expect(message.header.first(named: "X-First") == nil)
        let strict = try TestHub([TestHub.Plugin(Halfway.self)])
        #expect(try await StageDrive(hub: strict).reply(at: .message).hasPrefix("451 4.3.0"))
    }
}

/// A switch that a test turns.
final class Toggle: Sendable {
    private let state: Mutex<Bool>
    init(_ value: Bool) { self.state = Mutex(value) }
    var value: Bool {
        get { self.state.withLock { $0 } }
        set { self.state.withLock { $0 = newValue } }
    }
}
