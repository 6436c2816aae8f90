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
    private(set) var asked: EnvelopeRecipient
    /// Who gets the message in place of `asked`: the members of a list, nobody where it was dropped.
    private var members: [EnvelopeRecipient]?
    /// Who gets it besides.
    private var others: [EnvelopeRecipient] = []
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
            self.setRoutes { _ in route }
        case .routeMembers(let routes):
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
        self.asked.route = route(self.asked)
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

extension RecipientState {
    /// Applies what the resolvers know.
    ///
    /// For lists in lists, reports go to the owner of the outermost list that has one: RFC 5321 section 3.9.2 speaks of one list, and
    /// this is the one that the client has named. The innermost route counts: a member's own comes before the list's. A mailbox that
    /// is there by several ways gets one copy, by the first of them.
    mutating func apply(_ expansion: RecipientExpansion) {
        expansion.edits.forEach { self.apply($0) }
        guard !expansion.inner.isEmpty else { return }
        var seen: Set<Mailbox> = []
        var innerOthers: [EnvelopeRecipient] = []
        if let members = self.members {
            self.members = Self.opened(members, expansion.inner, &seen)
        } else {
            var state = RecipientState(asked: self.asked)
            if let inner = expansion.inner[self.asked.mailbox] { state.apply(inner) }
            self.asked = state.asked
            self.members = state.members
            if let limit = state.sizeLimit { self.apply(.limitSize(limit)) }
            seen.formUnion(state.recipients.map(\.mailbox))
            innerOthers = state.others
        }
        self.others = innerOthers + Self.opened(self.others, expansion.inner, &seen)
    }

    /// The recipients with those whom they stand for in their places: at most one more than a message can have.
    private static func opened(
        _ recipients: [EnvelopeRecipient],
        _ inner: [Mailbox: RecipientExpansion],
        _ seen: inout Set<Mailbox>
    ) -> [EnvelopeRecipient] {
        var result: [EnvelopeRecipient] = []
        for recipient in recipients {
            var state = RecipientState(asked: recipient)
            if let expansion = inner[recipient.mailbox] { state.apply(expansion) }
            for found in state.recipients where seen.insert(found.mailbox).inserted {
                result.append(found)
                if result.count > Self.maximumExpansion { return result }
            }
        }
        return result
    }
}
