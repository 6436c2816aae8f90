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
        case failed(String)
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
    case untrusted(String)
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

/// What ties an authentication to its TLS connection.
package enum ChannelBinding: String, Hashable, Sendable, CaseIterable {
    /// RFC 9266.
    case exporter = "tls-exporter"
    /// RFC 5929 section 4.
    case serverEndPoint = "tls-server-end-point"
}
