package import MailHubPlugin
import TransportSecurity

/// What a host's domain has published of its certificate.
struct DANEAssociations: Hashable, Sendable, CustomStringConvertible {
    /// The usable ones: at least one.
    let records: [TLSARecord]
    /// The name below which they were found, which the handshake asks for (RFC 7672 section 8.1).
    let base: String
    /// The names one of which a certificate below a published authority must be for (section 3.2.3).
    let names: [String]

    var description: String { "dane \(self.base) \(self.names) \(self.records)" }
}

/// Finds what domains have published of the certificates of their hosts (RFC 6698, RFC 7672).
package struct DANELookup: Sendable {
    /// What came of it.
    enum Answer: Hashable, Sendable {
        /// Nothing that DNSSEC vouches for: DANE does not apply.
        case none
        /// Records that cannot be used: TLS is needed, whoever the server is (RFC 7672 section 2.2).
        case unusable
        case found(DANEAssociations)
        /// The DNS does not say: nobody knows whether there is something, and the host is not used (section 2.1.2).
        case unavailable(String)
    }
    private let resolver: any ValidatingResolver

    package init(resolver: any ValidatingResolver) { self.resolver = resolver }

    func associations(of hop: NextHop) async -> Answer {
        guard let secure = hop.secure, case .ip(_, let port) = hop.address else { return .none }
        for base in secure.bases {
            let answer = await self.resolver.associations(of: "_\(port)._tcp.\(base)")
            switch answer.lookup {
            case .unavailable(let why): return .unavailable(why)
            case .notFound: continue
            case .found(let records):
                guard answer.isSecure else { continue }
                let usable = records.compactMap { TLSARecord(data: $0) }.filter(\.isUsable)
                guard !usable.isEmpty else { return .unusable }
                var names = [base]
                for name in secure.domains where !names.contains(name) { names.append(name) }
                return .found(DANEAssociations(records: usable, base: base, names: names))
            }
        }
        return .none
    }
}
