import MailHubPlugin
import MailQueue
import SMTP

/// MAIL (RFC 5321 section 4.1.1.2, RFC 1870 section 6.1).
extension SMTPSession {
    func mail(_ path: ReversePath, _ parameters: SenderParameters) -> Work? {
        if parameters.namesAuthor, self.listener.role != .submission {
            self.refuse(self.sequence.passive(Reply(CommandError.unknownParameter("AUTH"))))
            return nil
        }
        if parameters.requiresTLS, self.security == nil {
            self.refuse(self.sequence.passive(.requireTLSInTheClear))
            return nil
        }
        var envelope = Envelope(reversePath: path)
        envelope.tlsRequirement = parameters.requiresTLS ? .required : nil
        envelope.body = parameters.body
        envelope.isInternationalized = parameters.isInternationalized
        envelope.envelopeIdentifier = parameters.envelopeIdentifier
        envelope.returnContent = parameters.returnContent
        envelope.declaredSize = parameters.size
        switch self.sequence.mail(envelope) {
        case .reply(let reply):
            self.refuse(reply)
            return nil
        case .askHooks:
            break
        }
        if let refusal = self.senderRefusal(path) {
            self.logger.info("sender refused", metadata: ["from": "\(path)", "reply": "\(refusal)"])
            self.refuse(self.sequence.mailDecided(.refused(refusal), envelope: envelope))
            return nil
        }
        if self.messages >= self.listener.limits.messages {
            self.end(with: .tooManyMessages(hostname: self.settings.hostname))
            return nil
        }
        if self.isExhausted(self.listener.limits.messagesPerClient, .message) {
            self.logger.info("too many messages of this client")
            self.end(with: .tooManyMessagesOfClient(hostname: self.settings.hostname))
            return nil
        }
        if let size = parameters.size, size > self.listener.limits.messageSize {
            self.refuse(self.sequence.mailDecided(.refused(.messageTooLarge), envelope: envelope))
            return nil
        }
        let transaction = MailTransaction(
            id: QueueID.make(at: self.services.clock.now),
            sizeLimit: self.listener.limits.messageSize
        )
        self.transaction = transaction
        guard self.settings.hooks.sender.isEmpty else { return self.askAboutSender(envelope, transaction) }
        self.reply(self.sequence.mailDecided(.accepted(.senderOK), envelope: envelope))
        self.tell(.senderAccepted(envelope.reversePath))
        return nil
    }

    private func askAboutSender(_ envelope: Envelope, _ transaction: MailTransaction) -> Work? {
        let question = SenderQuestion(session: self.context)
        let state = SenderState(
            seen: transaction.context(envelope),
            sizeLimit: transaction.sizeLimit
        )
        return self.ask(question, self.settings.hooks.sender, state) { session, result in
            session.decide(envelope, result)
            return nil
        }
    }

    private func decide(_ envelope: Envelope, _ result: ChainResult<SenderState, SenderOutcome>) {
        switch result {
        case .passed(let state), .decided(.accept, let state), .decided(.next, let state), .decided(.change, let state),
            .decided(.discard, let state), .decided(.hold, let state):
            self.acceptSender(state)
        case .decided(.reject(let reply), _):
            self.refuseSender(reply.withClass(.permanentFailure, else: .policyRefusal), envelope)
        case .decided(.defer(let reply), _):
            self.refuseSender(reply.withClass(.transientFailure, else: .temporaryFailure), envelope)
        case .decided(.disconnect(let reply), _):
            self.disconnect(with: reply)
        case .failed:
            self.refuseSender(.temporaryFailure, envelope)
        }
    }

    private func acceptSender(_ state: SenderState) {
        self.transaction?.sizeLimit = state.sizeLimit
        self.transaction?.isDiscarded = state.isDiscarded
        self.transaction?.holdReason = state.holdReason
        if let size = state.envelope.declaredSize, size > state.sizeLimit {
            return self.refuseSender(.messageTooLarge, state.envelope)
        }
        self.reply(self.sequence.mailDecided(.accepted(.senderOK), envelope: state.envelope))
        self.tell(.senderAccepted(state.envelope.reversePath))
    }

    private func refuseSender(_ reply: Reply, _ envelope: Envelope) {
        self.transaction = nil
        self.logger.info("sender refused", metadata: ["from": "\(envelope.reversePath)", "reply": "\(reply)"])
        self.refuse(self.sequence.mailDecided(.refused(reply), envelope: envelope))
        self.tell(.senderRefused(envelope.reversePath, reply))
    }
}

extension Reply {
    /// RFC 8689 section 2: only inside TLS.
    static let requireTLSInTheClear = Reply(530, .init(7, 10), "REQUIRETLS needs STARTTLS first")
}

private struct SenderQuestion: StageQuestion {
    let session: SessionContext

    func ask(_ hook: any SenderHook, _ state: inout SenderState) async throws -> ChainStep<SenderOutcome> {
        switch try await hook.sender(state.seen, self.session) {
        case .next: return .next
        case .change(let edits): edits.forEach { state.apply($0) }
        case .discard: state.isDiscarded = true
        case .hold(let reason): state.holdReason = reason
        case let outcome: return .decided(outcome)
        }
        return .changed
    }
}

/// The sender's side of the envelope while plugins look at it.
private struct SenderState: Sendable {
    /// What the next plugin sees.
    var seen: TransactionContext
    var sizeLimit: Int
    var isDiscarded = false
    var holdReason: String?

    var envelope: Envelope { self.seen.envelope }

    mutating func apply(_ edit: SenderEdit) {
        switch edit {
        case .replaceReversePath(let path):
            guard self.envelope.reversePath != .null else { return }  // RFC 5321 section 4.5.5
            var envelope = self.envelope
            envelope.reversePath = path
            self.seen = TransactionContext(
                envelope: envelope,
                queueIdentifier: self.seen.queueIdentifier,
                facts: self.seen.facts
            )
        case .limitSize(let size):
            self.sizeLimit = min(self.sizeLimit, max(size, 0))
        }
    }
}
