public import SMTP

/// What an entry of a list of addresses is about: one mailbox, or all of a domain.
public enum AddressPattern: Hashable, Sendable {
    /// `ann@example.org`.
    case mailbox(Mailbox)
    /// `@example.org`: every mailbox of the domain that has no entry of its own.
    case domain(Domain)

    /// Parses an address with a domain name, or a domain behind an `@`.
    public init?(_ text: some StringProtocol) {
        if text.hasPrefix("@") {
            guard let domain = Domain(text.dropFirst()) else { return nil }
            self = .domain(domain)
        } else {
            guard let mailbox = Mailbox(text), mailbox.domain != nil else { return nil }
            self = .mailbox(mailbox)
        }
    }

    /// Parses where mail goes: any address, literals in brackets included, or `@domain` where that is allowed.
    init?(_ text: some StringProtocol, allowingDomain: Bool) {
        if allowingDomain, let pattern = AddressPattern(text) {
            self = pattern
        } else if let mailbox = Mailbox(text) {
            self = .mailbox(mailbox)
        } else {
            return nil
        }
    }

    /// What an entry must look like, for configuration problems.
    public static let form = "an address such as \"ann@example.org\" or \"@example.org\""

    /// The mailbox; `nil` for a domain.
    public var mailbox: Mailbox? { if case .mailbox(let mailbox) = self { mailbox } else { nil } }

    /// The domain that the entry belongs to; `nil` for an address literal, which only a target can be.
    public var domain: Domain? {
        switch self {
        case .mailbox(let mailbox): mailbox.domain
        case .domain(let domain): domain
        }
    }
}

extension AddressPattern: CustomStringConvertible {
    /// The text form.
    public var description: String {
        switch self {
        case .mailbox(let mailbox): mailbox.description
        case .domain(let domain): "@\(domain)"
        }
    }
}

extension Mailbox {
    /// The mailbox with its local part in lower case, for sites where `Ann@` and `ann@` are one (RFC 5321 section 2.4 leaves
    /// that to the host that the mailbox belongs to).
    public var caseFolded: Mailbox {
        guard let localPart = LocalPart(unquoted: self.localPart.value.lowercased()) else { return self }
        return Mailbox(localPart: localPart, host: self.host)
    }
}
