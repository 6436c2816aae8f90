import InternetMessage
import MailHubPlugin
import MailQueue
import NIOCore
import SMTP

/// Copies of one message for recipients who take it in different forms, and what becomes of those who do not take it.
extension SMTPSession {
    /// A message with the verdict of each recipient.
    struct CopyPlan {
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

        /// Whether nobody wants anything changed, or has anything against the message.
        var isForAllAsReceived: Bool { !self.state.isChanged && self.verdicts.all.allSatisfy(\.isPlain) }

        var holdReason: String? { self.state.holdReason ?? self.transaction.holdReason }
    }

    /// Turns the recipients' verdicts into replies, and stores the message for those who take it.
    func settle(_ plan: CopyPlan) async -> MessageVerdict {
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
    private func settleEach(_ plan: CopyPlan) async -> MessageVerdict {
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
            accepted = .queued(plan.transaction.identifier)
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
    private func store(_ plan: CopyPlan, for places: [Int]) async -> MessageVerdict {
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
}
