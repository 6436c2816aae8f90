/// How a connection is encrypted.
public struct TLSFacts: Hashable, Sendable, Codable {
    /// The protocol: `TLSv1.3`.
    public let version: String
    /// The cipher suite by its IANA name: `TLS_AES_256_GCM_SHA384`.
    public let cipher: String
    /// The name that the client asked for (SNI).
    public let serverName: String?
    /// The subject of the client's certificate, where one was given and verified.
    public let clientSubject: String?
    /// The name in that certificate: a host name, else a mail address, else the common name.
    public let clientName: String?

    /// Joins the facts.
    public init(
        version: String,
        cipher: String,
        serverName: String? = nil,
        clientSubject: String? = nil,
        clientName: String? = nil
    ) {
        self.version = version
        self.cipher = cipher
        self.serverName = serverName
        self.clientSubject = clientSubject
        self.clientName = clientName
    }
}

/// Who a client claims to be, and its proof (RFC 4422 section 2).
///
/// The password is in memory for the time of the call only: never log it, never keep it.
public struct AuthenticationClaim: Sendable {
    /// The SASL mechanism: `PLAIN`.
    public let mechanism: String
    /// Whose password it is, or who the client has shown to be.
    public let authenticationIdentity: String
    /// Whom the client wants to act as; `nil` for itself.
    public let authorizationIdentity: String?
    /// The password; `nil` where SCRAM, a token or a certificate has shown who the client is, and `next` lets it in.
    public let password: String?

    /// Joins the parts.
    public init(
        mechanism: String,
        authenticationIdentity: String,
        authorizationIdentity: String? = nil,
        password: String?
    ) {
        self.mechanism = mechanism
        self.authenticationIdentity = authenticationIdentity
        self.authorizationIdentity = authorizationIdentity
        self.password = password
    }
}
