import MailHubPlugin
import SMTP

/// VRFY and EXPN (RFC 5321 sections 3.5 and 7.3).
///
/// Unless the listener's configuration says otherwise, every argument gets the same 252: addresses cannot be harvested.
extension SMTPSession {
    func verify(_ argument: String, isExpand: Bool) -> Work? {
        let isRefused = self.sequence.passive(.cannotVerify) != .cannotVerify
        guard self.listener.answersVerify, !isRefused, !self.settings.hooks.resolver.isEmpty,
            let mailbox = self.mailbox(from: argument), let domain = mailbox.domain,
            self.settings.servedDomains.contains(domain)
        else {
            self.reply(self.sequence.passive(.cannotVerify))
            return nil
        }
        return .verify(mailbox, isExpand: isExpand)
    }

    /// A user name alone means a mailbox at the postmaster's domain.
    private func mailbox(from argument: String) -> Mailbox? {
        let text =
            argument.hasPrefix("<") && argument.hasSuffix(">") ? String(argument.dropFirst().dropLast()) : argument
        return Mailbox(text) ?? Mailbox("\(text)@\(self.settings.postmaster.host)")
    }

    func askResolvers(about mailbox: Mailbox, isExpand: Bool) async {
        switch await self.resolve(mailbox) {
        case .found(let expansion):
            var state = RecipientState(asked: EnvelopeRecipient(mailbox))
            if isExpand { state.apply(expansion) }
            let members = state.recipients
            self.reply(
                Reply(250, .init(1, 5), lines: (members.isEmpty ? [mailbox] : members.map(\.mailbox)).map { "<\($0)>" })
            )
        case .notFound where mailbox.isPostmaster(self.settings.postmaster),
            .next where mailbox.isPostmaster(self.settings.postmaster):
            // As RCPT does (RFC 5321 section 4.5.1).
            self.reply(Reply(250, .init(1, 5), "<\(self.settings.postmaster)>"))
        case .notFound, .next:
            self.refuse(Reply(550, .init(1, 1), "No such user here"))
        case .unavailable:
            self.reply(.cannotVerify)
        }
    }
}
