/// How a listener speaks TLS.
package struct ServerTLSSettings: Hashable, Sendable {
    /// Whether clients are asked for a certificate.
    package enum ClientCertificates: String, Hashable, Sendable, CaseIterable {
        case none
        /// Asked for; a client without one, or with one that is not trusted, is served all the same.
        case request
        /// A client without a trusted one is not served.
        case require
    }
    /// Chosen by the name that the client asks for (RFC 6066 section 3); the first is for all others.
    package var certificates: [CertificateFiles]
    package var minimumVersion = TLSVersion.tls12
    /// Cipher suites of TLS 1.2, in OpenSSL's notation; `nil` for the sensible ones.
    package var ciphers: String?
    package var clientCertificates = ClientCertificates.none
    /// The authorities of client certificates (PEM).
    package var clientAuthorities: String?
    /// A client that has not done its handshake by then is cut off.
    package var handshakeTime: Duration = .seconds(30)

    package init(certificates: [CertificateFiles]) { self.certificates = certificates }
}

/// One thing that is wrong with the settings: a file, or what they say.
package enum ServerTLSProblem: Error, Hashable, Sendable, CustomStringConvertible {
    /// A file of the certificate with that index.
    case certificate(Int, TLSFileProblem)
    case clientAuthorities(TLSFileProblem)
    case settings(String)

    package var description: String {
        switch self {
        case .certificate(_, let problem), .clientAuthorities(let problem): "\(problem)"
        case .settings(let text): text
        }
    }
}

/// All that is wrong with the settings.
package struct ServerTLSProblems: Error, Sendable, CustomStringConvertible {
    package let problems: [ServerTLSProblem]
    package var description: String { self.problems.map(\.description).joined(separator: "; ") }
}
