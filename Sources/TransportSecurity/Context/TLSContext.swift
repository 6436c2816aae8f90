import COpenSSL

/// The oldest protocol that is spoken: nothing below TLS 1.2 (RFC 8996).
package enum TLSVersion: String, Hashable, Sendable, CaseIterable {
    case tls12 = "TLSv1.2"
    case tls13 = "TLSv1.3"

    var number: Int32 { self == .tls12 ? TLS1_2_VERSION : TLS1_3_VERSION }
}

/// OpenSSL could not do what never fails but for lack of memory.
struct ContextFailure: Error, CustomStringConvertible {
    let what: String
    let errors: OpenSSLErrors
    var description: String { "\(self.what): \(self.errors)" }
}

/// Owns one `SSL_CTX *`, freed once: settings, certificates and ticket keys that connections share.
///
/// It is set up by one thread and not changed once connections are made from it; what OpenSSL changes in it itself
/// (reference counts, ticket keys) is guarded by OpenSSL's own locks.
@safe final class TLSContext: Sendable {
    /// Which side of a connection it is for.
    enum Side { case server, client }

    /// Forward secrecy and authenticated encryption first; CBC for old peers, to which the alternative is no TLS (RFC 9325).
    ///
    /// 128 bits before 256: as good as unbreakable both, and SHA-256, which comes with them, is the quicker one where the processor
    /// helps: a twentieth of a session's CPU time.
    static let standardCiphers =
        "ECDHE+AESGCM+AES128:ECDHE+AESGCM:ECDHE+CHACHA20:ECDHE+AES:!aNULL:!eNULL:!PSK:!SRP:!DSS:!ARIA:!CAMELLIA:!AESCCM8"
    /// The same for TLS 1.3, where nothing weaker exists (RFC 8446 appendix B.4).
    private static let cipherSuites =
        "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
    /// For delivery where plain text is the alternative (RFC 7435): whatever the peer can.
    static let opportunisticCiphers =
        "ECDHE+AESGCM:ECDHE+CHACHA20:ECDHE+AES:DHE+AESGCM:DHE+AES:RSA+AES:!eNULL:!PSK:!SRP:!DSS"
    private static let groups = "X25519:P-256:P-384:P-521"

    nonisolated(unsafe) private let pointer: OpaquePointer

    init(
        _ side: Side,
        minimumVersion: TLSVersion = .tls12,
        ciphers: String = TLSContext.standardCiphers,
        securityLevel: Int32 = 1
    ) throws(ContextFailure) {
        OpenSSLErrors.clear()
        guard let pointer = unsafe SSL_CTX_new(side == .server ? TLS_server_method() : TLS_client_method()) else {
            throw ContextFailure(what: "no context", errors: .drain())
        }
        unsafe self.pointer = pointer
        // Compression leaks (RFC 9325 section 3.3), renegotiation is gone from TLS 1.3 and of no use here (section 3.5).
        var options = COpenSSL_OP_NO_COMPRESSION | COpenSSL_OP_NO_RENEGOTIATION
        // Our order of ciphers, but ChaCha20 for clients that prefer it.
        if side == .server { options |= COpenSSL_OP_CIPHER_SERVER_PREFERENCE | COpenSSL_OP_PRIORITIZE_CHACHA }
        _ = unsafe SSL_CTX_set_options(pointer, options)
        // An idle connection keeps no buffers.
        _ = unsafe COpenSSL_CTX_set_mode(pointer, Int(SSL_MODE_RELEASE_BUFFERS))
        unsafe SSL_CTX_set_security_level(pointer, securityLevel)
        guard unsafe COpenSSL_CTX_set_min_proto_version(pointer, minimumVersion.number) == 1,
            unsafe SSL_CTX_set_cipher_list(pointer, ciphers) == 1,
            unsafe SSL_CTX_set_ciphersuites(pointer, Self.cipherSuites) == 1,
            unsafe COpenSSL_CTX_set1_groups_list(pointer, Self.groups) == 1
        else { throw ContextFailure(what: "ciphers", errors: .drain()) }
    }

    deinit { unsafe SSL_CTX_free(self.pointer) }

    func withPointer<Result>(_ body: (OpaquePointer) -> Result) -> Result { unsafe body(self.pointer) }

    /// Adds a certificate; a context holds one of each algorithm.
    func use(_ identity: TLSIdentity) throws(ContextFailure) {
        OpenSSLErrors.clear()
        let context = unsafe self.pointer
        let isUsed = unsafe identity.withPointers { certificate, key, chain in
            unsafe SSL_CTX_use_certificate(context, certificate) == 1 && SSL_CTX_use_PrivateKey(context, key) == 1
                && COpenSSL_CTX_set1_chain(context, chain) == 1
        }
        guard isUsed else { throw ContextFailure(what: "certificate", errors: .drain()) }
    }
}
