import MailHubPlugin
import NIOCore
import SMTP

/// Recipients that are named together are asked about together: a client that sends its RCPT commands in one group (RFC 2920
/// section 3.1) waits for its resolvers once, not once for each.
extension SMTPSession {
    /// The most recipients that resolvers are asked about at a time, for one session.
    static let mostAhead = 50

    /// Asks the resolvers about a recipient of ours, and at the same time about those that come behind it.
    func askResolvers(about recipient: EnvelopeRecipient) -> Work? {
        guard !self.settings.hooks.resolver.isEmpty else {
            return self.askAboutRecipient(RecipientState(asked: recipient))
        }
        let mailbox = recipient.mailbox
        if let known = self.transaction?.resolvedAhead.removeValue(forKey: mailbox) {
            return self.resolved(recipient, known)
        }
        // Whoever is in the commands that have been looked at is known, or not to be asked about.
        let others = self.transaction?.lookedAhead == 0 ? self.recipientsAhead(of: mailbox) : []
        guard others.isEmpty else {
            return .rest { session in session.resolved(recipient, await session.resolution(of: mailbox, and: others)) }
        }
        let question = MailboxQuestion(mailbox: mailbox, session: self.context)
        return self.ask(question, self.settings.hooks.resolver, Asked()) { session, result in
            switch session.resolution(result) {
            case .settled(let finding): session.resolved(recipient, finding)
            case .alias(let found, let next):
                .rest { session in
                    session.resolved(recipient, await session.resolve(found, of: mailbox, from: next))
                }
            }
        }
    }

    private func resolution(of mailbox: Mailbox, and others: Set<Mailbox>) async -> RecipientFinding {
        let transaction = self.transaction?.id
        var answers = await self.resolve(others.union([mailbox]), atOnce: Self.mostAhead)
        // The client may have gone, or been sent away.
        guard self.transaction?.id == transaction else { return .unavailable("the transaction has ended") }
        let own = answers.removeValue(forKey: mailbox)
        self.transaction?.resolvedAhead = answers
        return own ?? .unavailable("not asked")
    }

    /// Other mailboxes of the RCPT commands that lie in the input, as far as they can still be accepted.
    private func recipientsAhead(of mailbox: Mailbox) -> Set<Mailbox> {
        let limits = self.listener.limits
        // Whoever guesses addresses is not helped to more guesses than he gets replies.
        let room = min(
            limits.recipients - (self.transaction?.acceptedRecipients ?? 0) - 1,
            limits.errors - self.errors - 1,
            Self.mostAhead - 1
        )
        guard room > 0 else { return [] }
        var (framing, input) = (self.framing, self.input)
        var found: Set<Mailbox> = []
        for _ in 0..<room {
            guard case .line(let length) = framing.next(in: &input),
                case .success(.rcpt(.mailbox(let next), _)) = self.command(length: length, in: input)
            else { break }
            input.moveReaderIndex(forwardBy: length + 2)
            self.transaction?.lookedAhead += 1
            if next != mailbox, self.isServed(next), !self.isOurPostmaster(next) { found.insert(next) }
        }
        return found
    }
}
