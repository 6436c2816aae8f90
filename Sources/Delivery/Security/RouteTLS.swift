import MailQueue
import SMTP
package import TransportSecurity

/// How much a destination's connections are to be protected.
package enum TLSPolicy: String, Hashable, Sendable, CaseIterable {
    /// In the clear.
    case none
    /// Encrypted where the server can, whoever it is (RFC 7435), in the clear otherwise; better where the domain has published
    /// how its hosts are known (RFC 7672, RFC 8461).
    case may
    /// Encrypted, whoever the server is, never in the clear; better as with `may`.
    case encrypt
    /// Encrypted, with hosts only whose certificates their domain has published in a signed zone (RFC 7672).
    case dane
    /// Encrypted, with a server whose certificate is trusted and for its name; never in the clear (RFC 7817).
    case verify
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
    package let client: ClientTLS

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
            && left.client.certificate?.files == right.client.certificate?.files
    }

    package func hash(into hasher: inout Hasher) {
        hasher.combine(self.policy)
        hasher.combine(self.domains)
        hasher.combine(self.names)
        hasher.combine(self.authorities)
        hasher.combine(self.client.certificate?.files)
    }

    /// The policy for a destination.
    func policy(for destination: Destination) -> TLSPolicy { self.domains[destination.domain] ?? self.policy }
}

/// A server that has not come up to the policy: there is no mail for it over this connection.
struct TLSRefusal: Error {
    let reply: Reply
    /// For reports.
    let failure: TLSResult.Failure
    /// Our address of the connection; `nil` where there was none.
    var sender: IPAddress?

    /// The server cannot TLS, or does not want to (RFC 3463: X.7.4, security features not supported).
    static func notOffered(by host: String) -> TLSRefusal {
        TLSRefusal(
            reply: Reply(451, .init(7, 4), "\(host): TLS is required, and STARTTLS is not offered"),
            failure: .startTLSNotSupported
        )
    }

    /// The server has answered STARTTLS with something else than 220.
    static func refused(by host: String, _ reply: Reply) -> TLSRefusal {
        TLSRefusal(
            reply: Reply(451, .init(7, 4), "\(host): STARTTLS was refused: \(reply.code) \(reply.text)"),
            failure: .startTLSNotSupported
        )
    }

    /// The handshake has failed, or the certificate is not the right one (RFC 3463: X.7.5, cryptographic failure).
    static func failed(_ host: String, _ failure: TLSFailure) -> TLSRefusal {
        TLSRefusal(reply: Reply(451, .init(7, 5), "\(host): \(failure)"), failure: TLSResult.Failure(failure))
    }
}
