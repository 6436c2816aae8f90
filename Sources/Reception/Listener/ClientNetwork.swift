import SMTP

/// What counts as one client where clients are limited: an IPv4 address, or the /64 network of an IPv6 address.
///
/// A host chooses its IPv6 address within its /64 as it likes (RFC 4291 section 2.5.4), so that a limit for single
/// addresses would be none.
struct ClientNetwork: Hashable, Sendable {
    private let address: IPAddress

    init(of address: IPAddress) {
        switch address {
        case .ipv4: self.address = address
        case .ipv6(let high, _): self.address = .ipv6(high: high, low: 0)
        }
    }
}
