import MailHubPlugin
import MailHubPluginTesting
import Testing

@Suite("Every stage: plugins run, in order, and their veto reaches the client")
struct VetoTests {
    static let policy = Reply(550, EnhancedStatusCode(7, 1), "Nope")
    static let later = Reply(450, EnhancedStatusCode(7, 1), "Later")
    static let wrong = Reply(250, EnhancedStatusCode(0, 0), "Fine")

    @Test(
        "Two plugins at a stage are asked once each, in the order of the configuration",
        arguments: ProbedStage.allCases
    )
    func order(_ stage: ProbedStage) async throws {
        let scribe = Scribe()
        let hub = try TestHub([stage.probe("a", scribe) { .next }, stage.probe("b", scribe) { .next }])
        _ = try await StageDrive(hub: hub).reply(at: stage)
        try await scribe.has("b \(stage.rawValue)")
        #expect(scribe.notes == ["a \(stage.rawValue)", "b \(stage.rawValue)"])
    }

    @Test("accept ends the chain of its stage", arguments: ProbedStage.allCases)
    func accept(_ stage: ProbedStage) async throws {
        let scribe = Scribe()
        let hub = try TestHub([stage.probe("a", scribe) { .accept }, stage.probe("b", scribe) { .next }])
        _ = try await StageDrive(hub: hub).reply(at: stage)
        try await scribe.has("a \(stage.rawValue)")
        // Who is told has nothing to accept, and a delivery hook has no such answer.
        let isAsked = ![.queued, .disconnect, .delivery, .deliveryOutcome].contains(stage)
        #expect(scribe.count("b \(stage.rawValue)") == (isAsked ? 0 : 1))
    }

    struct Row: CustomTestStringConvertible, Sendable {
        let stage: ProbedStage
        let behaviour: Behaviour
        let reply: String
        var testDescription: String { "\(self.stage.rawValue): \(self.behaviour)" }

        init(_ stage: ProbedStage, _ behaviour: Behaviour, _ reply: String) {
            (self.stage, self.behaviour, self.reply) = (stage, behaviour, reply)
        }
    }

    /// What the client hears of each answer; with a reply of the wrong class, of the one that takes its place.
    static let rows: [Row] =
        [
            Row(.connect, .reject(Self.policy), "554 hub.example.org Nope"),
            Row(.connect, .reject(Self.wrong), "554 hub.example.org No service for you"),
            Row(.connect, .defer(Self.later), "421 4.7.1 hub.example.org Later"),
            Row(.connect, .defer(Self.wrong), "421 4.0.0 hub.example.org Fine"),
            Row(.resolver, .reject(Self.policy), "550 5.1.1 No such mailbox here"),
            Row(.resolver, .defer(Self.later), "451 4.4.3"),
            Row(.resolver, .next, "550 5.1.1 No such mailbox here"),
            Row(.delivery, .reject(Self.policy), "550 5.7.1 Nope"),
            Row(.delivery, .reject(Self.wrong), "554 5.7.1 Refused by policy"),
            Row(.delivery, .defer(Self.later), "450 4.7.1 Later"), Row(.delivery, .defer(Self.wrong), "451 4.3.0"),
            Row(.recipientMessage, .reject(Self.policy), "550 5.7.1 Nope"),
            Row(.recipientMessage, .reject(Self.wrong), "554 5.7.1 Refused by policy"),
            Row(.recipientMessage, .defer(Self.later), "450 4.7.1 Later"),
            Row(.recipientMessage, .defer(Self.wrong), "451 4.3.0"),
        ]
        + [ProbedStage.hello, .sender, .recipient, .data, .header, .message].flatMap { stage in
            let policy = [ProbedStage.header, .message].contains(stage) ? "554 5.7.1" : "550 5.7.1"
            return [
                Row(stage, .reject(Self.policy), "550 5.7.1 Nope"),
                Row(stage, .reject(Self.later), "\(policy) Refused by policy"),
                Row(stage, .reject(Self.wrong), "\(policy) Refused by policy"),
                Row(stage, .defer(Self.later), "450 4.7.1 Later"), Row(stage, .defer(Self.policy), "451 4.3.0"),
                Row(stage, .defer(Self.wrong), "451 4.3.0"), Row(stage, .disconnect(Self.policy), "550 5.7.1 Nope"),
                Row(stage, .disconnect(Self.later), "421 4.7.1 hub.example.org Later"),
                Row(stage, .disconnect(Self.wrong), "421 "),
            ]
        }

    @Test("The veto reaches the client; a reply of the wrong class is replaced", arguments: Self.rows)
    func veto(_ row: Row) async throws {
        let scribe = Scribe()
        let (stage, behaviour) = (row.stage, row.behaviour)
        let hub = try TestHub([stage.probe("a", scribe) { behaviour }, stage.probe("b", scribe) { behaviour }])
        let reply = try await StageDrive(hub: hub).reply(at: stage)
        #expect(reply.hasPrefix(row.reply), "\(reply)")
        if stage != .delivery { #expect(try await hub.messages.isEmpty) }
        if case .next = behaviour { return }
        #expect(scribe.count("b \(stage.rawValue)") == 0)
    }

    @Test(
        "disconnect closes the connection behind the reply",
        arguments: [ProbedStage.hello, .sender, .recipient, .data, .header, .message]
    )
    func disconnect(_ stage: ProbedStage) async throws {
        let hub = try TestHub([stage.probe("probe", Scribe()) { .disconnect(Self.policy) }])
        let client = try await hub.connect()
        await client.send(
            octets: Array("EHLO c\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<ann@example.org>\r\nDATA\r\n".utf8)
        )
        await client.send(octets: Array("\(StageDrive.content).\r\nNOOP\r\n".utf8))
        var last = ""
        while case let reply = try await client.nextReply(), !reply.isEmpty { last = reply }
        #expect(last == "550 5.7.1 Nope")
        try await client.finished()
    }

    @Test("A refused session refuses every command until QUIT")
    func refusedSession() async throws {
        let hub = try TestHub([ProbedStage.connect.probe("probe", Scribe()) { .reject(Self.policy) }])
        let client = try await hub.connect()
        #expect(try await client.send("EHLO c.example").hasPrefix("503"))
        #expect(try await client.send("MAIL FROM:<a@example.net>").hasPrefix("503"))
        #expect(try await client.send("QUIT").hasPrefix("221"))
    }

    @Test(
        "discard takes the message and throws it away",
        arguments: [ProbedStage.sender, .recipient, .header, .message, .recipientMessage]
    )
    func discard(_ stage: ProbedStage) async throws {
        let scribe = Scribe()
        let hub = try TestHub([
            stage.probe("probe", scribe) { .discard }, ProbedStage.queued.probe("watch", scribe) { .next },
        ])
        let reply = try await StageDrive(hub: hub).reply(at: .queued)
        #expect(reply.hasPrefix("250 2.0.0"), "\(reply)")
        #expect(try await hub.messages.isEmpty)
        #expect(scribe.count("watch queued") == 0)
    }

    @Test(
        "hold takes the message and keeps it in the queue",
        arguments: [ProbedStage.sender, .recipient, .header, .message, .recipientMessage]
    )
    func hold(_ stage: ProbedStage) async throws {
        let hub = try TestHub([stage.probe("probe", Scribe()) { .hold("look at it") }])
        let reply = try await StageDrive(hub: hub).reply(at: .queued)
        #expect(reply.hasPrefix("250 2.0.0"), "\(reply)")
        #expect(try await hub.messages.map { $0.holdReason } == ["look at it"])
    }
}
