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
    /// For lists in lists, reports go to the owner of the outermost list that has one (RFC 5321 section 3.9.2), and the innermost
    /// route counts: a member's own comes before the list's. A mailbox that is there by several ways gets one copy, by the first
    /// of them.
    mutating func apply(_ expansion: RecipientExpansion) {
        expansion.edits.forEach { self.apply($0) }
        guard !expansion.inner.isEmpty else { return }
        if self.members == nil, let inner = expansion.inner[self.asked.mailbox] {
            var state = RecipientState(asked: self.asked)
            state.apply(inner)
            self.asked = state.asked
            self.members = state.members
            self.others = state.others + self.others
            if let limit = state.sizeLimit { self.apply(.limitSize(limit)) }
        } else {
            self.members = self.members.map { Self.opened($0, expansion.inner) }
        }
        self.others = Self.opened(self.others, expansion.inner)
    }

    /// The recipients with those whom they stand for in their places: at most one more than a message can have.
    private static func opened(
        _ recipients: [EnvelopeRecipient],
        _ inner: [Mailbox: RecipientExpansion]
    ) -> [EnvelopeRecipient] {
        var result: [EnvelopeRecipient] = []
        var seen: Set<Mailbox> = []
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
