import MailHubPlugin
import SMTP
import TransportSecurity

/// What a connection to one host has to come up to.
enum HopTLS: Hashable, Sendable {
    /// In the clear.
    case none
    /// Encrypted where the server can; in the clear otherwise.
    case may
    /// Encrypted, whoever the server is.
    case encrypt
    /// Encrypted, with a certificate that is trusted and for one of the names.
    case verify(names: [String])
    /// Encrypted, with a certificate that matches one of the records (RFC 7672).
    case dane(DANEAssociations)

    /// Whether mail waits rather than goes in the clear.
    var isMandatory: Bool {
        switch self {
        case .none, .may: false
        case .encrypt, .verify, .dane: true
        }
    }

    /// How the log calls what a handshake has shown.
    func summary(of parameters: TLSParameters) -> String {
        let connection = "\(parameters.version) \(parameters.cipherSuite)"
        switch parameters.verification {
        case .verified:
            if case .dane = self { return "\(connection) verified by DANE" }
            return "\(connection) verified"
        case .failed(let reason): return "\(connection) unverified (\(reason))"
        case .noCertificate: return "\(connection) unverified"
        }
    }

    /// The host's name or address as a certificate has it.
    static func name(of hop: NextHop) -> String {
        var host = hop.host
        if host.hasPrefix("["), host.hasSuffix("]") { host = String(host.dropFirst().dropLast()) }
        if host.uppercased().hasPrefix("IPV6:") { host = String(host.dropFirst(5)) }
        while host.hasSuffix(".") { host.removeLast() }
        return host
    }

    /// Whom to expect at a host.
    func expectation(of hop: NextHop) -> TLSExpectation {
        let host = Self.name(of: hop)
        var expectation = TLSExpectation(
            serverName: IPAddress(host) == nil ? host : nil,
            identities: [host],
            isVerified: false,
            sessionKey: ""
        )
        switch self {
        case .none, .may, .encrypt: break
        case .verify(let names):
            expectation.identities = names
            expectation.isVerified = true
        case .dane(let associations):
            expectation.serverName = associations.base
            expectation.identities = associations.names
            expectation.associations = associations.records
            expectation.isVerified = true
        }
        // What one session was checked by must hold for those that resume it.
        expectation.sessionKey = "\(self) \(host) \(hop.address)"
        return expectation
    }
}

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
struct DANELookup: Sendable {
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
    let resolver: any ValidatingResolver

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
