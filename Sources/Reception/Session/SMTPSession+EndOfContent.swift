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
    private enum Verdict {
        case accepted
        case discarded
        case refused(Reply)
        case disconnected(Reply)
    }

    func endOfContent() async {
        guard let transaction = self.transaction, let envelope = self.sequence.envelope else { return }
        let verdict = await self.decide(envelope)
        self.transaction = nil
        self.sequence.transactionEnded()
        switch verdict {
        case .accepted, .discarded:
            self.messages += 1
            self.note(.message)
            self.finalReply(.queued(transaction.id.description), count: transaction.acceptedRecipients)
            if case .accepted = verdict { await self.tellQueued(transaction, envelope) }
        case .refused(let reply):
            self.logger.info(
                "message refused",
                metadata: [
                    "queue-id": "\(transaction.id)", "from": "\(envelope.reversePath)", "size": "\(transaction.size)",
                    "reply": "\(reply)",
                ]
            )
            self.finalReply(reply, count: transaction.acceptedRecipients)
        case .disconnected(let reply):
            self.disconnect(with: reply)
        }
    }

    /// LMTP has a reply for each accepted recipient (RFC 2033 section 4.2).
    private func finalReply(_ reply: Reply, count: Int) {
        for _ in 0..<(self.listener.role == .lmtp ? count : 1) { self.reply(reply) }
        if reply.code.replyClass == .permanentFailure { self.countError() }
    }

    private func decide(_ envelope: Envelope) async -> Verdict {
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
        _ envelope: Envelope,
        _ transaction: MailTransaction
    ) async -> Verdict {
        var message = message
        var isDiscarded = transaction.isDiscarded
        var holdReason = transaction.holdReason
        if !self.settings.hooks.header.isEmpty || !self.settings.hooks.message.isEmpty {
            switch await self.askAboutMessage(message, envelope, transaction) {
            case .taken(let state):
                isDiscarded = isDiscarded || state.isDiscarded
                holdReason = state.holdReason ?? holdReason
                do {
                    message = try await state.finished(under: .make(at: self.services.clock.now))
                } catch {
                    await message.discard()
                    return .refused(self.reply(to: error))
                }
            case .refused(let reply):
                await message.discard()
                return .refused(reply)
            case .disconnected(let reply):
                await message.discard()
                return .disconnected(reply)
            }
        }
        if isDiscarded || envelope.recipients.isEmpty {
            await message.discard()
            self.logAccepted("message discarded", envelope, transaction)
            return .discarded
        }
        return await self.store(message, await self.routed(envelope, transaction), transaction, holdReason)
    }

    private func store(
        _ message: ReceivedMessage,
        _ envelope: Envelope,
        _ transaction: MailTransaction,
        _ holdReason: String?
    ) async -> Verdict {
        do {
            try await self.services.intake.accept(
                NewMessage(
                    id: transaction.id,
                    envelope: envelope,
                    content: message.content,
                    arrival: self.services.clock.now,
                    holdReason: holdReason
                )
            )
        } catch {
            await message.discard()
            return .refused(self.reply(to: error))
        }
        self.logAccepted("message accepted", envelope, transaction)
        return .accepted
    }

    private func logAccepted(_ text: Logger.Message, _ envelope: Envelope, _ transaction: MailTransaction) {
        self.logger.info(
            text,
            metadata: [
                "queue-id": "\(transaction.id)", "from": "\(envelope.reversePath)", "size": "\(transaction.size)",
                "recipients": "\(envelope.recipients.count)", "helo": "\(self.sequence.hello?.name ?? "")",
            ]
        )
    }

    /// The envelope with the routes that plugins chose.
    private func routed(_ envelope: Envelope, _ transaction: MailTransaction) async -> Envelope {
        guard !self.settings.hooks.route.isEmpty else { return envelope }
        let seen = TransactionContext(
            envelope: envelope,
            queueIdentifier: transaction.id.description,
            facts: transaction.facts
        )
        var routed = envelope
        for index in routed.recipients.indices {
            let recipient = routed.recipients[index]
            let result = await self.runner.run(self.settings.hooks.route, true, willWait: self.flush) {
                hook,
                _ -> String? in
                switch try await hook.route(for: recipient, seen) {
                case .next: nil
                case .route(let name): name
                }
            }
            if case .decided(let name, _) = result { routed.recipients[index].route = name }
        }
        return routed
    }

    private func tellQueued(_ transaction: MailTransaction, _ envelope: Envelope) async {
        guard !self.settings.hooks.queued.isEmpty else { return }
        self.flush()  // the client need not wait for those who only watch
        let context = self.context
        let seen = TransactionContext(
            envelope: envelope,
            queueIdentifier: transaction.id.description,
            facts: transaction.facts
        )
        let size = transaction.size
        _ = await self.runner.run(self.settings.hooks.queued, true) { hook, _ -> Bool? in
            try await hook.queued(seen, size: size, context)
            return nil
        }
    }
}
