import COpenSSL
import Glibc

/// Whom a client expects at the other end.
package struct TLSExpectation: Hashable, Sendable {
    /// The name asked for in the handshake (RFC 6066 section 3); `nil` for an address.
    package var serverName: String?
    /// The names or addresses one of which the certificate must be for (RFC 6125, RFC 7817).
    package var identities: [String]
    /// What the server's domain has published of it: where there is something, it decides alone, whatever authorities say
    /// (RFC 7672 section 3).
    package var associations: [TLSARecord] = []
    /// Whether a name counts as an alternative one only, not as the subject's common name (RFC 8461 section 3.3).
    package var ignoresCommonName: Bool
    /// Whether the handshake fails where the certificate is not trusted or for another name; otherwise that is only told.
    package var isVerified: Bool
    /// Sessions are resumed only with what has the same key.
    package var sessionKey: String

    package init(
        serverName: String?,
        identities: [String],
        ignoresCommonName: Bool = false,
        isVerified: Bool,
        sessionKey: String
    ) {
        self.serverName = serverName
        self.identities = identities
        self.ignoresCommonName = ignoresCommonName
        self.isVerified = isVerified
        self.sessionKey = sessionKey
    }
}

/// TLS for connections that the hub opens.
package final class ClientTLS: Sendable {
    /// For handshakes that must verify.
    let strict: TLSContext
    /// For handshakes whose alternative is plain text.
    let opportunistic: TLSContext
    /// Who the hub is to servers that ask; `nil` for nobody.
    package let certificate: ClientCertificate?
    let sessions = ClientSessions()

    /// What OpenSSL asks of keys and ciphers: 112 bits (RFC 9325 section 4).
    static let strictLevel: Int32 = 2

    /// Where Debian keeps the certificates of all authorities together.
    private static let systemAuthorities = "/etc/ssl/certs/ca-certificates.crt"

    /// - Parameters:
    ///   - authorities: a PEM file of the authorities to trust; `nil` for those of the system.
    ///   - certificate: what is shown to servers that ask for it.
    package init(authorities: String?, certificate: ClientCertificate? = nil) throws(TLSFileProblem) {
        self.certificate = certificate
        let path = authorities ?? Self.systemAuthorities
        do throws(ContextFailure) {
            self.strict = try TLSContext(.client, securityLevel: Self.strictLevel)
            self.opportunistic = try TLSContext(
                .client,
                ciphers: TLSContext.opportunisticCiphers,
                securityLevel: 0
            )
        } catch {
            throw TLSFileProblem(
                purpose: .authorities,
                path: path,
                message: "cannot be used (\(error))",
                fix: "see to it that OpenSSL works"
            )
        }
        for context in [self.strict, self.opportunistic] {
            unsafe context.withPointer { context in
                _ = unsafe COpenSSL_CTX_set_session_cache_mode(
                    context,
                    Int(SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL)
                )
                unsafe SSL_CTX_sess_set_new_cb(context, ClientSessions.keep)
            }
        }
        unsafe self.strict.withPointer { _ = unsafe SSL_CTX_dane_enable($0) }
        if authorities == nil, unsafe access(path, R_OK) != 0 {
            // No bundle: OpenSSL's own places, which may be empty, so that nothing verifies.
            unsafe self.strict.withPointer { _ = unsafe SSL_CTX_set_default_verify_paths($0) }
        } else {
            let file = try PEMFile(path: path, purpose: .authorities)
            try file.forEachCertificate { certificate in
                unsafe self.strict.withPointer { context in
                    unsafe certificate.withPointer { certificate in
                        guard let store = unsafe SSL_CTX_get_cert_store(context) else { return }
                        _ = unsafe X509_STORE_add_cert(store, certificate)
                    }
                }
            }
        }
        unsafe self.strict.withPointer { strict in
            unsafe self.opportunistic.withPointer { opportunistic in
                unsafe SSL_CTX_set1_cert_store(opportunistic, SSL_CTX_get_cert_store(strict))
            }
        }
        OpenSSLErrors.clear()
    }
}
