import MailHubPlugin
import SMTP

/// What a mailbox stands for: what the resolver that knows it has said, and what those behind say of the mailboxes that it named.
struct RecipientExpansion: Sendable {
    let edits: [RecipientEdit]
    /// What is behind the mailboxes that the edits name.
    var inner: [Mailbox: RecipientExpansion] = [:]

    /// The mailboxes that the edits name.
    var targets: [Mailbox] {
        self.edits.flatMap { edit -> [Mailbox] in
            switch edit {
            case .replace(let mailbox), .add(let mailbox): [mailbox]
            case .expand(let mailboxes, _): mailboxes
            case .drop, .route, .routeMembers, .limitSize: []
            }
        }
    }
}

/// What all resolvers together have come to about a mailbox.
enum RecipientFinding: Sendable {
    /// None answers for it.
    case next
    case found(RecipientExpansion)
    case notFound
    /// The text is for our log.
    case unavailable(String)

    /// What one resolver has said.
    init(_ resolution: RecipientResolution) {
        switch resolution {
        case .next: self = .next
        case .found(let resolved): self = .found(RecipientExpansion(edits: resolved.edits))
        case .notFound: self = .notFound
        case .unavailable(let why): self = .unavailable(why)
        }
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
