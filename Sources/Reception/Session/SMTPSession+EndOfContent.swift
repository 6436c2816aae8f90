import InternetMessage
import Logging
import MailHubPlugin
import MailQueue
import NIOCore
import SMTP

/// From the end of data to the one reply that says whose the message is now (RFC 5321 sections 4.1.1.4 and 6.1).
extension SMTPSession {
    /// More Received fields, our own included, mean a loop: the message has passed 100 hosts (RFC 5321 section 6.3).
    private static let mostReceivedFields = 101

    /// How the message fares.
    enum MessageVerdict {
        /// Taken: queued with this envelope, or thrown away as a plugin wanted, and then without recipients.
        case accepted(size: Int, queued: Envelope)
        case refused(Reply)
        case disconnected(Reply)
        /// LMTP: a reply for each RCPT that was accepted, and the envelope with those who have taken the message; `nil` where
        /// nobody has.
        case byRecipient([Reply], size: Int, queued: Envelope?)
    }

    func endOfContent() async {
        guard let transaction = self.transaction, let envelope = self.sequence.envelope else { return }
        let verdict = await self.decide(envelope)
        self.transaction = nil
        self.sequence.transactionEnded()
        switch verdict {
        case .accepted(let size, let queued):
            self.finalReply(.queued(transaction.identifier), count: transaction.acceptedRecipients)
            await self.accepted(transaction, size, queued)
        case .refused(let reply):
            self.logRefused(transaction, envelope, reply)
            self.finalReply(reply, count: transaction.acceptedRecipients)
            self.tell(.messageRefused(reply))
        case .byRecipient(let replies, let size, let queued):
            for reply in replies { self.reply(reply) }
            for reply in replies where reply.code.replyClass != .completion {
                self.logRefused(transaction, envelope, reply)
                self.tell(.messageRefused(reply))
            }
            if let queued { await self.accepted(transaction, size, queued) }
        case .disconnected(let reply):
            self.tell(.messageRefused(reply))
            self.disconnect(with: reply)
        }
    }

    /// Counts the message, and tells those who watch.
    private func accepted(_ transaction: MailTransaction, _ size: Int, _ queued: Envelope) async {
        self.messages += 1
        self.idleCommands = 0
        self.note(.message)
        let identifier = transaction.identifier
        let count = queued.recipients.count
        self.tell(.messageAccepted(queueIdentifier: identifier, size: size, recipients: count))
        if count > 0 { await self.tellQueued(transaction, queued) }
    }

    private func logRefused(_ transaction: MailTransaction, _ envelope: Envelope, _ reply: Reply) {
        self.logger.info(
            "message refused",
            metadata: [
                "queue-id": "\(transaction.id)", "from": "\(envelope.reversePath)", "size": "\(transaction.size)",
                "reply": "\(reply)",
            ]
        )
    }

    /// LMTP has a reply for each accepted recipient (RFC 2033 section 4.2).
    private func finalReply(_ reply: Reply, count: Int) {
        for _ in 0..<(self.listener.role == .lmtp ? count : 1) { self.reply(reply) }
        if reply.code.replyClass == .permanentFailure { self.countError() }
    }

    private func decide(_ envelope: Envelope) async -> MessageVerdict {
        if let buffer = self.transaction?.buffer { self.noteTraceCount(in: buffer) }
        guard let transaction = self.transaction, let spool = transaction.spool else {
            return .refused(.temporaryFailure)
        }
        if let refusal = self.refusal(of: transaction) {
            await spool.discard()
            return .refused(refusal)
        }
        do {
            _ = spool.appendInMemory(transaction.buffer)
            let content = try await spool.finish()
            let message = ReceivedMessage(
                content: content,
                traceLength: transaction.traceLength,
                directory: self.services.intake.content
            )
            return await self.decide(message, envelope, transaction)
        } catch {
            await spool.discard()
            return .refused(self.reply(to: error))
        }
    }

    /// What the hub itself has against the content.
    private func refusal(of transaction: MailTransaction) -> Reply? {
        if let failure = transaction.failure { return failure }
        if transaction.hasBareLineEnd || transaction.lineEnds.hasBareLineEnd { return .bareLineEndInContent }
        if let count = transaction.receivedFields, count > Self.mostReceivedFields { return .mailLoop }
        return nil
    }

    private func decide(
        _ message: ReceivedMessage,
        _ given: Envelope,
        _ transaction: MailTransaction
    ) async -> MessageVerdict {
        var envelope = given
        // The parameter outweighs the field (RFC 8689 section 4.1).
        if transaction.saysTLSOptional, envelope.tlsRequirement == nil { envelope.tlsRequirement = .optional }
        let seen = transaction.context(envelope)
        guard self.settings.hooks.wantsMessages || self.listener.role == .submission else {
            if transaction.isDiscarded || envelope.recipients.isEmpty {
                return await self.discard(message, envelope, transaction)
            }
            guard let routed = await self.routed(envelope, seen) else {
                await message.discard()
                return .refused(.temporaryFailure)
            }
            return await self.store(message, routed, transaction, transaction.holdReason)
        }
        switch await self.askAboutMessage(message, seen, transaction) {
        case .taken(let state):
            if transaction.isDiscarded || state.isDiscarded || envelope.recipients.isEmpty {
                return await self.discard(message, envelope, transaction)
            }
            let verdicts = await self.askAboutRecipients(state, envelope, seen)
            guard let routed = await self.routed(envelope, seen) else {
                await message.discard()
                return .refused(.temporaryFailure)
            }
            let plan = CopyPlan(state, routed, transaction, verdicts)
            guard plan.isForAllAsReceived, self.listener.role != .lmtp else { return await self.settle(plan) }
            return await self.store(message, routed, transaction, plan.holdReason)
        case .refused(let reply):
            await message.discard()
            return .refused(reply)
        case .disconnected(let reply):
            await message.discard()
            return .disconnected(reply)
        }
    }

    /// A plugin wants the message taken and thrown away, or its recipients came to nothing.
    private func discard(
        _ message: ReceivedMessage,
        _ envelope: Envelope,
        _ transaction: MailTransaction
    ) async -> MessageVerdict {
        await message.discard()
        self.logAccepted("message discarded", transaction.id, envelope, transaction)
        var nobody = envelope
        nobody.recipients = []
        return .accepted(size: transaction.size, queued: nobody)
    }

    /// The message as it came, for all: the common case.
    private func store(
        _ message: ReceivedMessage,
        _ envelope: Envelope,
        _ transaction: MailTransaction,
        _ holdReason: String?
    ) async -> MessageVerdict {
        let new = NewMessage(
            id: transaction.id,
            envelope: envelope.withoutRepetitions,
            content: message.content,
            arrival: self.services.clock.now,
            holdReason: holdReason
        )
        do {
            try await self.services.intake.accept(new)
        } catch {
            await message.discard()
            return .refused(self.reply(to: error))
        }
        self.logAccepted("message accepted", transaction.id, new.envelope, transaction)
        return .accepted(size: transaction.size, queued: new.envelope)
    }

    func logAccepted(
        _ text: Logger.Message,
        _ id: QueueID,
        _ envelope: Envelope,
        _ transaction: MailTransaction
    ) {
        self.logger.info(
            text,
            metadata: [
                "queue-id": "\(id)", "from": "\(envelope.reversePath)", "size": "\(transaction.size)",
                "recipients": "\(envelope.recipients.count)", "helo": "\(self.sequence.hello?.name ?? "")",
            ]
        )
    }

    /// The envelope with the routes that plugins chose; `nil` where one has failed whose failure is to defer the message: it must
    /// not go another way than the plugin would have chosen.
    private func routed(_ envelope: Envelope, _ seen: TransactionContext) async -> Envelope? {
        guard !self.settings.hooks.route.isEmpty else { return envelope }
        var routed = envelope
        for index in routed.recipients.indices {
            let recipient = routed.recipients[index]
            let question = RouteQuestion(recipient: recipient, transaction: seen)
            switch await self.runner.run(question, self.settings.hooks.route, willWait: self.flush) {
            case .decided(let name, _): routed.recipients[index].route = name
            case .failed: return nil
            case .passed: break
            }
        }
        return routed
    }

    private func tellQueued(_ transaction: MailTransaction, _ envelope: Envelope) async {
        guard !self.settings.hooks.queued.isEmpty else { return }
        self.flush()  // the client need not wait for those who only watch
        let seen = transaction.context(envelope)
        let news = QueuedNews(transaction: seen, size: transaction.size, session: self.context)
        await self.runner.tell(news, self.settings.hooks.queued)
    }
}

private struct RouteQuestion: StageQuestion {
    let recipient: EnvelopeRecipient
    let transaction: TransactionContext

    func ask(_ hook: any RouteHook, _: inout Void) async throws -> ChainStep<String> {
        switch try await hook.route(for: self.recipient, self.transaction) {
        case .next: .next
        case .route(let name): .decided(name)
        }
    }
}

private struct QueuedNews: StageQuestion {
    let transaction: TransactionContext
    let size: Int
    let session: SessionContext

    func ask(_ hook: any QueuedHook, _: inout Void) async throws -> ChainStep<Never> {
        try await hook.queued(self.transaction, size: self.size, self.session)
        return .next
    }
}
