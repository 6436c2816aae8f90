import TransportSecurity

/// The sides of TLS that a configuration connects with: one for each file of authorities, since the system's is long to read.
final class ClientTLSTable {
    private var made: [String?: ClientTLS] = [:]

    /// - Parameter authorities: the file; `nil` for the system's own.
    func client(trusting authorities: String?) throws(TLSFileProblem) -> ClientTLS {
        if let client = self.made[authorities] { return client }
        let client = try ClientTLS(authorities: authorities)
        self.made[authorities] = client
        return client
    }
}
