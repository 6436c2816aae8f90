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
        self.resolvedAhead = [:]
        self.sequence.transactionEnded()
        switch verdict {
        case .accepted(let size, let queued):
            self.finalReply(.queued(transaction.id.description), count: transaction.acceptedRecipients)
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
        let identifier = transaction.id.description
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
        guard self.settings.hooks.wantsMessages || self.listener.role == .submission else {
            if transaction.isDiscarded || envelope.recipients.isEmpty {
                return await self.discard(message, envelope, transaction)
            }
            guard let routed = await self.routed(envelope, transaction) else {
                await message.discard()
                return .refused(.temporaryFailure)
            }
            return await self.store(message, routed, transaction, transaction.holdReason)
        }
        switch await self.askAboutMessage(message, envelope, transaction) {
        case .taken(let state):
            if transaction.isDiscarded || state.isDiscarded || envelope.recipients.isEmpty {
                return await self.discard(message, envelope, transaction)
            }
            let verdicts = await self.askAboutRecipients(state, envelope, transaction)
            guard let routed = await self.routed(envelope, transaction) else {
                await message.discard()
                return .refused(.temporaryFailure)
            }
            return await self.settle(CopyPlan(state, routed, transaction, verdicts))
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
    ) async -> Verdict {
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
    ) async -> Verdict {
        do {
            try await self.services.intake.accept(
                NewMessage(
                    id: transaction.id,
                    envelope: envelope.withoutRepetitions,
                    content: message.content,
                    arrival: self.services.clock.now,
                    holdReason: holdReason
                )
            )
        } catch {
            await message.discard()
            return .refused(self.reply(to: error))
        }
        self.logAccepted("message accepted", transaction.id, envelope, transaction)
        return .accepted(size: transaction.size, queued: envelope)
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

    // MARK: Copies

    /// A message with the verdict of each recipient.
    private struct CopyPlan {
        let state: MessageState
        let envelope: Envelope
        let transaction: MailTransaction
        var verdicts: RecipientVerdicts
        var failures: [RecipientFailure] = []

        init(
            _ state: MessageState,
            _ envelope: Envelope,
            _ transaction: MailTransaction,
            _ verdicts: RecipientVerdicts
        ) {
            self.state = state
            self.envelope = envelope
            self.transaction = transaction
            self.verdicts = verdicts
        }

        var holdReason: String? { self.state.holdReason ?? self.transaction.holdReason }
    }

    /// Turns the recipients' verdicts into replies, and stores the message for those who take it.
    private func settle(_ plan: CopyPlan) async -> Verdict {
        var plan = plan
        if self.listener.role == .lmtp { return await self.settleEach(plan) }
        let everybody = plan.envelope.recipients.indices
        if plan.verdicts.differ {
            if let refusal = self.reconcile(&plan) {
                await plan.state.message.discard()
                return .refused(refusal)
            }
        } else if let refusal = plan.verdicts.refusal(at: everybody) {
            await plan.state.message.discard()
            return .refused(refusal)
        }
        return await self.store(plan, for: Array(everybody))
    }

    /// LMTP: each RCPT that was accepted gets the reply of what it has become.
    private func settleEach(_ plan: CopyPlan) async -> Verdict {
        let refusals = plan.transaction.commands.map { plan.verdicts.refusal(at: $0) }
        let takers = zip(plan.transaction.commands, refusals).flatMap { places, refusal in
            refusal == nil ? Array(places) : []
        }
        let accepted: Reply
        var queued: Envelope?
        guard !takers.isEmpty || refusals.contains(nil) else {
            await plan.state.message.discard()
            return .byRecipient(refusals.map { $0 ?? .temporaryFailure }, size: plan.transaction.size, queued: nil)
        }
        switch await self.store(plan, for: takers) {
        case .accepted(_, let envelope):
            accepted = .queued(plan.transaction.id.description)
            queued = envelope
        case .refused(let reply), .disconnected(let reply): accepted = reply
        case .byRecipient: accepted = .temporaryFailure
        }
        return .byRecipient(refusals.map { $0 ?? accepted }, size: plan.transaction.size, queued: queued)
    }

    /// Applies the listener's rule to recipients of different opinion.
    ///
    /// - Returns: the reply, where nobody gets the message now.
    private func reconcile(_ plan: inout CopyPlan) -> Reply? {
        let refused = plan.verdicts.all.indices.filter { place in
            if case .refused = plan.verdicts.all[place].answer { true } else { false }
        }
        // Only a final "no" can be held or bounced; who is deferred must get another chance.
        let areFinal = refused.allSatisfy { place in
            plan.verdicts.refusal(at: [place])?.code.replyClass == .permanentFailure
        }
        switch self.listener.differingVerdicts {
        case .hold where areFinal:
            for place in refused {
                let reply = plan.verdicts.refusal(at: [place])
                plan.verdicts.all[place].answer = .taken
                plan.verdicts.all[place].holdReason = "refused for this recipient: \(reply?.description ?? "")"
            }
            return nil
        case .bounce where areFinal && self.mayRelay && plan.verdicts.all.contains { $0.answer == .taken }:
            for place in refused {
                guard let reply = plan.verdicts.refusal(at: [place]) else { continue }
                plan.failures.append(RecipientFailure(recipient: plan.envelope.recipients[place], reply: reply))
            }
            return nil
        case .refuse, .hold, .bounce:
            // Each RCPT refuses, be it because of one member of its group: the next attempt could tell nobody apart.
            if plan.transaction.commands.allSatisfy({ plan.verdicts.refusal(at: $0) != nil }) {
                return plan.verdicts.refusal(at: plan.envelope.recipients.indices)
            }
            self.noteDifference(plan)
            return .verdictsDiffer
        }
    }

    /// Remembers who has differed from whom, so that the next attempt is told apart at RCPT.
    private func noteDifference(_ plan: CopyPlan) {
        var parties: [Mailbox: Int] = [:]
        var numbers: [RecipientVerdict.Answer: Int] = [:]
        for (mailbox, places) in zip(plan.transaction.asked, plan.transaction.commands) {
            let answer = plan.verdicts.refusal(at: places).map { RecipientVerdict.Answer.refused($0) } ?? .taken
            let number = numbers[answer] ?? numbers.count
            numbers[answer] = number
            parties[mailbox] = number
        }
        self.services.apart.note(
            parties,
            client: self.clientAddress,
            reversePath: plan.envelope.reversePath
        )
    }

    /// Stores a copy for each form of the message that recipients take: all in one commit.
    private func store(_ plan: CopyPlan, for places: [Int]) async -> Verdict {
        let transaction = plan.transaction
        let copies = plan.verdicts.copies(of: plan.envelope, at: places)
        var stored: [NewMessage] = []
        var isReceivedUsed = false
        do {
            for (number, copy) in copies.enumerated() {
                var state = plan.state
                for edit in copy.edits { try state.apply(edit) }
                let id = number == 0 ? transaction.id : QueueID.make(at: self.services.clock.now)
                let name = state.isChanged ? QueueID.make(at: self.services.clock.now) : id
                let message = try await state.finished(under: name, isReceivedFree: !isReceivedUsed)
                isReceivedUsed = isReceivedUsed || message.content.fileName == plan.state.message.content.fileName
                var envelope = plan.envelope
                envelope.recipients = copy.recipients
                stored.append(
                    NewMessage(
                        id: id,
                        envelope: envelope.withoutRepetitions,
                        content: message.content,
                        arrival: self.services.clock.now,
                        holdReason: copy.holdReason ?? plan.holdReason
                    )
                )
            }
            if !stored.isEmpty { try await self.services.intake.accept(stored, failing: plan.failures) }
        } catch {
            for message in stored { await plan.state.message.directory.discard(message.content) }
            await plan.state.message.discard()
            return .refused(self.reply(to: (error as? StoreError) ?? .unavailable("\(error)")))
        }
        if !isReceivedUsed { await plan.state.message.discard() }
        for message in stored { self.logAccepted("message accepted", message.id, message.envelope, transaction) }
        if stored.isEmpty { self.logAccepted("message discarded", transaction.id, plan.envelope, transaction) }
        var queued = plan.envelope
        queued.recipients = stored.flatMap(\.envelope.recipients)
        return .accepted(size: transaction.size, queued: queued)
    }

    /// The envelope with the routes that plugins chose; `nil` where one has failed whose failure is to defer the message: it must
    /// not go another way than the plugin would have chosen.
    private func routed(_ envelope: Envelope, _ transaction: MailTransaction) async -> Envelope? {
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
            switch result {
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
        let context = self.context
        let seen = TransactionContext(
            envelope: envelope,
            queueIdentifier: transaction.id.description,
            facts: transaction.facts
        )
        let size = transaction.size
        await self.runner.tell(self.settings.hooks.queued) { try await $0.queued(seen, size: size, context) }
    }
}
