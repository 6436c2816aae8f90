import Foundation
import MailQueue
import NIOCore
import SMTP
import Testing

/// What every engine must do: a new engine is added to `Engine`, and passes.
@Suite("Every store engine")
struct StoreConformanceTests {
    let directory = TemporaryDirectory()
    let now = Timestamp(milliseconds: 1_800_000_000_000)
    var later: Timestamp { self.now + .seconds(3600) }
    var reply: Reply { Reply(450, EnhancedStatusCode(2, 0), lines: ["Busy", "come again"]) }

    @Test(arguments: Engine.allCases)
    func keepsEverythingAboutAMessage(engine: Engine) async throws {
        let store = try engine.open(self.directory)
        var recipient = EnvelopeRecipient(
            .test(#""odd name"@b.example"#),
            originalRecipient: "rfc822;UsEr+40x@b.example",
            notify: [.success, .delay],
            route: "special"
        )
        recipient.reversePath = .mailbox(.test("owner@lists.example"))
        var envelope = Envelope(
            reversePath: .mailbox(.test("SeNdEr@a.example")),
            recipients: [recipient, EnvelopeRecipient(.test("UsEr@[IPv6:2001:db8::1]"), notify: [])]
        )
        envelope.body = .eightBitMIME
        envelope.isInternationalized = true
        envelope.envelopeIdentifier = "QQ314159+2B"
        envelope.returnContent = .headers
        envelope.tlsRequirement = .required
        envelope.declaredSize = 4711
        // S5321-4.5.2-05: any octets come back as they went in.
        let octets = ByteBuffer(bytes: (0..<70_000).map { UInt8(truncatingIfNeeded: $0 &* 7919 >> 3) })
        let new = NewMessage(
            id: .make(at: self.now),
            envelope: envelope,
            content: .inline(octets),
            arrival: self.now,
            isNotification: true
        )
        var strict = Destination.internet("[IPv6:2001:db8::1]")
        strict.tls = .required
        let destinations: [Destination] = [.store, strict]
        try await store.append(RoutedMessage(new, destinations: destinations, due: self.later))
        let loaded = try #require(try await store.load(new.id, positions: nil, withContent: true))
        var expected = envelope
        expected.recipients = []
        #expect(loaded.envelope == expected)
        #expect(loaded.recipients.map(\.queued.recipient) == envelope.recipients)
        #expect(loaded.recipients.map(\.destination) == destinations)
        #expect(loaded.recipients.map(\.due) == [self.later, self.later])
        #expect(loaded.arrival == self.now && loaded.isNotification)
        guard case .inline(let content) = loaded.content else { return #expect(Bool(false), "not inline") }
        #expect(content == octets)
        let second = try await store.load(new.id, positions: [1, 7], withContent: false)
        #expect(second?.recipients.map(\.queued.index) == [1])
        #expect(second?.content.size == 0)
        #expect(try await store.load(QueueID(rawValue: 1), positions: nil, withContent: true) == nil)
        await store.close()
    }

    @Test(arguments: Engine.allCases)
    func aMessageIsStoredOnce(engine: Engine) async throws {
        let store = try engine.open(self.directory)
        let new = routed(message(to: "x@b.example"))
        try await store.append(new)
        await #expect(throws: StoreError.self) { try await store.append(new) }
        #expect(try await store.statistics().messages == 1)
        await store.close()
    }

    @Test(arguments: Engine.allCases)
    func anEmptyContentIsAContent(engine: Engine) async throws {
        let store = try engine.open(self.directory)
        let new = message(to: "x@b.example", content: "")
        try await store.append(routed(new))
        #expect(try await store.load(new.id, positions: nil, withContent: true)?.content.size == 0)
        await store.close()
    }

    @Test(arguments: Engine.allCases)
    func dueComesInOrderAndPages(engine: Engine) async throws {
        let store = try engine.open(self.directory)
        var keys: [RecipientKey] = []
        for minutes in [5, 3, 4, 1, 2] {
            let new = message(to: "x@b.example", "y@c.example")
            try await store.append(routed(new, due: self.now + .seconds(60 * minutes)))
            keys += [RecipientKey(id: new.id, position: 0), RecipientKey(id: new.id, position: 1)]
        }
        let held = message(to: "x@b.example", holdReason: "look at it")
        try await store.append(routed(held, due: self.now))
        var query = DueQuery(until: self.now + .seconds(240), limit: 3)
        var found: [RecipientKey] = []
        var pages = 0
        while true {
            let page = try await store.due(query)
            found += page.recipients.map(\.key)
            pages += 1
            query.after = page.last
            if page.isComplete { break }
        }
        #expect(found == [keys[6], keys[7], keys[8], keys[9], keys[2], keys[3], keys[4], keys[5]])
        #expect(pages == 3)
        await store.close()
    }

    @Test(arguments: Engine.allCases)
    func dueLeavesOutWhatIsKnownAndWhatIsOverTheShare(engine: Engine) async throws {
        let store = try engine.open(self.directory)
        var ids: [QueueID] = []
        for number in 0..<10 {
            let new = message(to: number == 9 ? "x@c.example" : "x@b.example")
            try await store.append(routed(new, due: self.now))
            ids.append(new.id)
        }
        var query = DueQuery(until: self.now, limit: 5)
        query.share = 4
        query.held = [.internet("b.example"): 1]
        query.excluding = [RecipientKey(id: ids[0], position: 0)]
        let page = try await store.due(query)
        #expect(page.recipients.map(\.key.id) == [ids[1], ids[2], ids[3], ids[9]])
        #expect(page.overShare == [.internet("b.example")])
        #expect(page.isComplete)
        var rest = DueQuery(until: self.now, destination: .internet("b.example"), limit: 2)
        rest.excluding = Set(ids[0...3].map { RecipientKey(id: $0, position: 0) })
        let behind = try await store.due(rest)
        #expect(behind.recipients.map(\.key.id) == [ids[4], ids[5]])
        #expect(!behind.isComplete)
        await store.close()
    }

    @Test(arguments: Engine.allCases)
    func anOutcomeIsRecordedAsAWhole(engine: Engine) async throws {
        let store = try engine.open(self.directory)
        let new = message(to: "a@b.example", "b@b.example", "c@b.example", "d@b.example")
        try await store.append(routed(new))
        let notification = message(from: "", to: "sender@a.example")
        let last = AttemptRecord(time: self.now, reply: self.reply, host: "mx.b.example")
        var outcome = OutcomeRecord(id: new.id, contentFile: nil)
        outcome.removed = [0]
        outcome.retries = [OutcomeRecord.Retry(position: 1, due: self.later, attempts: 3, last: last)]
        outcome.notices = [OutcomeRecord.Notice(position: 2, event: .expired, last: last)]
        outcome.warned = [3]
        outcome.additions = [routed(notification)]
        try await store.record(outcome)
        let loaded = try #require(try await store.load(new.id, positions: nil, withContent: false))
        #expect(loaded.recipients.map(\.queued.index) == [1, 2, 3])
        #expect(loaded.recipients.map(\.state) == [.waiting, .notifying, .waiting])
        #expect(loaded.recipients.map(\.queued.attempts) == [3, 0, 0])
        #expect(loaded.recipients.map(\.due) == [self.later, self.now, self.now])
        #expect(loaded.recipients.map(\.isWarned) == [false, false, true])
        #expect(loaded.recipients.map(\.last) == [last, last, nil])
        #expect(loaded.recipients.map(\.event) == [nil, .expired, nil])
        #expect(try await store.awaitingNotification(after: nil, limit: 10) == [new.id])
        #expect(try await store.awaitingNotification(after: new.id, limit: 10) == [])
        #expect(try await store.load(notification.id, positions: nil, withContent: true) != nil)
        let due = try await store.due(DueQuery(until: self.now, limit: 10))
        #expect(due.recipients.map(\.key.id) == [new.id, notification.id])
        await store.close()
    }

    @Test(arguments: Engine.allCases)
    func anOutcomeThatCannotBeRecordedChangesNothing(engine: Engine) async throws {
        let store = try engine.open(self.directory)
        let new = message(to: "a@b.example")
        try await store.append(routed(new))
        var outcome = OutcomeRecord(id: new.id, contentFile: nil)
        outcome.removed = [0]
        outcome.additions = [routed(new)]  // exists already
        await #expect(throws: StoreError.self) { try await store.record(outcome) }
        #expect(try await store.load(new.id, positions: nil, withContent: true)?.recipients.count == 1)
        await store.close()
    }

    @Test(arguments: Engine.allCases)
    func aMessageGoesWithItsLastRecipient(engine: Engine) async throws {
        let store = try engine.open(self.directory)
        self.directory.write([1, 2, 3], to: "content/large.eml")
        let large = NewMessage(
            id: .make(at: self.now),
            envelope: Envelope(
                reversePath: .null,
                recipients: [EnvelopeRecipient(.test("a@b.example")), EnvelopeRecipient(.test("b@b.example"))]
            ),
            content: .file(name: "large.eml", size: 3),
            arrival: self.now
        )
        try await store.append(routed(large))
        for position in [0, 1] {
            #expect(try await store.load(large.id, positions: nil, withContent: true)?.content.fileName == "large.eml")
            var outcome = OutcomeRecord(id: large.id, contentFile: "large.eml")
            outcome.removed = [position]
            try await store.record(outcome)
        }
        #expect(try await store.load(large.id, positions: nil, withContent: false) == nil)
        #expect(try await store.statistics().messages == 0)
        await store.close()
        // The file goes on a thread of its own, which has nothing else to do here.
        while self.directory.names("content") != [] { await Task.yield() }
    }

    @Test(arguments: Engine.allCases)
    func operatorsHoldReleaseRetryAndDelete(engine: Engine) async throws {
        let store = try engine.open(self.directory)
        let first = message(to: "a@b.example")
        let second = message(from: "Other@d.example", to: "b@c.example")
        for new in [first, second] { try await store.append(routed(new, due: self.later)) }
        func due(_ instant: Timestamp) async throws -> [QueueID] {
            try await store.due(DueQuery(until: instant, limit: 10)).recipients.map(\.key.id)
        }
        let unknown = QueueID(rawValue: 5)
        #expect(try await store.apply(.hold(reason: "spam?"), to: .ids([first.id, unknown])) == [first.id])
        #expect(try await due(self.later) == [second.id])
        #expect(try await store.show(first.id)?.holdReason == "spam?")
        #expect(try await store.list(QueueFilter(state: .held), after: nil, limit: 9).messages.map(\.id) == [first.id])
        #expect(try await store.apply(.retry(now: self.now), to: .matching(QueueFilter())) == [second.id])
        #expect(try await due(self.now) == [second.id])
        #expect(try await store.apply(.release(now: self.now), to: .ids([first.id])) == [first.id])
        #expect(try await due(self.now) == [first.id, second.id])
        #expect(try await store.show(first.id)?.holdReason == nil)
        let other = QueueSelection.matching(QueueFilter(sender: "other@"))
        #expect(try await store.apply(.delete, to: other) == [second.id])
        #expect(try await store.statistics().messages == 1)
        await store.close()
    }

    @Test(arguments: Engine.allCases)
    func listingsFilterAndPage(engine: Engine) async throws {
        let store = try engine.open(self.directory)
        var ids: [QueueID] = []
        for number in 0..<5 {
            let new = message(to: "user_\(number)@\(number % 2 == 0 ? "even" : "odd").example", "extra@c.example")
            try await store.append(routed(new))
            ids.append(new.id)
        }
        func list(_ filter: QueueFilter) async throws -> [QueueID] {
            try await store.list(filter, after: nil, limit: 10).messages.map(\.id)
        }
        let first = try await store.list(QueueFilter(), after: nil, limit: 3)
        #expect(first.messages.map(\.id) == Array(ids[0..<3]) && first.next == ids[2])
        let rest = try await store.list(QueueFilter(), after: first.next, limit: 3)
        #expect(rest.messages.map(\.id) == Array(ids[3..<5]) && rest.next == nil)
        #expect(try await list(QueueFilter(destination: "even.example")) == [ids[0], ids[2], ids[4]])
        #expect(try await list(QueueFilter(destination: "internet/odd.example")) == [ids[1], ids[3]])
        #expect(try await list(QueueFilter(destination: "internet")) == ids)
        #expect(try await list(QueueFilter(destination: "inter")) == [])
        #expect(try await list(QueueFilter(recipient: "USER_3@")) == [ids[3]])
        #expect(try await list(QueueFilter(recipient: "user%")) == [])
        let shown = try #require(first.messages.first)
        #expect(shown.sender == "sender@a.example" && shown.recipientCount == 2)
        #expect(shown.recipients.map(\.destination) == ["internet/even.example", "internet/c.example"])
        let statistics = try await store.statistics()
        #expect(statistics.messages == 5 && statistics.recipients == [.waiting: 10])
        #expect(statistics.destinations["internet/c.example"] == 5)
        #expect(statistics.oldest == self.now)
        await store.close()
    }

    @Test(arguments: Engine.allCases)
    func aMessageWithoutItsFileIsDamagedAndMovedAside(engine: Engine) async throws {
        let store = try engine.open(self.directory)
        let lost = NewMessage(
            id: .make(at: self.now),
            envelope: Envelope(reversePath: .null, recipients: [EnvelopeRecipient(.test("a@b.example"))]),
            content: .file(name: "lost.eml", size: 3),
            arrival: self.now
        )
        try await store.append(routed(lost))
        await #expect(throws: StoreError.damaged(lost.id, "the content file lost.eml is missing")) {
            try await store.load(lost.id, positions: nil, withContent: true)
        }
        try await store.setAside(lost.id, reason: "gone")
        #expect(try await store.due(DueQuery(until: self.later, limit: 10)).recipients == [])
        #expect(try await store.show(lost.id)?.damage == "gone")
        #expect(try await store.statistics().recipients == [.damaged: 1])
        #expect(try await store.apply(.release(now: self.now), to: .ids([lost.id])) == [lost.id])
        #expect(try await store.show(lost.id)?.damage == nil)
        await store.close()
    }

    @Test(arguments: Engine.allCases)
    func aMessageWithAShortenedFileIsDamaged(engine: Engine) async throws {
        let store = try engine.open(self.directory)
        let short = NewMessage(
            id: .make(at: self.now),
            envelope: Envelope(reversePath: .null, recipients: [EnvelopeRecipient(.test("a@b.example"))]),
            content: .file(name: "short.eml", size: 5),
            arrival: self.now
        )
        try Data("abc".utf8).write(to: URL(filePath: "\(self.directory.path)/content/short.eml"))
        try await store.append(routed(short))
        await #expect(throws: StoreError.damaged(short.id, "the content file short.eml has 3 octets instead of 5")) {
            try await store.load(short.id, positions: nil, withContent: true)
        }
        try Data("abcde".utf8).write(to: URL(filePath: "\(self.directory.path)/content/short.eml"))
        #expect(try await store.load(short.id, positions: nil, withContent: true)?.content.fileName == "short.eml")
        await store.close()
    }

    @Test(arguments: Engine.allCases)
    func aClosedStoreSaysSo(engine: Engine) async throws {
        let store = try engine.open(self.directory)
        await store.close()
        await #expect(throws: StoreError.self) { try await store.append(routed(message(to: "a@b.example"))) }
        await #expect(throws: StoreError.self) { try await store.statistics() }
        await store.close()
    }
}
