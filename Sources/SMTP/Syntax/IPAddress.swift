/// An IP address, of a peer or of a host found in the DNS.
public enum IPAddress: Hashable, Sendable {
    /// An IPv4 address.
    case ipv4(UInt32)
    /// An IPv6 address: the high and the low 64 bits.
    case ipv6(high: UInt64, low: UInt64)

    /// Parses the usual text forms; an IPv4-mapped IPv6 address becomes the IPv4 address that it stands for.
    public init?(_ text: some StringProtocol) {
        if let value = IPAddressSyntax.ipv4(text) {
            self = .ipv4(value)
        } else if let groups = IPAddressSyntax.ipv6(text) {
            self.init(high: groups.high, low: groups.low)
        } else {
            return nil
        }
    }

    /// Makes an address from 16 octets; an IPv4-mapped one becomes the IPv4 address that it stands for.
    public init(high: UInt64, low: UInt64) {
        self =
            high == 0 && low >> 32 == 0xFFFF ? .ipv4(UInt32(truncatingIfNeeded: low)) : .ipv6(high: high, low: low)
    }

    /// The address as it stands in EHLO, Received fields and mailboxes (RFC 5321 section 4.1.3).
    public var literal: AddressLiteral {
        switch self {
        case .ipv4(let value): .ipv4(value)
        case .ipv6(let high, let low): .ipv6(high: high, low: low)
        }
    }
}

extension IPAddress: CustomStringConvertible {
    /// The canonical text form (RFC 5952).
    public var description: String {
        switch self {
        case .ipv4(let value): IPAddressSyntax.text(ipv4: value)
        case .ipv6(let high, let low): IPAddressSyntax.text(high: high, low: low)
        }
    }
}

extension IPAddress: Codable {
    /// Decodes the text form.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        guard let address = IPAddress(try container.decode(String.self)) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "not an IP address")
        }
        self = address
    }
    /// Encodes the text form.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(self.description)
    }
}

/// A network in CIDR notation: `192.0.2.0/24`, `2001:db8::/32`, or one address.
public struct IPNetwork: Hashable, Sendable {
    /// The first address of the network.
    public let base: IPAddress
    /// Leading bits that all members share: 0 to 32, or to 128.
    public let prefixLength: Int

    /// Parses CIDR notation; bits behind the prefix are cleared.
    public init?(_ text: some StringProtocol) {
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard let first = parts.first, let address = IPAddress(first) else { return nil }
        let width = if case .ipv4 = address { 32 } else { 128 }
        var length = width
        if parts.count == 2 {
            guard parts[1].utf8.allSatisfy({ (0x30...0x39).contains($0) }), let given = Int(parts[1]), given <= width
            else {
                return nil
            }
            length = given
        }
        self.init(containing: address, prefixLength: length)
    }

    /// The network of the given prefix length around an address; the length is clamped to what the family allows.
    public init(containing address: IPAddress, prefixLength: Int) {
        switch address {
        case .ipv4(let value):
            self.prefixLength = min(max(prefixLength, 0), 32)
            self.base = .ipv4(value & Self.mask32(self.prefixLength))
        case .ipv6(let high, let low):
            self.prefixLength = min(max(prefixLength, 0), 128)
            self.base = .ipv6(
                high: high & Self.mask64(min(self.prefixLength, 64)),
                low: low & Self.mask64(max(self.prefixLength - 64, 0))
            )
        }
    }

    private static func mask32(_ bits: Int) -> UInt32 { bits == 0 ? 0 : UInt32.max << UInt32(32 - bits) }
    private static func mask64(_ bits: Int) -> UInt64 { bits == 0 ? 0 : UInt64.max << UInt64(64 - bits) }

    /// Whether an address belongs to the network.
    public func contains(_ address: IPAddress) -> Bool {
        switch (self.base, address) {
        case (.ipv4, .ipv4), (.ipv6, .ipv6):
            IPNetwork(containing: address, prefixLength: self.prefixLength).base == self.base
        case (.ipv4, .ipv6), (.ipv6, .ipv4):
            false
        }
    }
}

extension IPNetwork: CustomStringConvertible {
    /// CIDR notation.
    public var description: String { "\(self.base)/\(self.prefixLength)" }
}

extension IPAddress {
    /// Whether it leads back to this machine (RFC 1122 section 3.2.1.3, RFC 4291 section 2.5.3).
    package var isLoopback: Bool {
        switch self {
        case .ipv4(let value): value >> 24 == 127
        case .ipv6(let high, let low): high == 0 && low == 1
        }
    }
}
