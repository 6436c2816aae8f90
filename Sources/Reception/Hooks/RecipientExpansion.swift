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
