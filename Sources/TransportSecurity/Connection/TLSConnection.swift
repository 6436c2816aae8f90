import COpenSSL
import NIOCore

/// Owns one `SSL *`, freed once: a connection's TLS without its channel.
///
/// Confined to its channel's event loop, as OpenSSL demands and as its error queue, which belongs to the thread, needs.
@safe final class TLSConnection {
    /// How a step has ended.
    enum Step {
        case done
        /// More records have to come first.
        case needsInput
        /// The peer has said that it sends no more (close_notify).
        case peerClosed
        case failed(TLSFailure)
    }
    private let ssl: OpaquePointer
    let buffers: RecordBuffers
    private let isServer: Bool
    /// Kept alive while the connection uses them.
    private let contexts: [AnyObject]
    private var hasFailed = false

    /// The server's side.
    init(server: ServerContexts) throws(TLSFailure) {
        OpenSSLErrors.clear()
        self.buffers = RecordBuffers(sessions: nil)
        self.isServer = true
        self.contexts = [server]
        guard let ssl = unsafe Self.make(server.standard, self.buffers) else { throw .unavailable }
        unsafe self.ssl = ssl
        unsafe SSL_set_accept_state(ssl)
    }

    /// The client's side.
    init(client: ClientTLS, _ expectation: TLSExpectation) throws(TLSFailure) {
        OpenSSLErrors.clear()
        let shown = client.certificate?.current
        let key = shown.map { "\(expectation.sessionKey) \($0.changes)" } ?? expectation.sessionKey
        self.buffers = RecordBuffers(sessions: (client.sessions, key))
        self.isServer = false
        self.contexts = [client]
        let context = expectation.isVerified ? client.strict : client.opportunistic
        guard let ssl = unsafe Self.make(context, self.buffers) else { throw .unavailable }
        unsafe self.ssl = ssl
        unsafe SSL_set_connect_state(ssl)
        unsafe SSL_set_verify(ssl, expectation.isVerified ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, nil)
        if let name = expectation.serverName { _ = unsafe COpenSSL_set_host_name(ssl, name) }
        if let shown, !self.show(shown.identity) { throw .unavailable }
        guard self.associate(expectation) else {
            throw .untrusted(CertificateDoubt(.noAssociation, "none of the TLSA records can be used"))
        }
        guard self.expect(expectation) || !expectation.isVerified else { throw .unavailable }
        if let session = client.sessions.take(key) {
            unsafe session.withPointer { _ = unsafe SSL_set_session(ssl, $0) }
        }
    }

    deinit {
        // A connection that ended badly gives up its session; one that was just cut off does not (RFC 8446 section 6.1).
        if !self.hasFailed { unsafe SSL_set_shutdown(self.ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN) }
        unsafe SSL_free(self.ssl)
    }

    private static func make(_ context: TLSContext, _ buffers: RecordBuffers) -> OpaquePointer? {
        guard let ssl = unsafe context.withPointer({ unsafe SSL_new($0) }) else { return nil }
        guard let bio = unsafe buffers.makeBIO() else {
            unsafe SSL_free(ssl)
            return nil
        }
        unsafe SSL_set_bio(ssl, bio, bio)
        return unsafe ssl
    }

    /// Shows the certificate to a server that asks for one.
    private func show(_ identity: TLSIdentity) -> Bool {
        let ssl = unsafe self.ssl
        let isUsed = unsafe identity.withPointers { certificate, key, chain in
            unsafe SSL_use_certificate(ssl, certificate) == 1 && SSL_use_PrivateKey(ssl, key) == 1
                && COpenSSL_set1_chain(ssl, chain) == 1
        }
        OpenSSLErrors.clear()
        return isUsed
    }

    /// Has the certificate checked by TLSA records, where there are some (RFC 7671, RFC 7672).
    private func associate(_ expectation: TLSExpectation) -> Bool {
        guard !expectation.associations.isEmpty else { return true }
        guard let name = expectation.serverName, unsafe SSL_dane_enable(self.ssl, name) > 0 else { return false }
        // The record names the certificate itself: whom it is for does not matter (RFC 7672 section 3.1.1).
        _ = unsafe SSL_dane_set_flags(self.ssl, COpenSSL_DANE_FLAG_NO_DANE_EE_NAMECHECKS)
        let added = expectation.associations.filter { record in
            unsafe SSL_dane_tlsa_add(
                self.ssl,
                record.usage,
                record.selector,
                record.matchingType,
                record.data,
                record.data.count
            ) > 0
        }
        OpenSSLErrors.clear()
        return !added.isEmpty
    }

    /// The names or addresses that the server's certificate must be for (RFC 6125 section 6).
    private func expect(_ expectation: TLSExpectation) -> Bool {
        let identities = expectation.identities
        guard let parameters = unsafe SSL_get0_param(self.ssl) else { return false }
        let flags =
            X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS
            | (expectation.ignoresCommonName ? X509_CHECK_FLAG_NEVER_CHECK_SUBJECT : 0)
        unsafe X509_VERIFY_PARAM_set_hostflags(parameters, UInt32(flags))
        for identity in identities {
            let isAddress =
                identity.contains(":") || identity.utf8.allSatisfy { $0 == 0x2E || (0x30...0x39).contains($0) }
            let isSet =
                isAddress
                ? unsafe X509_VERIFY_PARAM_set1_ip_asc(parameters, identity)
                : unsafe X509_VERIFY_PARAM_add1_host(parameters, identity, 0)
            guard isSet == 1 else {
                OpenSSLErrors.clear()
                return false
            }
        }
        return !identities.isEmpty
    }

    // MARK: Steps

    /// Goes on with the handshake.
    func handshake() -> Step {
        OpenSSLErrors.clear()
        let result = unsafe SSL_do_handshake(self.ssl)
        return result == 1 ? .done : self.step(after: result)
    }

    /// Decrypts what has come into the buffer, as far as it goes.
    ///
    /// - Returns: why it goes no further: never `done`.
    func read(into plaintext: inout ByteBuffer) -> Step {
        while true {
            OpenSSLErrors.clear()
            var result: Int32 = 0
            let ssl = unsafe self.ssl
            unsafe plaintext.writeWithUnsafeMutableBytes(minimumWritableBytes: 1024) { bytes in
                unsafe result = SSL_read(ssl, bytes.baseAddress, Int32(clamping: bytes.count))
                return Int(max(result, 0))
            }
            if result <= 0 { return self.step(after: result) }
        }
    }

    /// Encrypts.
    func write(_ plaintext: ByteBuffer) -> TLSFailure? {
        guard plaintext.readableBytes > 0 else { return nil }
        OpenSSLErrors.clear()
        self.buffers.outgoing.reserveCapacity(
            minimumWritableBytes: plaintext.readableBytes + (plaintext.readableBytes / 16384 + 1) * 32
        )
        let ssl = unsafe self.ssl
        var written = 0
        let result = unsafe plaintext.withUnsafeReadableBytes { bytes in
            unsafe SSL_write_ex(ssl, bytes.baseAddress, bytes.count, &written)
        }
        guard result != 1 else { return nil }
        guard case .failed(let failure) = self.step(after: result) else { return .protocolError("cannot write") }
        return failure
    }

    /// Says that we send no more (close_notify).
    func close() {
        OpenSSLErrors.clear()
        guard !self.hasFailed, unsafe SSL_in_init(self.ssl) == 0 else { return }
        if unsafe SSL_shutdown(self.ssl) < 0 { OpenSSLErrors.clear() }
    }

    private func step(after result: Int32) -> Step {
        switch unsafe SSL_get_error(self.ssl, result) {
        case SSL_ERROR_WANT_READ: return .needsInput
        case SSL_ERROR_ZERO_RETURN: return .peerClosed
        default:
            let errors = OpenSSLErrors.drain()
            self.hasFailed = true
            if errors.contains(library: ERR_LIB_SSL, reason: SSL_R_CERTIFICATE_VERIFY_FAILED) {
                return .failed(.untrusted(self.verifyError))
            }
            return .failed(.protocolError("\(errors)"))
        }
    }

    /// The server has given no new session for the one that was used: TLS 1.2 allows to use it again.
    func keepSession() {
        guard let place = self.buffers.sessions, unsafe SSL_version(self.ssl) == TLS1_2_VERSION,
            unsafe SSL_session_reused(self.ssl) == 1, let session = unsafe SSL_get1_session(self.ssl)
        else { return }
        place.table.put(unsafe ClientSessions.Session(takingOwnershipOf: session), for: place.key)
    }

    // MARK: What is known

    private var verifyError: CertificateDoubt {
        let result = unsafe SSL_get_verify_result(self.ssl)
        let kind: CertificateDoubt.Kind =
            switch Int32(truncatingIfNeeded: result) {
            case X509_V_ERR_CERT_HAS_EXPIRED: .expired
            case X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH: .mismatch
            case X509_V_ERR_DANE_NO_MATCH: .noAssociation
            default: .untrusted
            }
        return CertificateDoubt(kind, unsafe String(cString: X509_verify_cert_error_string(result)))
    }

    /// What the handshake has agreed on.
    var facts: TLSParameters {
        let cipher = unsafe SSL_get_current_cipher(self.ssl)
        var suite = "unknown"
        if let name = unsafe SSL_CIPHER_standard_name(cipher) { suite = unsafe String(cString: name) }
        var serverName: String?
        if let name = unsafe SSL_get_servername(self.ssl, TLSEXT_NAMETYPE_host_name) {
            serverName = unsafe String(cString: name)
        }
        var peer: CertificateFacts?
        if let certificate = unsafe SSL_get0_peer_certificate(self.ssl) {
            peer = unsafe CertificateFacts(borrowing: certificate)
        }
        let verification: TLSParameters.Verification =
            if peer == nil {
                .noCertificate
            } else if unsafe SSL_get_verify_result(self.ssl) == Int(X509_V_OK) {
                .verified
            } else {
                .failed(self.verifyError)
            }
        return TLSParameters(
            version: unsafe String(cString: SSL_get_version(self.ssl)),
            cipherSuite: suite,
            isResumed: unsafe SSL_session_reused(self.ssl) == 1,
            serverName: serverName,
            peer: peer,
            verification: verification
        )
    }

    /// What a server has shown to this client, its own certificate first; at most ten.
    var peerCertificates: [CertificateFacts] {
        guard let chain = unsafe SSL_get_peer_cert_chain(self.ssl) else { return [] }
        return (0..<min(unsafe COpenSSL_sk_X509_num(chain), 10)).compactMap { index in
            unsafe COpenSSL_sk_X509_value(chain, index).map { unsafe CertificateFacts(borrowing: $0) }
        }
    }

    /// Octets that only the two ends of this connection know, or the server's certificate.
    ///
    /// - Returns: several where a server cannot tell which one the client means; none where there is no such thing.
    func bindings(_ kind: ChannelBinding) -> [[UInt8]] {
        OpenSSLErrors.clear()
        switch kind {
        case .exporter: return self.exporterBinding.map { [$0] } ?? []
        case .serverEndPoint: return self.endPointBindings
        }
    }

    /// RFC 9266 section 2; TLS 1.2 only with extended_master_secret (section 4.2).
    private var exporterBinding: [UInt8]? {
        let isTLS13 = unsafe SSL_version(self.ssl) >= TLS1_3_VERSION
        guard unsafe SSL_is_init_finished(self.ssl) == 1,
            isTLS13 || (unsafe COpenSSL_get_extms_support(self.ssl)) == 1
        else { return nil }
        var output = [UInt8](repeating: 0, count: 32)
        let label = "EXPORTER-Channel-Binding"
        let isDone = unsafe SSL_export_keying_material(
            self.ssl,
            &output,
            output.count,
            label,
            label.utf8.count,
            nil,
            0,
            1
        )
        guard isDone == 1 else {
            OpenSSLErrors.clear()
            return nil
        }
        return output
    }

    /// RFC 5929 section 4: a session that is resumed does not say which certificate of the context it began with.
    private var endPointBindings: [[UInt8]] {
        guard self.isServer else {
            return unsafe Self.endPointBinding(SSL_get0_peer_certificate(self.ssl)).map { [$0] } ?? []
        }
        guard unsafe SSL_session_reused(self.ssl) == 1 else {
            return unsafe Self.endPointBinding(SSL_get_certificate(self.ssl)).map { [$0] } ?? []
        }
        var bindings: [[UInt8]] = []
        var isAnother = unsafe COpenSSL_set_current_certificate(self.ssl, COpenSSL_FIRST_CERTIFICATE) == 1
        while isAnother {
            if let binding = unsafe Self.endPointBinding(SSL_get_certificate(self.ssl)) { bindings.append(binding) }
            isAnother = unsafe COpenSSL_set_current_certificate(self.ssl, COpenSSL_NEXT_CERTIFICATE) == 1
        }
        return bindings
    }

    /// RFC 5929 section 4.1: the certificate's digest, by the hash of its signature, or SHA-256 for MD5 and SHA-1.
    private static func endPointBinding(_ certificate: OpaquePointer?) -> [UInt8]? {
        guard let certificate = unsafe certificate else { return nil }
        var hash: Int32 = 0
        guard unsafe X509_get_signature_info(certificate, &hash, nil, nil, nil) == 1 else {
            OpenSSLErrors.clear()
            return nil
        }
        let isWeak = hash == NID_md5 || hash == NID_sha1
        let digest = unsafe isWeak ? EVP_sha256() : EVP_get_digestbyname(OBJ_nid2sn(hash))
        guard let digest = unsafe digest else { return nil }
        var output = [UInt8](repeating: 0, count: Int(EVP_MAX_MD_SIZE))
        var length: UInt32 = 0
        guard unsafe X509_digest(certificate, digest, &output, &length) == 1 else { return nil }
        return Array(output.prefix(Int(length)))
    }
}
