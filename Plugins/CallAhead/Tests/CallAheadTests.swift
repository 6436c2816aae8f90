import MailHubPlugin
import PluginTestSupport
import Synchronization
import Testing

@testable import CallAhead

@Suite("CallAhead: does the next hop know the recipient?")
struct CallAheadTests {
    /// What happens in order: the next hop's state, a pause, and what the plugin says.
    struct Step: Sendable {
        var after = Duration.zero
        var address = "bob@example.org"
        /// What the next hop would say; `nil`: it must not be asked.
        var hop: RecipientProbeAnswer?
        let answer: String
    }
    struct Story: CustomTestStringConvertible, Sendable {
        let testDescription: String
        var configuration = "{}"
        let steps: [Step]
    }
    static let unknown = RecipientProbeAnswer.doesNotExist(Reply(550, EnhancedStatusCode(1, 1), "Who?"))
    static let down = RecipientProbeAnswer.unavailable("down")
    static let day = Duration.seconds(86_400)

    @Test(arguments: [
        Story(
            testDescription: "a recipient that exists is asked about once a day",
            steps: [
                .init(hop: .exists, answer: "found"), .init(after: .seconds(86_399), answer: "found"),
                .init(after: .seconds(1), hop: .exists, answer: "found"),
                .init(after: .seconds(86_399), answer: "found"),
            ]
        ),
        Story(
            testDescription: "one that does not, once an hour",
            steps: [
                .init(hop: unknown, answer: "not found"), .init(after: .seconds(3599), answer: "not found"),
                .init(after: .seconds(1), hop: .exists, answer: "found"), .init(answer: "found"),
            ]
        ),
        Story(
            testDescription: "one that has gone is gone at the next question",
            steps: [
                .init(hop: .exists, answer: "found"), .init(after: day, hop: unknown, answer: "not found"),
                .init(answer: "not found"), .init(after: .seconds(3600), hop: down, answer: "unavailable"),
            ]
        ),
        Story(
            testDescription: "a next hop that is down says nothing about anybody, and nothing is remembered of it",
            steps: [
                .init(hop: down, answer: "unavailable"), .init(hop: down, answer: "unavailable"),
                .init(hop: .exists, answer: "found"),
            ]
        ),
        Story(
            testDescription: "while it is down, who was there a month ago is still there, and nobody else",
            steps: [
                .init(hop: .exists, answer: "found"),
                .init(address: "eve@example.org", hop: unknown, answer: "not found"),
                .init(after: .seconds(30 * 86_400), hop: down, answer: "found"),
                .init(address: "eve@example.org", hop: down, answer: "unavailable"),
                .init(after: day, hop: down, answer: "unavailable"),
            ]
        ),
        Story(
            testDescription: "lifetimes as configured",
            configuration: #"{"positive": "10s", "negative": "5s", "keep": "20s"}"#,
            steps: [
                .init(hop: .exists, answer: "found"), .init(after: .seconds(9), answer: "found"),
                .init(after: .seconds(1), hop: down, answer: "found"),
                .init(after: .seconds(9), hop: down, answer: "found"),
                .init(after: .seconds(1), hop: down, answer: "unavailable"), .init(hop: unknown, answer: "not found"),
                .init(after: .seconds(4), answer: "not found"),
                .init(after: .seconds(1), hop: unknown, answer: "not found"),
            ]
        ),
        Story(
            testDescription: "other domains are other resolvers' business",
            configuration: #"{"domains": ["example.net"]}"#,
            steps: [
                .init(answer: "next"), .init(address: "bob@[192.0.2.1]", answer: "next"),
                .init(address: "bob@EXAMPLE.net", hop: .exists, answer: "found"),
                .init(address: "bob@example.NET", answer: "found"),
                .init(address: "Bob@example.net", hop: unknown, answer: "not found"),
            ]
        ),
        Story(
            testDescription: "bounded: what finds no room is asked about again",
            configuration: #"{"mostEntries": 1}"#,
            steps: [
                .init(address: "a@example.org", hop: unknown, answer: "not found"),
                .init(address: "b@example.org", hop: unknown, answer: "not found"),
                // Who exists takes the place of one who does not.
                .init(address: "b@example.org", hop: .exists, answer: "found"),
                .init(address: "b@example.org", answer: "found"),
                .init(address: "a@example.org", hop: unknown, answer: "not found"),
                .init(address: "c@example.org", hop: .exists, answer: "found"),
                .init(address: "c@example.org", hop: .exists, answer: "found"),
                .init(address: "b@example.org", answer: "found"),
            ]
        ),
        Story(
            testDescription: "hostile local parts are keys of their own",
            steps: [
                .init(address: #""b by x"@example.org"#, hop: .exists, answer: "found"),
                .init(address: #""b\" by x"@example.org"#, hop: unknown, answer: "not found"),
                .init(address: #""b by x"@example.org"#, answer: "found"),
            ]
        ),
    ])
    func answers(_ story: Story) async throws {
        var services = TestServices()
        let hop = ScriptedProbe()
        services.recipientProbe = hop
        let plugin = try services.make(
            CallAhead.self,
            story.configuration,
            servedDomains: ["example.org", "example.net"]
        )
        for (index, step) in story.steps.enumerated() {
            services.clock.advance(by: step.after)
            hop.set(step.hop)
            let mailbox = try #require(Mailbox(step.address))
            let answer = describe(try await plugin.resolve(mailbox, session()))
            #expect(answer == step.answer, "step \(index + 1)")
            #expect(hop.takeAsked() == (step.hop == nil ? [] : ["\(mailbox) by -"]), "step \(index + 1)")
        }
    }

    @Test("what is remembered survives a restart")
    func survivesRestart() async throws {
        var services = TestServices()
        let hop = ScriptedProbe()
        services.recipientProbe = hop
        hop.set(.exists)
        let mailbox = try #require(Mailbox("bob@example.org"))
        _ = try await services.make(CallAhead.self, "{}").resolve(mailbox, session())
        hop.set(nil)
        let second = try services.make(CallAhead.self, "{}")
        #expect(describe(try await second.resolve(mailbox, session())) == "found")
        #expect(services.counters.snapshot == ["exists": 1, "cached": 1])
    }

    @Test("a route of its own has answers of its own")
    func route() async throws {
        var services = TestServices()
        let hop = ScriptedProbe()
        services.recipientProbe = hop
        hop.set(.exists)
        let mailbox = try #require(Mailbox("bob@example.org"))
        _ = try await services.make(CallAhead.self, "{}").resolve(mailbox, session())
        _ = try await services.make(CallAhead.self, #"{"route": "store"}"#).resolve(mailbox, session())
        #expect(hop.takeAsked() == ["bob@example.org by -", "bob@example.org by store"])
    }

    @Test("a cache that cannot be used is as good as empty")
    func storeUnavailable() async throws {
        var services = TestServices()
        let hop = ScriptedProbe()
        services.recipientProbe = hop
        services.store.fail(with: StoreUnavailable("disk full"))
        let plugin = try services.make(CallAhead.self, "{}")
        let mailbox = try #require(Mailbox("bob@example.org"))
        for (answer, expected) in [(RecipientProbeAnswer.exists, "found"), (Self.unknown, "not found")] {
            hop.set(answer)
            #expect(describe(try await plugin.resolve(mailbox, session())) == expected)
        }
        #expect(services.counters["cache-unavailable"] == 4)
    }

    @Test("many sessions that ask for one recipient are one question; a few more recipients wait for their turn")
    func joins() async throws {
        var services = TestServices()
        let hop = HeldProbe()
        services.recipientProbe = hop
        services.timeLimit = .seconds(3600)
        let plugin = try services.make(CallAhead.self, #"{"probes": 2, "patience": "1d"}"#)
        let answers = try await withThrowingTaskGroup(of: String.self) { group in
            func ask(_ address: String) {
                group.addTask { describe(try await plugin.resolve(recipient(address).mailbox, session())) }
            }
            for _ in 0..<10 { ask("a@example.org") }
            ask("b@example.org")
            await hop.waitFor(2)
            for number in 0..<9 { ask("c\(number)@example.org") }
            // Eight wait; the ninth is not answered later, but now.
            #expect(try await group.next() == "unavailable")
            await hop.release()
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(answers == Array(repeating: "found", count: 19))
    }

    @Test(
        "a place that becomes free goes to the next in the row, whatever the others wait for; who is known waits for nobody"
    )
    func row() async throws {
        var services = TestServices()
        let hop = HeldProbe()
        services.recipientProbe = hop
        services.timeLimit = .seconds(3600)
        let plugin = try services.make(CallAhead.self, #"{"probes": 2, "positive": "1h", "patience": "1d"}"#)
        func ask(_ address: String) async throws -> String {
            describe(try await plugin.resolve(recipient(address).mailbox, session()))
        }
        await hop.answer(["known@example.org", "first@example.org", "second@example.org"])
        #expect(try await ask("known@example.org") == "found")
        services.clock.advance(by: .seconds(3601))
        try await withThrowingTaskGroup(of: String.self) { group in
            for address in ["slow@example.org", "slower@example.org"] { group.addTask { try await ask(address) } }
            await hop.waitFor(2)
            let known = try await ask("known@example.org")
            #expect(known == "found")
            for address in ["first@example.org", "second@example.org"] { group.addTask { try await ask(address) } }
            await hop.release("slower@example.org")
            for _ in 0..<3 {
                let answer = try await group.next()
                #expect(answer == "found")
            }
            await hop.release()
        }
        #expect(services.counters["kept"] == 1)
    }

    @Test("a next hop that says nothing: who is remembered is accepted, others are deferred, and the plugin is in time")
    func silence() async throws {
        var services = TestServices()
        let hop = HeldProbe()
        services.recipientProbe = hop
        func ask(_ address: String, within limit: Duration) async throws -> String {
            services.timeLimit = limit
            let plugin = try services.make(CallAhead.self, #"{"positive": "1h"}"#)
            return describe(try await plugin.resolve(recipient(address).mailbox, session()))
        }
        let (soon, late) = (Duration.milliseconds(100), Duration.seconds(3600))
        await hop.answer(["known@example.org"])
        #expect(try await ask("known@example.org", within: late) == "found")
        services.clock.advance(by: .seconds(3601))
        await hop.answer([])
        #expect(try await ask("known@example.org", within: soon) == "found")
        #expect(try await ask("other@example.org", within: soon) == "unavailable")
        #expect(services.counters["kept"] == 1)
        // The answer that comes late is there at the next attempt.
        await hop.release()
        while services.counters["exists"] < 3 { await Task.yield() }
        #expect(try await ask("other@example.org", within: late) == "found")
    }

    @Test("a whole session: the next hop's answer is the reply to RCPT")
    func wholeSession() async throws {
        let hop = ScriptedProbe()
        let hub = try TestHub([.init(CallAhead.self)], recipientProbe: hop)
        let client = try await hub.connect()
        _ = try await client.send("EHLO client.example.net")
        _ = try await client.send("MAIL FROM:<a@example.net>")
        for (answer, reply) in [(Self.unknown, "550 5.1.1"), (Self.down, "451 4.4.3"), (.exists, "250 2.1.5")] {
            hop.set(answer)
            let address = reply.prefix(3)
            let said = try await client.send("RCPT TO:<u\(address)@example.org>")
            #expect(said.hasPrefix(reply), "\(said)")
        }
    }

    @Test("who waits too long for a place is not answered by it; whoever comes later finds the row as it should be")
    func patience() async {
        let hop = HeldProbe()
        let probes = ProbesUnderWay(most: 1, patience: .milliseconds(1))
        @Sendable func ask(_ name: String) async -> RecipientProbeAnswer {
            await probes.answer(for: name, mayWait: true, within: .seconds(3600)) {
                await hop.probe(recipient("\(name)@example.org").mailbox, route: nil)
            }
        }
        await withTaskGroup(of: RecipientProbeAnswer.self) { group in
            group.addTask { await ask("slow") }
            await hop.waitFor(1)
            for number in 0..<4 {
                let answer = await ask("late\(number)")
                #expect(text(answer) == "too many probes are under way")
            }
            await hop.release()
            let slow = await group.next()
            #expect(slow.map(text) == "exists")
        }
        let again = await ask("late0")
        #expect(text(again) == "exists")
    }

    private func text(_ answer: RecipientProbeAnswer) -> String {
        switch answer {
        case .exists: "exists"
        case .doesNotExist: "does not exist"
        case .unavailable(let reason): reason
        }
    }

    @Test("the operator sees what is remembered, asks again, and lets it be forgotten")
    func operates() async throws {
        var services = TestServices()
        let hop = ScriptedProbe()
        services.recipientProbe = hop
        let plugin = try services.make(CallAhead.self, "{}")
        func say(_ verb: String, _ arguments: [String] = ["bob@example.org"]) async throws -> [String] {
            try await plugin.operate(OperatorRequest(verb: verb, arguments: arguments)).lines
        }
        #expect(try await say("show") == ["nothing is remembered about bob@example.org"])
        hop.set(Self.unknown)
        #expect(try await say("ask") == ["bob@example.org does not exist: 550 5.1.1 Who?"])
        #expect(try await say("show") == ["bob@example.org did not exist at 2023-11-14T22:13:20Z: 550 5.1.1 Who?"])
        hop.set(.exists)
        #expect(try await say("ask") == ["bob@example.org exists"])
        #expect(try await say("show") == ["bob@example.org existed at 2023-11-14T22:13:20Z"])
        hop.set(Self.down)
        #expect(try await say("ask") == ["the next hop cannot be asked: down"])
        #expect(try await say("remove") == ["removed"])
        await #expect(throws: OperatorMistake.self) { try await say("remove") }
        await #expect(throws: OperatorMistake.self) { try await say("show", []) }
        await #expect(throws: OperatorMistake.self) { try await say("show", ["bob"]) }
        await #expect(throws: OperatorMistake.self) { try await say("drop") }
    }

    @Test("without a probe, nobody is unknown")
    func noProbe() async throws {
        let plugin = try TestServices().make(CallAhead.self, "{}")
        let mailbox = try #require(Mailbox("bob@example.org"))
        #expect(describe(try await plugin.resolve(mailbox, session())) == "unavailable")
    }

    @Test(
        "What is wrong is told when the hub starts",
        arguments: [
            [
                #"{"domains": ["example.org"], "route": "store", "positive": "1d", "negative": "1h", "keep": "1d", "probes": 5, "patience": "1s"}"#
            ],
            [#"{"domains": ["example.com"]}"#, "$.domains: the hub takes no mail for example.com"],
            [#"{"keep": "1h"}"#, "$.keep: what exists would be forgotten before it is asked about again"],
            [#"{"positive": "60d"}"#, "$.positive: what exists would be forgotten before it is asked about again"],
            [#"{"probes": 0}"#, "$.probes: 0 is out of range"], [#"{"domain": []}"#, "$.domain: unknown key"],
        ]
    )
    func tells(_ row: [String]) throws {
        #expect(try TestServices().read(CallAhead.self, row[0]).problems == Array(row.dropFirst()))
    }
}

private func describe(_ resolution: RecipientResolution) -> String {
    switch resolution {
    case .next: "next"
    case .found: "found"
    case .notFound: "not found"
    case .unavailable: "unavailable"
    }
}

/// A next hop that says what a test has set.
private final class ScriptedProbe: RecipientProbe {
    private let state = Mutex<(answer: RecipientProbeAnswer?, asked: [String])>((nil, []))

    func set(_ answer: RecipientProbeAnswer?) { self.state.withLock { $0.answer = answer } }

    func takeAsked() -> [String] {
        self.state.withLock { state in
            defer { state.asked = [] }
            return state.asked
        }
    }

    func probe(_ mailbox: Mailbox, route: String?) async -> RecipientProbeAnswer {
        self.state.withLock { state in
            state.asked.append("\(mailbox) by \(route ?? "-")")
            return state.answer ?? .unavailable("not to be asked")
        }
    }
}

/// A next hop that answers when it is told to.
private actor HeldProbe: RecipientProbe {
    private var waiting: [(address: String, continuation: CheckedContinuation<Void, Never>)] = []
    private var observer: (count: Int, CheckedContinuation<Void, Never>)?
    private var isReleased = false
    private var answered: Set<String> = []

    func probe(_ mailbox: Mailbox, route: String?) async -> RecipientProbeAnswer {
        if !self.isReleased, !self.answered.contains("\(mailbox)") {
            await withCheckedContinuation { continuation in
                self.waiting.append(("\(mailbox)", continuation))
                if let (count, observer) = self.observer, self.waiting.count == count { observer.resume() }
            }
        }
        return .exists
    }

    /// These are answered at once.
    func answer(_ addresses: Set<String>) { self.answered = addresses }

    func waitFor(_ count: Int) async {
        guard self.waiting.count < count else { return }
        await withCheckedContinuation { self.observer = (count, $0) }
    }

    func release(_ address: String) {
        for held in self.waiting where held.address == address { held.continuation.resume() }
        self.waiting.removeAll { $0.address == address }
    }

    func release() {
        self.isReleased = true
        for held in self.waiting { held.continuation.resume() }
        self.waiting = []
    }
}
