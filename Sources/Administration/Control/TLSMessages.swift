/// What a delivery to a domain or host would do now, and why.
package struct TLSReport: Codable, Hashable, Sendable {
    /// `route` or `route/domain`.
    package var destination: String
    /// The transport that the route has, where it has no connections: `maildir`.
    package var transport: String
    /// The route's policy, such as `may`.
    package var policy: String
    /// The domain's MTA-STS policy, in words.
    package var mtaSTS: String
    /// Who the hub is to hosts that ask for a certificate; `nil` for nobody.
    package var ownCertificate: TLSCertificateReport?
    /// In the order in which they are tried.
    package var hosts: [TLSHostReport]
    /// Whether mail would go out now.
    package var isDeliverable: Bool
    /// What would become of mail.
    package var verdict: String

    package init(
        destination: String,
        transport: String,
        policy: String,
        mtaSTS: String,
        ownCertificate: TLSCertificateReport? = nil,
        hosts: [TLSHostReport],
        isDeliverable: Bool,
        verdict: String
    ) {
        self.destination = destination
        self.transport = transport
        self.policy = policy
        self.mtaSTS = mtaSTS
        self.ownCertificate = ownCertificate
        self.hosts = hosts
        self.isDeliverable = isDeliverable
        self.verdict = verdict
    }
}

/// One address of one host.
package struct TLSHostReport: Codable, Hashable, Sendable {
    /// Its name and address.
    package var host: String
    /// Its TLSA records.
    package var tlsa: [String]
    /// What a connection has to come up to.
    package var requirement: String
    /// Protocol, cipher suite, and whether the certificate was verified.
    package var security: String
    /// What it shows, its own certificate first.
    package var certificates: [TLSCertificateReport]
    /// Whether it would get mail.
    package var isUsable: Bool
    /// Why.
    package var verdict: String

    package init(
        host: String,
        tlsa: [String],
        requirement: String,
        security: String,
        certificates: [TLSCertificateReport],
        isUsable: Bool,
        verdict: String
    ) {
        self.host = host
        self.tlsa = tlsa
        self.requirement = requirement
        self.security = security
        self.certificates = certificates
        self.isUsable = isUsable
        self.verdict = verdict
    }
}

/// A certificate.
package struct TLSCertificateReport: Codable, Hashable, Sendable {
    package var subject: String
    package var issuer: String
    /// Its host names.
    package var names: [String]
    package var notAfter: ControlInstant
    /// The SHA-256 digest of the whole, in hexadecimal.
    package var fingerprint: String

    package init(subject: String, issuer: String, names: [String], notAfter: ControlInstant, fingerprint: String) {
        self.subject = subject
        self.issuer = issuer
        self.names = names
        self.notAfter = notAfter
        self.fingerprint = fingerprint
    }
}
