/// The argument of MAIL FROM: where reports about the message go (RFC 5321 section 4.1.1.2).
public enum ReversePath: Hashable, Sendable {
    /// `<>`: nobody; used by notifications (RFC 5321 section 4.5.5).
    case null
    /// A mailbox; a source route in front of it was dropped.
    case mailbox(Mailbox)

    /// The mailbox; `nil` for the null reverse-path.
    public var mailbox: Mailbox? {
        switch self {
        case .null: nil
        case .mailbox(let mailbox): mailbox
        }
    }

    /// Parses the text between the angle brackets; the empty text is the null reverse-path.
    public init?(_ text: some StringProtocol) {
        if text.isEmpty {
            self = .null
        } else if let mailbox = Mailbox(text) {
            self = .mailbox(mailbox)
        } else {
            return nil
        }
    }
}

extension ReversePath: CustomStringConvertible {
    /// The text between the angle brackets: empty for the null reverse-path.
    public var description: String { self.mailbox?.description ?? "" }
}

/// The argument of RCPT TO: who gets the message (RFC 5321 section 4.1.1.3).
public enum ForwardPath: Hashable, Sendable {
    /// `<Postmaster>` without a domain, in any case (RFC 5321 section 4.1.1.3).
    case postmaster
    /// A mailbox; a source route in front of it was dropped.
    case mailbox(Mailbox)

    /// Parses the text between the angle brackets.
    public init?(_ text: some StringProtocol) {
        if text.lowercased() == "postmaster" {
            self = .postmaster
        } else if let mailbox = Mailbox(text) {
            self = .mailbox(mailbox)
        } else {
            return nil
        }
    }
}

extension ForwardPath: CustomStringConvertible {
    /// The text between the angle brackets.
    public var description: String {
        switch self {
        case .postmaster: "Postmaster"
        case .mailbox(let mailbox): mailbox.description
        }
    }
}
