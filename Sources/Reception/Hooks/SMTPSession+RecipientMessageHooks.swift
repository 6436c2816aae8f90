import MailHubPlugin
import MailQueue
import SMTP

/// What a message comes to for one recipient.
struct RecipientVerdict: Sendable {
    /// Whether the recipient takes it.
    enum Answer: Hashable, Sendable {
        case taken
        /// Taken, and not delivered.
        case discarded
        /// 5yz or 4yz.
        case refused(Reply)
    }
    var answer = Answer.taken
    /// Changes for this recipient alone.
    var edits: [MessageEdit] = []
    var holdReason: String?

    /// Taken as it is.
    var isPlain: Bool { self.answer == .taken && self.edits.isEmpty && self.holdReason == nil }
}

/// The verdicts of all recipients, and what they mean for a client that gets one reply, or one for each RCPT.
struct RecipientVerdicts: Sendable {
    /// In the order of the envelope.
    var all: [RecipientVerdict]

    /// Recipients that take the same form of the message travel together.
    struct Copy: Sendable {
        let edits: [MessageEdit]
        let holdReason: String?
        var recipients: [EnvelopeRecipient]
    }

    private struct Form: Hashable {
        let edits: [MessageEdit]
        let holdReason: String?
    }

    /// What is to be stored for the recipients at the given places.
    func copies(of envelope: Envelope, at places: some Sequence<Int>) -> [Copy] {
        var places = places.filter { self.all[$0].answer == .taken }.makeIterator()
        var indices: [Form: Int] = [:]
        var copies: [Copy] = []
        while let place = places.next() {
            let form = Form(edits: self.all[place].edits, holdReason: self.all[place].holdReason)
            if let index = indices[form] {
                copies[index].recipients.append(envelope.recipients[place])
            } else {
                indices[form] = copies.count
                copies.append(
                    Copy(edits: form.edits, holdReason: form.holdReason, recipients: [envelope.recipients[place]])
                )
            }
        }
        return copies
    }

    /// The reply for the recipients at the given places, where they do not take the message: temporary before permanent, so
    /// that none of them is refused for good because of another.
    func refusal(at places: some Sequence<Int>) -> Reply? {
        var refusal: Reply?
        for place in places {
            guard case .refused(let reply) = self.all[place].answer else { continue }
            if reply.code.replyClass == .transientFailure { return reply }
            refusal = refusal ?? reply
        }
        return refusal
    }

    /// Whether some take it and others do not.
    var differ: Bool {
        let refused = self.all.count { if case .refused = $0.answer { true } else { false } }
        return refused > 0 && refused < self.all.count
    }
}

extension SMTPSession {
    /// Asks the hooks about each recipient.
    func askAboutRecipients(
        _ state: MessageState,
        _ envelope: Envelope,
        _ seen: TransactionContext
    ) async -> RecipientVerdicts {
        let hooks = self.settings.hooks.recipientMessage
        guard !hooks.isEmpty else {
            return RecipientVerdicts(all: envelope.recipients.map { _ in RecipientVerdict() })
        }
        var verdicts = RecipientVerdicts(all: [])
        for recipient in envelope.recipients {
            let opinion = RecipientOpinion(message: state)
            let question = RecipientMessageQuestion(recipient: recipient, transaction: seen, session: self.context)
            let result = await self.runner.run(question, hooks, opinion, willWait: self.flush)
            verdicts.all.append(Self.verdict(of: result))
        }
        return verdicts
    }

    private static func verdict(of result: ChainResult<RecipientOpinion, Reply>) -> RecipientVerdict {
        switch result {
        case .passed(let opinion): return opinion.verdict
        case .decided(let reply, let opinion):
            var verdict = opinion.verdict
            // A decision that is no refusal is `accept`.
            if reply.code.replyClass != .completion { verdict.answer = .refused(reply) }
            return verdict
        case .failed: return RecipientVerdict(answer: .refused(.temporaryFailure))
        }
    }
}

/// A message while the hooks look at it for one recipient.
private struct RecipientOpinion: Sendable {
    var message: MessageState
    var verdict = RecipientVerdict()

    init(message: MessageState) { self.message = message }

    /// Notes an outcome.
    ///
    /// - Returns: with a reply where it ends the chain: 250 for `accept`.
    mutating func note(_ outcome: RecipientMessageOutcome) throws -> ChainStep<Reply> {
        switch outcome {
        case .next: return .next
        case .accept: return .decided(.ok)
        case .change(let edits):
            for edit in edits { try self.message.apply(edit) }
            self.message.prepareContext()
            self.verdict.edits += edits
        case .discard: self.verdict.answer = .discarded
        case .hold(let reason): self.verdict.holdReason = reason
        case .reject(let reply): return .decided(reply.withClass(.permanentFailure, else: .messageRefused))
        case .defer(let reply): return .decided(reply.withClass(.transientFailure, else: .temporaryFailure))
        }
        return .changed
    }
}

private struct RecipientMessageQuestion: StageQuestion {
    let recipient: EnvelopeRecipient
    let transaction: TransactionContext
    let session: SessionContext

    func ask(
        _ hook: any RecipientMessageHook,
        _ opinion: inout RecipientOpinion
    ) async throws -> ChainStep<Reply> {
        let message = opinion.message.contextForHook
        return try opinion.note(
            try await hook.message(message, for: self.recipient, self.transaction, self.session)
        )
    }
}
