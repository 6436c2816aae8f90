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
    /// The same, for the host's name, because the domain's policy asks for it (RFC 8461).
    case mtaSTS
    /// Encrypted, with a certificate that matches one of the records (RFC 7672).
    case dane(DANEAssociations)

    /// Whether mail waits rather than goes in the clear.
    var isMandatory: Bool {
        switch self {
        case .none, .may: false
        case .encrypt, .verify, .mtaSTS, .dane: true
        }
    }

    /// How the log calls what a handshake has shown.
    func summary(of parameters: TLSParameters) -> String {
        let connection = "\(parameters.version) \(parameters.cipherSuite)"
        switch parameters.verification {
        case .verified:
            return switch self {
            case .dane: "\(connection) verified by DANE"
            case .mtaSTS: "\(connection) verified by MTA-STS"
            case .none, .may, .encrypt, .verify: "\(connection) verified"
            }
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
        case .mtaSTS:
            expectation.ignoresCommonName = true
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
