/// The order of commands on the receiving side (RFC 5321 section 4.1.4, RFC 3030 section 2, RFC 2033 section 4).
///
/// The machine knows which command may come when, and holds the envelope while a transaction is open. Whether a sender or
/// a recipient is wanted is asked outside; the machine waits for the answer in a state of its own.
package struct CommandSequence: Sendable {
    /// How the client introduced itself.
    package struct Hello: Hashable, Sendable {
        /// Which command it used.
        package enum Kind: Hashable, Sendable { case helo, ehlo, lhlo }
        package let kind: Kind
        /// The argument.
        package let name: String

        package init(kind: Kind, name: String) {
            self.kind = kind
            self.name = name
        }
    }

    /// How the content of the open transaction arrives.
    enum Content: Hashable { case none, chunks }

    private enum State {
        /// The connect hooks are being asked.
        case connecting
        /// The greeting was 554: only QUIT is answered otherwise than with 503 (RFC 5321 section 3.1).
        case refused
        /// No transaction; `nil` before the first EHLO or HELO.
        case ready(Hello?)
        /// EHLO is being asked about; what was there before comes back if it is refused (section 4.1.4).
        case helloPending(Hello, previous: Hello?, Envelope?, Content)
        case senderPending(Hello, Envelope)
        case transaction(Hello, Envelope, Content)
        case recipientPending(Hello, Envelope)
        /// DATA or the first BDAT is being asked about.
        case contentPending(Hello, Envelope)
        /// Octets are content, not commands.
        case receiving(Hello, Envelope, Content)
        /// The content is whole and being decided on.
        case endPending(Hello, Envelope)
        case closing
    }
    private var state = State.connecting
    /// What a refused client is answered until QUIT.
    private var refusal = Reply.refusedSession

    /// Whether the listener speaks LMTP.
    private let isLMTP: Bool
    /// The most accepted RCPT commands of a transaction.
    private let maximumRecipients: Int
    /// The most mailboxes that a transaction may have before another RCPT is taken: lists expand to many.
    static let mostMailboxes = 100_000

    package init(isLMTP: Bool, maximumRecipients: Int) {
        self.isLMTP = isLMTP
        self.maximumRecipients = maximumRecipients
    }

    /// What to do about a command.
    package enum Action: Hashable {
        /// Ask the stage's hooks, then call the method that takes their answer.
        case askHooks
        case reply(Reply)
    }

    /// What a stage's hooks have said in the end.
    package enum Decision: Hashable {
        case accepted(Reply)
        case refused(Reply)
    }

    // MARK: What is known

    /// The introduction; `nil` before it.
    package var hello: Hello? {
        switch self.state {
        case .connecting, .refused, .closing: nil
        case .ready(let hello): hello
        case .helloPending(let hello, _, _, _), .senderPending(let hello, _), .transaction(let hello, _, _),
            .recipientPending(let hello, _), .contentPending(let hello, _), .receiving(let hello, _, _),
            .endPending(let hello, _):
            hello
        }
    }

    /// The envelope of the open transaction.
    package var envelope: Envelope? {
        switch self.state {
        case .connecting, .refused, .ready, .closing: nil
        case .helloPending(_, _, let envelope, _): envelope
        case .senderPending(_, let envelope), .transaction(_, let envelope, _), .recipientPending(_, let envelope),
            .contentPending(_, let envelope), .receiving(_, let envelope, _), .endPending(_, let envelope):
            envelope
        }
    }

    // MARK: Connection

    /// The connect hooks have answered.
    ///
    /// - Parameter refusal: what a refused client is answered until QUIT: 503 behind a greeting of 554 (RFC 5321 section 3.1).
    package mutating func connected(isRefused: Bool, with refusal: Reply = .refusedSession) {
        guard case .connecting = self.state else { return self.misfit() }
        self.refusal = refusal
        self.state = isRefused ? .refused : .ready(nil)
    }

    /// QUIT, a time-out, too many errors: no command follows.
    package mutating func close() { self.state = .closing }

    /// STARTTLS: the session begins anew, and `connected` is called when the handshake is done (RFC 3207 section 4.2).
    ///
    /// - Returns: the reply where it is refused; then nothing has changed.
    package mutating func startTLS() -> Reply? {
        switch self.state {
        case .refused: return self.refusal
        case .ready:
            self.state = .connecting
            return nil
        case .transaction: return .tlsInTransaction
        case .connecting, .helloPending, .senderPending, .recipientPending, .contentPending, .receiving, .endPending,
            .closing:
            self.misfit()
            return .badSequence
        }
    }

    /// AUTH: between EHLO and MAIL (RFC 4954 section 4).
    ///
    /// - Returns: the reply where it is refused.
    package func authenticate() -> Reply? {
        switch self.state {
        case .refused: self.refusal
        case .ready(nil): .helloFirst
        case .ready(.some(let hello)): hello.kind == .helo ? .ehloForAuthentication : nil
        case .transaction: .authenticationInTransaction
        case .connecting, .helloPending, .senderPending, .recipientPending, .contentPending, .receiving, .endPending,
            .closing:
            .badSequence
        }
    }

    // MARK: Hello

    /// EHLO, HELO or LHLO (RFC 5321 section 4.1.1.1; RFC 2033 section 4.1).
    package mutating func hello(_ hello: Hello) -> Action {
        guard (hello.kind == .lhlo) == self.isLMTP else {
            return .reply(self.isLMTP ? .useLHLO : .unrecognized)
        }
        switch self.state {
        case .refused: return .reply(self.refusal)
        case .ready(let previous):
            self.state = .helloPending(hello, previous: previous, nil, .none)
            return .askHooks
        case .transaction(let previous, let envelope, let content):
            self.state = .helloPending(hello, previous: previous, envelope, content)
            return .askHooks
        case .connecting, .helloPending, .senderPending, .recipientPending, .contentPending, .receiving, .endPending,
            .closing:
            self.misfit()
            return .reply(.badSequence)
        }
    }

    /// The hooks' answer: an accepted introduction resets everything, a refused one changes nothing (section 4.1.4).
    package mutating func helloDecided(_ decision: Decision) -> Reply {
        guard case .helloPending(let hello, let previous, let envelope, let content) = self.state else {
            self.misfit()
            return .badSequence
        }
        switch decision {
        case .accepted(let reply):
            self.state = .ready(hello)
            return reply
        case .refused(let reply):
            if let previous, let envelope {
                self.state = .transaction(previous, envelope, content)
            } else {
                self.state = .ready(previous)
            }
            return reply
        }
    }

    // MARK: Envelope

    /// MAIL: opens a transaction; only one may be open (RFC 5321 section 4.1.1.2).
    package mutating func mail(_ envelope: Envelope) -> Action {
        switch self.state {
        case .refused: return .reply(self.refusal)
        case .ready(nil): return .reply(.helloFirst)
        case .ready(.some(let hello)):
            self.state = .senderPending(hello, envelope)
            return .askHooks
        case .transaction: return .reply(.nestedMail)
        case .connecting, .helloPending, .senderPending, .recipientPending, .contentPending, .receiving, .endPending,
            .closing:
            self.misfit()
            return .reply(.badSequence)
        }
    }

    /// The hooks' answer to MAIL; `envelope` is what they made of it.
    package mutating func mailDecided(_ decision: Decision, envelope: Envelope) -> Reply {
        guard case .senderPending(let hello, _) = self.state else {
            self.misfit()
            return .badSequence
        }
        switch decision {
        case .accepted(let reply):
            self.state = .transaction(hello, envelope, .none)
            return reply
        case .refused(let reply):
            self.state = .ready(hello)
            return reply
        }
    }

    /// RCPT (RFC 5321 section 4.1.1.3).
    ///
    /// The limit is answered before anybody is asked (section 4.5.3.1.10).
    ///
    /// - Parameter accepted: RCPT commands of this transaction that were accepted, whatever became of them: one may have been
    ///   dropped or expanded.
    package mutating func recipient(accepted: Int) -> Action {
        switch self.state {
        case .refused: return .reply(self.refusal)
        case .ready: return .reply(.mailFirst)
        case .transaction(_, _, .chunks): return .reply(.chunkingInProgress)
        case .transaction(let hello, let envelope, .none):
            guard accepted < self.maximumRecipients, envelope.recipients.count < Self.mostMailboxes else {
                return .reply(.tooManyRecipients)
            }
            self.state = .recipientPending(hello, envelope)
            return .askHooks
        case .connecting, .helloPending, .senderPending, .recipientPending, .contentPending, .receiving, .endPending,
            .closing:
            self.misfit()
            return .reply(.badSequence)
        }
    }

    /// The hooks' answer to RCPT; the recipients are what became of the one that was asked about.
    package mutating func recipientDecided(_ decision: Decision, adding recipients: [EnvelopeRecipient]) -> Reply {
        guard case .recipientPending(let hello, var envelope) = self.state else {
            self.misfit()
            return .badSequence
        }
        self.state = .closing  // releases the state's hold on the envelope, so that it grows in place
        switch decision {
        case .accepted(let reply):
            envelope.recipients.append(contentsOf: recipients)
            self.state = .transaction(hello, envelope, .none)
            return reply
        case .refused(let reply):
            self.state = .transaction(hello, envelope, .none)
            return reply
        }
    }

    /// RSET (RFC 5321 section 4.1.1.5).
    package mutating func reset() -> Reply {
        switch self.state {
        case .refused: return self.refusal
        case .ready: return .ok
        case .transaction(let hello, _, _):
            self.state = .ready(hello)
            return .ok
        case .connecting, .helloPending, .senderPending, .recipientPending, .contentPending, .receiving, .endPending,
            .closing:
            self.misfit()
            return .badSequence
        }
    }

    /// A command that changes nothing: NOOP, HELP, VRFY, EXPN (section 4.1.1.6), or one that was refused already.
    package func passive(_ reply: Reply) -> Reply {
        if case .refused = self.state { return self.refusal }
        return reply
    }

    private func misfit() {
        assertionFailure("fed while an answer was awaited, or after the end")
    }
}

// MARK: - Content

extension CommandSequence {
    /// DATA (RFC 5321 section 4.1.1.4): 354 only if a recipient was accepted (RFC 2920 section 3.2).
    ///
    /// - Parameter hasRecipients: whether a RCPT of this transaction was accepted, even if it came to nothing (dropped).
    package mutating func data(hasRecipients: Bool) -> Action {
        switch self.state {
        case .refused: return .reply(self.refusal)
        case .ready: return .reply(.mailFirst)
        case .transaction(_, _, .chunks): return .reply(.chunkingInProgress)
        case .transaction(let hello, let envelope, .none):
            guard hasRecipients else { return .reply(.recipientFirst) }
            self.state = .contentPending(hello, envelope)
            return .askHooks
        case .connecting, .helloPending, .senderPending, .recipientPending, .contentPending, .receiving, .endPending,
            .closing:
            self.misfit()
            return .reply(.badSequence)
        }
    }

    /// What to do about a BDAT command; its octets follow in any case (RFC 3030 section 2).
    package enum ChunkAction: Hashable {
        /// The first chunk: ask the data hooks, then call `contentDecided`.
        case askHooks
        /// A further chunk: its octets are content.
        case receive
        /// Drop the octets, then send the reply.
        case discard(Reply)
    }

    /// BDAT.
    package mutating func chunk(hasRecipients: Bool) -> ChunkAction {
        switch self.state {
        case .refused: return .discard(self.refusal)
        case .ready: return .discard(.mailFirst)
        case .transaction(let hello, let envelope, .chunks):
            self.state = .receiving(hello, envelope, .chunks)
            return .receive
        case .transaction(let hello, let envelope, .none):
            guard hasRecipients else { return .discard(.recipientFirst) }
            self.state = .contentPending(hello, envelope)
            return .askHooks
        case .connecting, .helloPending, .senderPending, .recipientPending, .contentPending, .receiving, .endPending,
            .closing:
            self.misfit()
            return .discard(.badSequence)
        }
    }

    /// The hooks' answer to DATA or the first BDAT; a refusal leaves the transaction open.
    ///
    /// - Returns: whether content is received now.
    package mutating func contentDecided(isAccepted: Bool, inChunks: Bool) {
        guard case .contentPending(let hello, let envelope) = self.state else { return self.misfit() }
        self.state =
            isAccepted
            ? .receiving(hello, envelope, inChunks ? .chunks : .none) : .transaction(hello, envelope, .none)
    }

    /// A chunk that was not the last is complete: commands follow.
    package mutating func chunkReceived() {
        guard case .receiving(let hello, let envelope, .chunks) = self.state else { return self.misfit() }
        self.state = .transaction(hello, envelope, .chunks)
    }

    /// The content is complete; what happens to it is being decided.
    package mutating func contentReceived() {
        guard case .receiving(let hello, let envelope, _) = self.state else { return self.misfit() }
        self.state = .endPending(hello, envelope)
    }

    /// Decided, either way: all buffers are cleared (RFC 5321 section 4.1.1.4).
    package mutating func transactionEnded() {
        guard case .endPending(let hello, _) = self.state else { return self.misfit() }
        self.state = .ready(hello)
    }

    /// A chunk failed: the transaction is over, its further chunks are refused (RFC 3030 section 2).
    package mutating func contentFailed() {
        guard case .receiving(let hello, _, _) = self.state else { return self.misfit() }
        self.state = .ready(hello)
    }
}
