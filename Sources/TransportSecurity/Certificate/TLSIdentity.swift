import COpenSSL

/// Where a certificate with its chain, and its key, are.
package struct CertificateFiles: Hashable, Sendable {
    /// The certificate, followed by those of the intermediate authorities (PEM).
    package let chain: String
    /// Its private key (PEM, without a passphrase).
    package let key: String

    package init(chain: String, key: String) {
        self.chain = chain
        self.key = key
    }
}

/// A certificate with its chain and its private key: who the hub says that it is.
final class TLSIdentity: Sendable {
    let certificate: Certificate
    /// The certificates of the authorities in between.
    let intermediates: CertificateStack
    let key: PrivateKey
    let facts: CertificateFacts

    /// Reads and checks the files.
    init(_ files: CertificateFiles) throws(TLSFileProblem) {
        let chainFile = try PEMFile(path: files.chain, purpose: .chain)
        let keyFile = try PEMFile(path: files.key, purpose: .key)
        guard var rest = CertificateStack() else { throw chainFile.problem("does not fit memory", fix: "try again") }
        var first: Certificate?
        try chainFile.forEachCertificate { certificate in
            if first == nil { first = consume certificate } else { rest.append(certificate) }
        }
        guard let certificate = first.take() else { throw chainFile.problem("is empty", fix: "name another file") }
        let key = try keyFile.privateKey()
        let isMatch = unsafe certificate.withPointer { certificate in
            unsafe key.withPointer { key in unsafe X509_check_private_key(certificate, key) == 1 }
        }
        OpenSSLErrors.clear()
        guard isMatch else {
            throw keyFile.problem(
                "does not belong to the first certificate of \"\(files.chain)\"",
                fix:
                    "name the key that the certificate was made for; the server's own certificate comes first in a chain"
            )
        }
        self.facts = certificate.facts
        self.certificate = certificate
        self.intermediates = rest
        self.key = key
    }

    /// Hands certificate, key and the chain of authorities in between to OpenSSL.
    func withPointers(_ body: (_ certificate: OpaquePointer, _ key: OpaquePointer, _ chain: OpaquePointer) -> Bool)
        -> Bool
    {
        unsafe self.certificate.withPointer { certificate in
            unsafe self.key.withPointer { key in
                unsafe self.intermediates.withPointer { chain in unsafe body(certificate, key, chain) }
            }
        }
    }

    /// The host names that it is for, in lower case: DNS-IDs, else the common name (RFC 6125 section 6.4.4).
    var names: [String] {
        let names = self.facts.hostNames.isEmpty ? [self.facts.commonName].compactMap(\.self) : self.facts.hostNames
        return names.map { $0.lowercased() }
    }
}
