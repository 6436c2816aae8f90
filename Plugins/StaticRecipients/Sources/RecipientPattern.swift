import MailHubPlugin

/// What an entry is about: one mailbox, or all of a domain.
enum RecipientPattern: Hashable, Sendable {
    /// `ann@example.org`.
    case mailbox(Mailbox)
    /// `@example.org`: every mailbox of the domain that has no entry of its own.
    case domain(Domain)

    /// Parses an address, or a domain behind an `@`.
    init?(_ text: some StringProtocol) {
        if text.hasPrefix("@") {
            guard let domain = Domain(text.dropFirst()) else { return nil }
            self = .domain(domain)
        } else {
            guard let mailbox = Mailbox(text), mailbox.domain != nil else { return nil }
            self = .mailbox(mailbox)
        }
    }

    /// What an entry must look like.
    static let form = "an address such as \"ann@example.org\" or \"@example.org\""

    /// The domain that the entry belongs to; `nil` for an address literal, which cannot be parsed as an entry.
    var domain: Domain? {
        switch self {
        case .mailbox(let mailbox): mailbox.domain
        case .domain(let domain): domain
        }
    }
}

extension RecipientPattern: CustomStringConvertible {
    /// The text form.
    var description: String {
        switch self {
        case .mailbox(let mailbox): mailbox.description
        case .domain(let domain): "@\(domain)"
        }
    }
}

/// Something wrong with an entry, and where it is.
struct RecipientProblem: Hashable, Sendable {
    /// Where an entry was written.
    enum Place: Hashable, Sendable {
        /// In `"recipients"`.
        case recipient
        /// By its key in `"aliases"`.
        case alias(String)
        /// By its line in the file, from 1.
        case line(Int)
        /// `"postmaster"`.
        case postmaster
    }
    /// Where.
    let place: Place
    /// What, in words for the postmaster.
    let message: String
    /// What to do about it.
    let fix: String
}

/// One entry as it was written.
struct RecipientEntry: Sendable {
    /// Where.
    let place: RecipientProblem.Place
    /// Whom it is about.
    let pattern: RecipientPattern
    /// Where mail goes instead; empty for a mailbox.
    let targets: [Mailbox]
}
