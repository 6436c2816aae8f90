package import TransportSecurity

/// How a connection to a host of a domain came out, for those who report it to the domain (RFC 8460).
package struct TLSResult: Hashable, Sendable {
    /// What the domain had published (RFC 8460 section 4.4).
    package enum Policy: Hashable, Sendable {
        case tlsa([TLSARecord])
        case sts(STSPolicy)
        case none
    }
    /// RFC 8460 section 4.3.
    package enum Failure: String, Hashable, Sendable, Codable {
        case startTLSNotSupported = "starttls-not-supported"
        case certificateHostMismatch = "certificate-host-mismatch"
        case certificateExpired = "certificate-expired"
        case certificateNotTrusted = "certificate-not-trusted"
        case validationFailure = "validation-failure"
        case tlsaInvalid = "tlsa-invalid"
        case dnssecInvalid = "dnssec-invalid"
        case daneRequired = "dane-required"
        case stsPolicyFetchError = "sts-policy-fetch-error"
        case stsPolicyInvalid = "sts-policy-invalid"
        case stsWebPKIInvalid = "sts-webpki-invalid"
    }
    /// The recipient domain, in canonical form.
    package let domain: String
    package let policy: Policy
    package let host: String
    package let address: String
    /// Our own address of the connection; `nil` where there was none.
    package let sender: String?
    /// `nil` for a connection that came up to everything.
    package let failure: Failure?
    /// In words; empty without a failure.
    package let reason: String

    package init(
        domain: String,
        policy: Policy,
        host: String,
        address: String,
        sender: String? = nil,
        failure: Failure? = nil,
        reason: String = ""
    ) {
        self.domain = domain
        self.policy = policy
        self.host = host
        self.address = address
        self.sender = sender
        self.failure = failure
        self.reason = reason
    }
}

/// Is told how connections came out.
package protocol TLSResultObserver: Sendable {
    /// Must not wait.
    func note(_ result: TLSResult)
}

extension TLSResult.Failure {
    init(_ failure: TLSFailure) {
        switch failure {
        case .untrusted(let doubt): self.init(doubt)
        case .unavailable, .handshakeTimedOut, .closedInHandshake, .protocolError: self = .validationFailure
        }
    }

    init(_ doubt: CertificateDoubt) {
        self =
            switch doubt.kind {
            case .expired: .certificateExpired
            case .mismatch: .certificateHostMismatch
            case .noAssociation: .validationFailure
            case .untrusted: .certificateNotTrusted
            }
    }
}
