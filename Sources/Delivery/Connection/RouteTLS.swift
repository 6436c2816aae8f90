import MailQueue
import SMTP
package import TransportSecurity

/// How much a destination's connections are to be protected.
package enum TLSPolicy: String, Hashable, Sendable, CaseIterable {
    /// In the clear.
    case none
    /// Encrypted where the server can, whoever it is (RFC 7435); in the clear otherwise.
    case may
    /// Encrypted, whoever the server is; never in the clear.
    case encrypt
    /// Encrypted, with a server whose certificate is trusted and for its name; never in the clear (RFC 7817).
    case verify

    /// Whether mail waits rather than goes in the clear.
    var isMandatory: Bool { self == .encrypt || self == .verify }
}

/// TLS of a route.
package struct RouteTLS: Hashable, Sendable {
    package var policy: TLSPolicy
    /// Other policies for recipient domains, by canonical name.
    package var domains: [String: TLSPolicy] = [:]
    /// The names that a verified certificate may be for; empty for the host's own.
    package var names: [String] = []
    /// The file of the authorities that are trusted; `nil` for those of the system.
    package let authorities: String?
    let client: ClientTLS

    /// - Parameter client: made with these authorities.
    package init(policy: TLSPolicy, authorities: String?, client: ClientTLS) {
        self.policy = policy
        self.authorities = authorities
        self.client = client
    }

    /// Whether both say the same; what is in the files may differ.
    package static func == (left: RouteTLS, right: RouteTLS) -> Bool {
        left.policy == right.policy && left.domains == right.domains && left.names == right.names
            && left.authorities == right.authorities
    }

    package func hash(into hasher: inout Hasher) {
        hasher.combine(self.policy)
        hasher.combine(self.domains)
        hasher.combine(self.names)
        hasher.combine(self.authorities)
    }

    /// The policy for a destination.
    func policy(for destination: Destination) -> TLSPolicy { self.domains[destination.domain] ?? self.policy }

    /// Whom to expect at a next hop.
    func expectation(of hop: NextHop, _ policy: TLSPolicy) -> TLSExpectation {
        var host = hop.host
        if host.hasPrefix("["), host.hasSuffix("]") { host = String(host.dropFirst().dropLast()) }
        if host.uppercased().hasPrefix("IPV6:") { host = String(host.dropFirst(5)) }
        while host.hasSuffix(".") { host.removeLast() }
        let isAddress = IPAddress(host) != nil
        return TLSExpectation(
            serverName: isAddress ? nil : host,
            identities: self.names.isEmpty ? [host] : self.names,
            isVerified: policy == .verify,
            sessionKey: "\(policy.rawValue) \(host) \(hop.address) \(self.names)"
        )
    }
}

/// A server that has not come up to the policy: there is no mail for it over this connection.
struct TLSRefusal: Error {
    let reply: Reply

    /// The server cannot TLS, or does not want to (RFC 3463: X.7.4, security features not supported).
    static func notOffered(by host: String) -> TLSRefusal {
        TLSRefusal(reply: Reply(451, .init(7, 4), "\(host): TLS is required, and STARTTLS is not offered"))
    }

    /// The server has answered STARTTLS with something else than 220.
    static func refused(by host: String, _ reply: Reply) -> TLSRefusal {
        TLSRefusal(reply: Reply(451, .init(7, 4), "\(host): STARTTLS was refused: \(reply.code) \(reply.text)"))
    }

    /// The handshake has failed, or the certificate is not the right one (RFC 3463: X.7.5, cryptographic failure).
    static func failed(_ host: String, _ failure: TLSFailure) -> TLSRefusal {
        TLSRefusal(reply: Reply(451, .init(7, 5), "\(host): \(failure)"))
    }
}

extension TLSParameters {
    /// How the log calls it.
    var summary: String {
        switch self.verification {
        case .verified: "\(self.version) \(self.cipherSuite) verified"
        case .failed(let reason): "\(self.version) \(self.cipherSuite) unverified (\(reason))"
        case .noCertificate: "\(self.version) \(self.cipherSuite) unverified"
        }
    }
}
