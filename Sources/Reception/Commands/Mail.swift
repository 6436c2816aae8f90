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
        self.transaction = MailTransaction(
            id: QueueID.make(at: self.services.clock.now),
            sizeLimit: self.listener.limits.messageSize
        )
        guard self.settings.hooks.sender.isEmpty else { return .mail(envelope) }
        self.reply(self.sequence.mailDecided(.accepted(.senderOK), envelope: envelope))
        self.tell(.senderAccepted(envelope.reversePath))
        return nil
    }

    func askAboutSender(_ envelope: Envelope) async {
        guard let transaction = self.transaction else { return }
        let context = self.context
        let (identifier, facts) = (transaction.id.description, transaction.facts)
        let result = await self.runner.run(
            self.settings.hooks.sender,
            SenderState(envelope: envelope, sizeLimit: transaction.sizeLimit),
            willWait: self.flush
        ) { hook, state -> SenderOutcome? in
            let seen = TransactionContext(envelope: state.envelope, queueIdentifier: identifier, facts: facts)
            switch try await hook.sender(seen, context) {
            case .next: return nil
            case .change(let edits):
                edits.forEach { state.apply($0) }
                return nil
            case .discard:
                state.isDiscarded = true
                return nil
            case .hold(let reason):
                state.holdReason = reason
                return nil
            case let outcome: return outcome
            }
        }
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

/// The sender's side of the envelope while plugins look at it.
private struct SenderState: Sendable {
    var envelope: Envelope
    var sizeLimit: Int
    var isDiscarded = false
    var holdReason: String?

    mutating func apply(_ edit: SenderEdit) {
        switch edit {
        case .replaceReversePath(let path):
            if self.envelope.reversePath != .null { self.envelope.reversePath = path }  // RFC 5321 section 4.5.5
        case .limitSize(let size):
            self.sizeLimit = min(self.sizeLimit, max(size, 0))
        }
    }
}
