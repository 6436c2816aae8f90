import COpenSSL

/// What has been agreed in a handshake.
package struct TLSParameters: Hashable, Sendable {
    /// What is known about the peer's certificate.
    package enum Verification: Hashable, Sendable {
        /// The peer has shown none.
        case noCertificate
        /// It is trusted, and is for the name that was expected, where one was.
        case verified
        /// Why it is not.
        case failed(CertificateDoubt)
    }
    /// Such as `TLSv1.3`.
    package let version: String
    /// The registered name, such as `TLS_AES_256_GCM_SHA384`.
    package let cipherSuite: String
    package let isResumed: Bool
    /// The name that the client asked for.
    package let serverName: String?
    package let peer: CertificateFacts?
    package let verification: Verification
}

/// Why there is no TLS, or no more.
package enum TLSFailure: Error, Hashable, Sendable, CustomStringConvertible {
    /// There are no usable certificates, or no memory.
    case unavailable
    case handshakeTimedOut
    /// The peer has closed before the handshake was done.
    case closedInHandshake
    /// The peer's certificate is not trusted, or is for another name.
    case untrusted(CertificateDoubt)
    /// The peer breaks the protocol, or says that we do.
    case protocolError(String)

    package var description: String {
        switch self {
        case .unavailable: "TLS is not available"
        case .handshakeTimedOut: "the TLS handshake took too long"
        case .closedInHandshake: "the connection was closed in the TLS handshake"
        case .untrusted(let reason): "the certificate is not trusted: \(reason)"
        case .protocolError(let reason): "TLS failed: \(reason)"
        }
    }
}

/// What is wrong with a certificate.
package struct CertificateDoubt: Hashable, Sendable, CustomStringConvertible {
    package enum Kind: Hashable, Sendable {
        case expired
        /// It is for another name.
        case mismatch
        /// No record of its domain is for it (RFC 7672).
        case noAssociation
        /// No chain leads to an authority that is trusted, or something else.
        case untrusted
    }
    package let kind: Kind
    /// In OpenSSL's words.
    package let description: String

    package init(_ kind: Kind, _ description: String) {
        self.kind = kind
        self.description = description
    }
}

/// What ties an authentication to its TLS connection.
package enum ChannelBinding: String, Hashable, Sendable, CaseIterable {
    /// RFC 9266.
    case exporter = "tls-exporter"
    /// RFC 5929 section 4.
    case serverEndPoint = "tls-server-end-point"
}
