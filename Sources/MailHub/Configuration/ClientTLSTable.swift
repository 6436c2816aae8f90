import TransportSecurity

/// The sides of TLS that a configuration connects with: one for each file of authorities and each certificate, since the system's
/// authorities are long to read, and sessions are resumed by nobody else.
final class ClientTLSTable {
    private struct Key: Hashable {
        let authorities: String?
        let certificate: CertificateFiles?
    }
    private var made: [Key: ClientTLS] = [:]

    /// - Parameters:
    ///   - authorities: the file; `nil` for the system's own.
    ///   - certificate: who the hub is to servers that ask.
    func client(
        trusting authorities: String?,
        as certificate: ClientCertificate? = nil
    ) throws(TLSFileProblem) -> ClientTLS {
        let key = Key(authorities: authorities, certificate: certificate?.files)
        if let client = self.made[key] { return client }
        let client = try ClientTLS(authorities: authorities, certificate: certificate)
        self.made[key] = client
        return client
    }
}
