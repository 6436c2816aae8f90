import MailHubPlugin
import SMTP

/// What one RCPT becomes while resolvers and plugins look at it.
struct RecipientState: Sendable {
    /// The most mailboxes that one RCPT may become.
    static let maximumExpansion = 10_000

    /// The mailbox that the client has named.
    let named: Mailbox
    /// The recipient as the next plugin sees it: what an alias stands for; of a list, the list itself, since what holds for the
    /// list, such as who may write to it, is not for its members to say.
    var asked: EnvelopeRecipient
    /// Who gets the message in place of `asked`: the members of a list, nobody where it was dropped.
    var members: [EnvelopeRecipient]?
    /// Who gets it besides.
    var others: [EnvelopeRecipient] = []
    private(set) var sizeLimit: Int?
    var isDiscarded = false
    var holdReason: String?

    init(asked: EnvelopeRecipient) {
        self.named = asked.mailbox
        self.asked = asked
    }

    /// Who gets the message.
    var recipients: [EnvelopeRecipient] { (self.members ?? [self.asked]) + self.others }

    /// Whether it has become more mailboxes than one message can have.
    var isTooLarge: Bool { (self.members?.count ?? 1) + self.others.count > Self.maximumExpansion }

    /// Applies one edit (RFC 5321 section 3.9: an alias keeps the reverse-path, a list gets its owner's).
    mutating func apply(_ edit: RecipientEdit) {
        switch edit {
        case .replace(let mailbox):
            self.asked = self.copy(for: mailbox)
            self.members = nil
        case .add(let mailbox):
            self.others.append(self.copy(for: mailbox))
        case .drop:
            self.members = []
            self.others = []
        case .expand(let mailboxes, let owner):
            self.members = mailboxes.map { mailbox in
                var member = self.copy(for: mailbox)
                member.reversePath = member.reversePath ?? owner  // the outer list's, where this one is in a list
                return member
            }
        case .route(let route):
            self.asked.route = route
            self.setRoutes { _ in route }
        case .routeMembers(let routes):
            self.asked.route = routes[self.asked.mailbox] ?? self.asked.route
            self.setRoutes { routes[$0.mailbox] ?? $0.route }
        case .limitSize(let size):
            self.sizeLimit = min(self.sizeLimit ?? .max, max(size, 0))
        }
    }

    private mutating func setRoutes(_ route: (EnvelopeRecipient) -> String?) {
        func routed(_ recipients: [EnvelopeRecipient]) -> [EnvelopeRecipient] {
            recipients.map { recipient in
                var copy = recipient
                copy.route = route(recipient)
                return copy
            }
        }
        self.members = self.members.map(routed)
        self.others = routed(self.others)
    }

    /// The recipient with another mailbox: what the client asked for (NOTIFY, ORCPT) stays with it.
    private func copy(for mailbox: Mailbox) -> EnvelopeRecipient {
        var copy = self.asked
        copy.mailbox = mailbox
        copy.named = self.asked.named ?? self.named
        return copy
    }
}
