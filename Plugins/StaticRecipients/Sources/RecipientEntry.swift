import MailHubPlugin

/// Something wrong with an entry, and where it is.
struct RecipientProblem: Hashable, Sendable {
    /// Where an entry was written.
    enum Place: Hashable, Sendable {
        /// In `"recipients"`.
        case recipient
        /// In `"aliases"` or the file.
        case entry(AddressEntry.Place)
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
    let pattern: AddressPattern
    /// Where mail goes instead; empty for a mailbox.
    let targets: [Mailbox]
}
