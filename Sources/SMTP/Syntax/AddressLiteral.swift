/// The address of a host in brackets, in place of a domain (RFC 5321 section 4.1.3).
public enum AddressLiteral: Hashable, Sendable {
    /// Four octets: `[192.0.2.1]`.
    case ipv4(UInt32)
    /// Eight groups of 16 bits: `[IPv6:2001:db8::1]`.
    case ipv6(high: UInt64, low: UInt64)

    /// Parses the text between the brackets.
    ///
    /// - Returns: `nil` for anything but an IPv4 address or an IPv6 address behind the tag `IPv6:`.
    public init?(insideBrackets text: some StringProtocol) {
        let tag = "ipv6:"
        if text.utf8.count > tag.utf8.count, text.prefix(5).lowercased() == tag {
            guard let groups = IPAddressSyntax.ipv6(text.dropFirst(5)) else { return nil }
            self = .ipv6(high: groups.high, low: groups.low)
        } else {
            guard let value = IPAddressSyntax.ipv4(text) else { return nil }
            self = .ipv4(value)
        }
    }
}

extension AddressLiteral: CustomStringConvertible {
    /// The wire form, brackets included.
    public var description: String {
        switch self {
        case .ipv4(let value): "[\(IPAddressSyntax.text(ipv4: value))]"
        case .ipv6(let high, let low): "[IPv6:\(IPAddressSyntax.text(high: high, low: low))]"
        }
    }
}
