import MailHubPlugin
import MailQueue
import NIOCore
import SMTP

/// RCPT (RFC 5321 sections 3.3, 3.6.2 and 4.1.1.3).
extension SMTPSession {
    func recipient(_ path: ForwardPath, _ parameters: RecipientParameters) -> Work? {
        if let ahead = self.transaction?.lookedAhead, ahead > 0 { self.transaction?.lookedAhead = ahead - 1 }
        switch self.sequence.recipient(accepted: self.transaction?.acceptedRecipients ?? 0) {
        case .reply(let reply):
            self.refuse(reply)
            return nil
        case .askHooks:
            break
        }
        let mailbox: Mailbox
        let isPostmaster: Bool
        switch path {
        case .mailbox(let given) where !self.isOurPostmaster(given): (mailbox, isPostmaster) = (given, false)
        case .postmaster, .mailbox: (mailbox, isPostmaster) = (self.settings.postmaster, true)
        }
        if self.isExhausted(self.listener.limits.recipientsPerClient, .recipient) {
            self.refuseRecipient(mailbox, .tooManyRecipientsOfClient)
            return nil
        }
        var recipient = EnvelopeRecipient(mailbox)
        if isPostmaster { recipient.named = self.postmasterAsNamed(path) }
        recipient.originalRecipient = parameters.originalRecipient
        recipient.notify = parameters.notify
        if self.mustTravelApart(mailbox) {
            self.refuseRecipient(mailbox, .recipientApart)
            return nil
        }
        let isServed = isPostmaster || self.isServed(mailbox)
        if !isServed, let refusal = self.relayRefusal(for: mailbox) {
            self.refuseRecipient(mailbox, refusal)
            return nil
        }
        return isServed ? self.askResolvers(about: recipient) : self.askAboutRecipient(RecipientState(asked: recipient))
    }

    /// Whether mail for the mailbox is taken from anybody.
    func isServed(_ mailbox: Mailbox) -> Bool {
        switch mailbox.host {
        case .domain(let domain):
            self.settings.servedDomains.contains(domain)
        case .literal(let literal):  // only the postmaster lives at an address (RFC 5321 section 4.5.1)
            mailbox.isPostmaster(self.settings.postmaster) && literal == self.localLiteral
        }
    }

    /// `<Postmaster>` has no domain (RFC 5321 section 4.1.1.3): it is the one at the hub's own name.
    private func postmasterAsNamed(_ path: ForwardPath) -> Mailbox? {
        if case .mailbox(let mailbox) = path { mailbox } else { Mailbox("postmaster@\(self.settings.host)") }
    }

    /// The postmaster at the hub's own name, which need not be a served domain (RFC 5321 section 4.5.1).
    func isOurPostmaster(_ mailbox: Mailbox) -> Bool {
        guard let domain = mailbox.domain, domain == self.settings.host else { return false }
        return !self.settings.servedDomains.contains(domain) && mailbox.isPostmaster(self.settings.postmaster)
    }

    private var localLiteral: AddressLiteral? {
        self.channel.localAddress.flatMap { IPAddress($0) }?.literal
    }

    /// Why a client may not send to a domain that is not served: never an open relay (RFC 5321 section 3.6.2).
    private func relayRefusal(for mailbox: Mailbox) -> Reply? {
        guard self.mayRelay else { return .relayingDenied }
        guard mailbox.domain?.isFullyQualified ?? true else {
            return Reply(550, .init(1, 2), "The domain is not fully qualified")
        }
        return nil
    }

    /// What the resolvers have said, and then the plugins.
    func resolved(_ recipient: EnvelopeRecipient, _ finding: RecipientFinding) -> Work? {
        let mailbox = recipient.mailbox
        var state = RecipientState(asked: recipient)
        switch finding.orPostmaster(self.settings.postmaster, for: mailbox) {
        case .found(let expansion): state.apply(expansion)
        case .notFound, .next:
            self.refuseRecipient(mailbox, .noSuchMailbox)
            return nil
        case .unavailable(let why):
            self.logger.warning("recipient cannot be checked", metadata: ["to": "\(mailbox)", "error": "\(why)"])
            self.refuseRecipient(mailbox, .directoryUnavailable)
            return nil
        }
        return self.askAboutRecipient(state)
    }

    func askAboutRecipient(_ state: RecipientState) -> Work? {
        let mailbox = state.named
        guard !self.settings.hooks.recipient.isEmpty else {
            self.take(state, as: mailbox)
            return nil
        }
        guard let envelope = self.sequence.envelope, let seen = self.transaction?.context(envelope) else {
            self.refuseRecipient(mailbox, .temporaryFailure)  // nobody could be asked
            return nil
        }
        let question = RecipientQuestion(transaction: seen, session: self.context)
        return self.ask(question, self.settings.hooks.recipient, state) { session, result in
            session.decide(mailbox, result)
            return nil
        }
    }

    private func decide(_ mailbox: Mailbox, _ result: ChainResult<RecipientState, RecipientOutcome>) {
        switch result {
        case .passed(let state), .decided(.accept, let state), .decided(.next, let state), .decided(.change, let state),
            .decided(.discard, let state), .decided(.hold, let state):
            self.take(state, as: mailbox)
        case .decided(.reject(let reply), _):
            self.refuseRecipient(mailbox, reply.withClass(.permanentFailure, else: .policyRefusal))
        case .decided(.defer(let reply), _):
            self.refuseRecipient(mailbox, reply.withClass(.transientFailure, else: .temporaryFailure))
        case .decided(.disconnect(let reply), _):
            self.disconnect(with: reply)
        case .failed:
            self.refuseRecipient(mailbox, .temporaryFailure)
        }
    }

    private func take(_ state: RecipientState, as mailbox: Mailbox) {
        if state.isTooLarge {
            // Whoever would be left out would not even hear of it; the postmaster can divide the list.
            self.logger.error(
                "more recipients behind one than a message can have",
                metadata: ["to": "\(mailbox)", "most": "\(RecipientState.maximumExpansion)"]
            )
            return self.refuseRecipient(mailbox, .temporaryFailure)
        }
        if let limit = state.sizeLimit {
            if let declared = self.sequence.envelope?.declaredSize, declared > limit {
                return self.refuseRecipient(mailbox, .messageTooLarge)
            }
            // Read first: within the assignment the transaction is being changed already.
            let before = self.transaction?.sizeLimit ?? limit
            self.transaction?.sizeLimit = min(before, limit)
        }
        if state.isDiscarded { self.transaction?.isDiscarded = true }
        if let reason = state.holdReason { self.transaction?.holdReason = reason }
        self.acceptRecipient(state.recipients, as: mailbox)
    }

    private func acceptRecipient(_ recipients: [EnvelopeRecipient], as mailbox: Mailbox) {
        let first = self.sequence.envelope?.recipients.count ?? 0
        self.transaction?.asked.append(mailbox)
        self.transaction?.commands.append(first..<(first + recipients.count))
        self.note(.recipient)
        self.reply(self.sequence.recipientDecided(.accepted(.recipientOK), adding: recipients))
        self.tell(.recipientAccepted(mailbox))
    }

    private func refuseRecipient(_ mailbox: Mailbox, _ reply: Reply) {
        // Nobody hears it who has left while plugins were asked.
        if !self.isDisconnected {
            self.logger.info(
                "recipient refused",
                metadata: [
                    "from": "\(self.sequence.envelope?.reversePath ?? .null)", "to": "\(mailbox)", "reply": "\(reply)",
                ]
            )
        }
        self.refuse(self.sequence.recipientDecided(.refused(reply), adding: []))
        self.tell(.recipientRefused(mailbox, reply))
    }
}

private struct RecipientQuestion: StageQuestion {
    let transaction: TransactionContext
    let session: SessionContext

    func ask(_ hook: any RecipientHook, _ state: inout RecipientState) async throws -> ChainStep<RecipientOutcome> {
        switch try await hook.recipient(state.asked, self.transaction, self.session) {
        case .next: return .next
        case .change(let edits): edits.forEach { state.apply($0) }
        case .discard: state.isDiscarded = true
        case .hold(let reason): state.holdReason = reason
        case let outcome: return .decided(outcome)
        }
        return .changed
    }
}
