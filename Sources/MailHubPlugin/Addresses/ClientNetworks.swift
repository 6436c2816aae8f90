public import SMTP

/// How clients are grouped: one network counts as one client, because a sender's hosts are neighbours and an IPv6 client has
/// at least a /64 to itself.
public struct ClientNetworks: Hashable, Sendable {
    /// Leading bits of an IPv4 address that count: 24 unless configured.
    public var ipv4: Int
    /// Leading bits of an IPv6 address that count: 64 unless configured.
    public var ipv6: Int

    /// Groups by prefix lengths.
    public init(ipv4: Int = 24, ipv6: Int = 64) {
        self.ipv4 = ipv4
        self.ipv6 = ipv6
    }

    /// Reads `"ipv4"` and `"ipv6"`; the defaults hold where the section or a key is absent.
    public init(reading section: ConfigurationSection?, default fallback: ClientNetworks = ClientNetworks()) {
        self.ipv4 = section?.integer("ipv4", in: 8...32, default: fallback.ipv4) ?? fallback.ipv4
        self.ipv6 = section?.integer("ipv6", in: 16...128, default: fallback.ipv6) ?? fallback.ipv6
    }

    /// The network that an address counts for.
    public func network(of address: IPAddress) -> IPNetwork {
        switch address {
        case .ipv4: IPNetwork(containing: address, prefixLength: self.ipv4)
        case .ipv6: IPNetwork(containing: address, prefixLength: self.ipv6)
        }
    }
}
