import MailHubPlugin
import SMTP

/// What one RCPT becomes while resolvers and plugins look at it.
struct RecipientState: Sendable {
    /// The most mailboxes that one RCPT may become.
    static let maximumExpansion = 10_000

    /// The mailbox that the client has named.
    let named: Mailbox
    /// The recipient as the next plugin sees it: the first of what it has become.
    private(set) var asked: EnvelopeRecipient
    private(set) var recipients: [EnvelopeRecipient]
    private(set) var sizeLimit: Int?
    var isDiscarded = false
    var holdReason: String?

    init(asked: EnvelopeRecipient) {
        self.named = asked.mailbox
        self.asked = asked
        self.recipients = [asked]
    }

    /// Applies one edit (RFC 5321 section 3.9: an alias keeps the reverse-path, a list gets its owner's).
    mutating func apply(_ edit: RecipientEdit) {
        switch edit {
        case .replace(let mailbox):
            self.recipients = [self.copy(of: mailbox)] + self.recipients.dropFirst()
        case .add(let mailbox):
            guard self.recipients.count < Self.maximumExpansion else { return }
            self.recipients.append(self.copy(of: mailbox))
        case .drop:
            self.recipients = []
        case .expand(let mailboxes, let owner):
            self.recipients = mailboxes.prefix(Self.maximumExpansion).map { mailbox in
                var member = self.copy(of: mailbox)
                member.reversePath = owner
                return member
            }
        case .route(let route):
            for index in self.recipients.indices { self.recipients[index].route = route }
        case .limitSize(let size):
            self.sizeLimit = min(self.sizeLimit ?? .max, max(size, 0))
        }
        if let first = self.recipients.first { self.asked = first }
    }

    /// The recipient with another mailbox: what the client asked for (NOTIFY, ORCPT) stays with it.
    private func copy(of mailbox: Mailbox) -> EnvelopeRecipient {
        var copy = self.asked
        copy.mailbox = mailbox
        return copy
    }
}
