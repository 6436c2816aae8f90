/// A domain name in a mailbox or an EHLO argument (RFC 5321 section 4.1.2; U-labels after RFC 6531 section 3.3).
///
/// Two domains are equal when their A-label forms are equal without regard to case (RFC 5321 section 2.4); the spelling
/// that was received is kept for the wire.
public struct Domain: Sendable {
    /// The spelling as received or configured: 1 to 255 octets, no trailing dot.
    public let text: String
    /// The lower-case A-label form, for comparison and DNS look-ups (RFC 5891 section 5).
    public let canonical: String

    /// Parses a domain name.
    ///
    /// - Parameter text: labels of letters, digits and inner hyphens joined by dots; U-labels where `allowingUTF8`.
    /// - Returns: `nil` when a label is empty, over 63 octets, or holds anything else; or the whole is over 255 octets.
    public init?(_ text: some StringProtocol, allowingUTF8: Bool = true) {
        guard let canonical = DomainSyntax.canonical(text, allowingUTF8: allowingUTF8) else { return nil }
        self.text = String(text)
        self.canonical = canonical
    }

    /// Whether the name consists of ASCII characters only, as the protocol without SMTPUTF8 demands.
    public var isASCII: Bool { self.text.utf8.allSatisfy { $0 < 0x80 } }

    /// Whether the name has more than one label: single-label names are local aliases (RFC 5321 section 2.3.5).
    public var isFullyQualified: Bool { self.canonical.utf8.contains(UInt8(ascii: ".")) }

    /// Whether this is `other` or lies below it in the DNS tree.
    public func isEqualOrSubdomain(of other: Domain) -> Bool {
        self.canonical == other.canonical || self.canonical.hasSuffix("." + other.canonical)
    }
}

extension Domain: Hashable {
    /// Equality of the A-label forms.
    public static func == (left: Domain, right: Domain) -> Bool { left.canonical == right.canonical }
    /// Hashes the A-label form.
    public func hash(into hasher: inout Hasher) { hasher.combine(self.canonical) }
}

extension Domain: CustomStringConvertible {
    /// The spelling as received.
    public var description: String { self.text }
}

extension Domain: Codable {
    /// Decodes the text form.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        guard let domain = Domain(text) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "not a domain name")
        }
        self = domain
    }
    /// Encodes the text form.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(self.text)
    }
}
