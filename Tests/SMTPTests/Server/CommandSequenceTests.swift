import SMTP
import Testing

@Suite("RFC 5321 section 4.1.4, RFC 3030 section 2, RFC 2033 section 4: order of commands")
struct CommandSequenceTests {
    /// Where a session can be when a command comes.
    enum State: String, CaseIterable, Sendable {
        case refused, greeted, ready, sender, recipient, chunks
    }
    enum Event: String, CaseIterable, Sendable {
        case hello, mail, rcpt, data, bdat, rset, noop
    }

    /// What each event comes to in each state: `ask` asks the hooks, `take` receives a chunk; digits are a reply.
    static let table: [State: [Event: String]] = [
        .refused: [
            .hello: "503", .mail: "503", .rcpt: "503", .data: "503", .bdat: "503", .rset: "503", .noop: "503",
        ],
        .greeted: [.hello: "ask", .mail: "503", .rcpt: "503", .data: "503", .bdat: "503", .rset: "250", .noop: "250"],
        .ready: [.hello: "ask", .mail: "ask", .rcpt: "503", .data: "503", .bdat: "503", .rset: "250", .noop: "250"],
        .sender: [.hello: "ask", .mail: "503", .rcpt: "ask", .data: "503", .bdat: "503", .rset: "250", .noop: "250"],
        .recipient: [
            .hello: "ask", .mail: "503", .rcpt: "ask", .data: "ask", .bdat: "ask", .rset: "250", .noop: "250",
        ],
        .chunks: [.hello: "ask", .mail: "503", .rcpt: "503", .data: "503", .bdat: "take", .rset: "250", .noop: "250"],
    ]

    static let envelope = Envelope(reversePath: .null)
    static let hello = CommandSequence.Hello(kind: .ehlo, name: "c.example")

    @Test("S5321-4.1.4-07: every pair of state and command", arguments: State.allCases, Event.allCases)
    func pair(_ state: State, _ event: Event) throws {
        var sequence = try Self.sequence(in: state)
        let before = (sequence.hello, sequence.envelope)
        let result = Self.feed(event, to: &sequence, hasRecipients: state == .recipient || state == .chunks)
        #expect(result == Self.table[state]?[event])
        // What was refused has changed nothing: the same command gets the same answer again.
        if result.hasPrefix("5") {
            #expect(sequence.hello == before.0)
            #expect(sequence.envelope == before.1)
            #expect(Self.feed(event, to: &sequence, hasRecipients: state == .recipient || state == .chunks) == result)
        }
    }

    @Test(
        "RFC 3207 section 4.2: STARTTLS forgets everything, and is refused in a transaction",
        arguments: State.allCases
    )
    func startTLS(_ state: State) throws {
        var sequence = try Self.sequence(in: state)
        switch state {
        case .refused:
            #expect(sequence.startTLS() == .refusedSession)
        case .greeted, .ready:
            #expect(sequence.startTLS() == nil)
            sequence.connected(isRefused: false)
            #expect(sequence.hello == nil)
            #expect(sequence.mail(Self.envelope) == .reply(.helloFirst))
        case .sender, .recipient, .chunks:
            let envelope = sequence.envelope
            #expect(sequence.startTLS() == .tlsInTransaction)
            #expect(sequence.envelope == envelope && sequence.hello == Self.hello)
        }
    }

    /// What each decision of the hooks leads to: the state is told by what NOOP-like probes say of it.
    @Test(arguments: [State.greeted, .ready, .sender, .recipient, .chunks], [true, false])
    func helloDecided(_ state: State, _ isAccepted: Bool) throws {
        var sequence = try Self.sequence(in: state)
        let before = (sequence.hello, sequence.envelope)
        let other = CommandSequence.Hello(kind: .helo, name: "d.example")
        #expect(sequence.hello(other) == .askHooks)
        #expect(sequence.envelope == before.1, "kept while the hooks are asked")
        if isAccepted {
            #expect(sequence.helloDecided(.accepted(.ok)) == .ok)
            #expect(sequence.hello == other)
            #expect(sequence.envelope == nil)
        } else {
            #expect(sequence.helloDecided(.refused(.badSequence)) == .badSequence)
            #expect(sequence.hello == before.0)
            #expect(sequence.envelope == before.1)
            let hasRecipients = state == .recipient || state == .chunks
            #expect(Self.feed(.bdat, to: &sequence, hasRecipients: hasRecipients) == Self.table[state]?[.bdat])
        }
    }

    @Test func mailDecided() throws {
        var sequence = try Self.sequence(in: .ready)
        #expect(sequence.mail(Self.envelope) == .askHooks)
        #expect(sequence.mailDecided(.refused(.messageTooLarge), envelope: Self.envelope) == .messageTooLarge)
        #expect(sequence.envelope == nil)
        #expect(sequence.mail(Self.envelope) == .askHooks)
        var changed = Self.envelope
        changed.isInternationalized = true
        #expect(sequence.mailDecided(.accepted(.senderOK), envelope: changed) == .senderOK)
        #expect(sequence.envelope == changed)
    }

    @Test func recipientDecided() throws {
        var sequence = try Self.sequence(in: .sender)
        let recipient = EnvelopeRecipient(try #require(Mailbox("u@example.org")))
        #expect(sequence.recipient(accepted: 0) == .askHooks)
        #expect(sequence.recipientDecided(.refused(.noSuchMailbox), adding: []) == .noSuchMailbox)
        #expect(sequence.envelope?.recipients == [])
        #expect(sequence.recipient(accepted: 0) == .askHooks)
        #expect(sequence.recipientDecided(.accepted(.recipientOK), adding: [recipient, recipient]) == .recipientOK)
        #expect(sequence.envelope?.recipients == [recipient, recipient])
    }

    @Test(
        "S5321-4.5.3.1.10-01: 452 before anybody is asked",
        arguments: [(0, true), (1, true), (2, false), (3, false)]
    )
    func recipientLimit(_ accepted: Int, _ isAsked: Bool) throws {
        var sequence = try Self.sequence(in: .sender)
        #expect(sequence.recipient(accepted: accepted) == (isAsked ? .askHooks : .reply(.tooManyRecipients)))
    }

    @Test("content: refused, received by DATA, received in chunks, failed")
    func contentDecided() throws {
        var sequence = try Self.sequence(in: .recipient)
        #expect(sequence.data(hasRecipients: true) == .askHooks)
        sequence.contentDecided(isAccepted: false, inChunks: false)
        #expect(sequence.envelope != nil, "a refusal leaves the transaction open")
        #expect(sequence.data(hasRecipients: true) == .askHooks)
        sequence.contentDecided(isAccepted: true, inChunks: false)
        sequence.contentReceived()
        #expect(sequence.envelope != nil)
        sequence.transactionEnded()
        #expect(sequence.envelope == nil)
        #expect(sequence.hello == Self.hello)
        #expect(Self.feed(.rcpt, to: &sequence, hasRecipients: false) == "503")

        sequence = try Self.sequence(in: .chunks)
        #expect(sequence.chunk(hasRecipients: true) == .receive)
        sequence.contentFailed()
        #expect(sequence.envelope == nil)
        #expect(sequence.chunk(hasRecipients: false) == .discard(.mailFirst))

        sequence = try Self.sequence(in: .chunks)
        #expect(sequence.chunk(hasRecipients: true) == .receive)
        sequence.contentReceived()
        sequence.transactionEnded()
        #expect(sequence.chunk(hasRecipients: false) == .discard(.mailFirst))
    }

    @Test("RSET in every state that allows it", arguments: [State.greeted, .ready, .sender, .recipient, .chunks])
    func reset(_ state: State) throws {
        var sequence = try Self.sequence(in: state)
        let hello = sequence.hello
        #expect(sequence.reset() == .ok)
        #expect(sequence.envelope == nil)
        #expect(sequence.hello == hello)
    }

    @Test("close ends everything", arguments: State.allCases)
    func close(_ state: State) throws {
        var sequence = try Self.sequence(in: state)
        sequence.close()
        #expect(sequence.hello == nil)
        #expect(sequence.envelope == nil)
    }

    @Test(
        "S2033-4.1-01: LHLO on LMTP, EHLO and HELO on SMTP",
        arguments: [
            (true, CommandSequence.Hello.Kind.lhlo, CommandSequence.Action.askHooks), (true, .ehlo, .reply(.useLHLO)),
            (true, .helo, .reply(.useLHLO)), (false, .lhlo, .reply(.unrecognized)), (false, .ehlo, .askHooks),
            (false, .helo, .askHooks),
        ]
    )
    func greeting(_ isLMTP: Bool, _ kind: CommandSequence.Hello.Kind, _ action: CommandSequence.Action) {
        var sequence = CommandSequence(isLMTP: isLMTP, maximumRecipients: 2)
        sequence.connected(isRefused: false)
        #expect(sequence.hello(.init(kind: kind, name: "c")) == action)
    }

    // MARK: Ways into a state

    static func sequence(in state: State) throws -> CommandSequence {
        var sequence = CommandSequence(isLMTP: false, maximumRecipients: 2)
        sequence.connected(isRefused: state == .refused)
        if state == .refused || state == .greeted { return sequence }
        _ = sequence.hello(self.hello)
        _ = sequence.helloDecided(.accepted(.ok))
        if state == .ready { return sequence }
        _ = sequence.mail(self.envelope)
        _ = sequence.mailDecided(.accepted(.ok), envelope: self.envelope)
        if state == .sender { return sequence }
        _ = sequence.recipient(accepted: 0)
        let mailbox = try #require(Mailbox("u@example.org"))
        _ = sequence.recipientDecided(.accepted(.ok), adding: [EnvelopeRecipient(mailbox)])
        if state == .recipient { return sequence }
        _ = sequence.chunk(hasRecipients: true)
        sequence.contentDecided(isAccepted: true, inChunks: true)
        sequence.chunkReceived()
        return sequence
    }

    static func feed(_ event: Event, to sequence: inout CommandSequence, hasRecipients: Bool) -> String {
        switch event {
        case .hello: self.text(sequence.hello(self.hello))
        case .mail: self.text(sequence.mail(self.envelope))
        case .rcpt: self.text(sequence.recipient(accepted: 0))
        case .data: self.text(sequence.data(hasRecipients: hasRecipients))
        case .bdat:
            switch sequence.chunk(hasRecipients: hasRecipients) {
            case .askHooks: "ask"
            case .receive: "take"
            case .discard(let reply): reply.code.description
            }
        case .rset: sequence.reset().code.description
        case .noop: sequence.passive(.ok).code.description
        }
    }

    private static func text(_ action: CommandSequence.Action) -> String {
        switch action {
        case .askHooks: "ask"
        case .reply(let reply): reply.code.description
        }
    }
}
