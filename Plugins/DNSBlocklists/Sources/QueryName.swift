import MailHubPlugin

/// The names under which lists have their entries (RFC 5782 sections 2.1, 2.4 and 3).
enum QueryName {
    /// Octets in reverse order, or 32 nibbles in reverse order, in front of the zone.
    static func of(_ address: IPAddress, in zone: Domain) -> String {
        switch address {
        case .ipv4(let value):
            let octets = stride(from: UInt32(0), to: 32, by: 8).map { String(value >> $0 & 0xFF) }
            return octets.joined(separator: ".") + "." + zone.canonical
        case .ipv6(let high, let low):
            let nibbles = [low, high].flatMap { half in
                stride(from: UInt64(0), to: 64, by: 4).map { String(half >> $0 & 0xF, radix: 16) }
            }
            return nibbles.joined(separator: ".") + "." + zone.canonical
        }
    }

    /// The domain in front of the zone; `nil` where that is longer than a name can be.
    static func of(_ domain: Domain, in zone: Domain) -> String? {
        let name = domain.canonical + "." + zone.canonical
        return name.utf8.count <= 253 ? name : nil
    }
}
