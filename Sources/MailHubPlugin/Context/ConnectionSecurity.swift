/// What protects the client's connection.
public struct ConnectionSecurity: Hashable, Sendable, Codable {
    /// Such as `TLSv1.3`.
    public let protocolVersion: String
    /// The registered name, such as `TLS_AES_256_GCM_SHA384`.
    public let cipherSuite: String
    /// The name in the client's certificate, where it showed one that the listener's authorities vouch for.
    public let clientCertificateName: String?

    /// Joins the parts.
    public init(protocolVersion: String, cipherSuite: String, clientCertificateName: String? = nil) {
        self.protocolVersion = protocolVersion
        self.cipherSuite = cipherSuite
        self.clientCertificateName = clientCertificateName
    }
}
