import COpenSSL

/// The contexts of a listener: one for each set of certificates that share a name, chosen by SNI (RFC 6066 section 3).
///
/// Certificates of different algorithms for the same name are in one context: the client's signature algorithms decide
/// between them.
final class ServerContexts: Sendable {
    /// For clients that ask for no name or an unknown one; connections begin with it, and tickets are made with its keys.
    let standard: TLSContext
    private let choice: NameChoice
    /// Seconds since 1970 when the first certificate of all ends.
    let notAfter: Int64

    /// What the callback looks names up in.
    private final class NameChoice: Sendable {
        private let exact: [String: TLSContext]
        private let wildcard: [String: TLSContext]

        init(exact: [String: TLSContext], wildcard: [String: TLSContext]) {
            self.exact = exact
            self.wildcard = wildcard
        }

        /// A wildcard stands for one whole label on the left (RFC 6125 section 6.4.3).
        func context(for name: String) -> TLSContext? {
            if let context = self.exact[name] { return context }
            guard let dot = name.firstIndex(of: ".") else { return nil }
            return self.wildcard[String(name[dot...])]
        }
    }

    init(_ identities: [TLSIdentity], _ settings: ServerTLSSettings, authorities: PEMFile?) throws {
        var made: [[Int]: TLSContext] = [:]
        func context(_ indices: [Int]) throws -> TLSContext {
            if let context = made[indices] { return context }
            let context = try Self.context(indices.map { identities[$0] }, settings, authorities)
            made[indices] = context
            return context
        }
        var holders: [String: [Int]] = [:]
        for (index, identity) in identities.enumerated() {
            for name in Set(identity.names) { holders[name, default: []].append(index) }
        }
        var exact: [String: TLSContext] = [:]
        var wildcard: [String: TLSContext] = [:]
        for (name, indices) in holders {
            if name.hasPrefix("*.") {
                wildcard[String(name.dropFirst())] = try context(indices)
            } else {
                exact[name] = try context(indices)
            }
        }
        let firstName = identities.first?.names.first
        self.standard = try context(firstName.flatMap { holders[$0] } ?? [0])
        self.choice = NameChoice(exact: exact, wildcard: wildcard)
        self.notAfter = identities.map(\.facts.notAfter).min() ?? .max
        guard made.count > 1 else { return }
        // The argument lives as long as this object, and connections hold on to it.
        let argument = unsafe Unmanaged.passUnretained(self.choice).toOpaque()
        unsafe self.standard.withPointer { context in
            unsafe COpenSSL_CTX_set_servername_callback(context, Self.chooseByName, argument)
        }
    }

    /// Called by OpenSSL while it reads a ClientHello.
    private static let chooseByName:
        @convention(c) (OpaquePointer?, UnsafeMutablePointer<Int32>?, UnsafeMutableRawPointer?) -> Int32 = {
            ssl,
            _,
            argument in
            guard let ssl = unsafe ssl, let argument = unsafe argument,
                let name = unsafe SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name)
            else { return SSL_TLSEXT_ERR_NOACK }
            let choice = unsafe Unmanaged<NameChoice>.fromOpaque(argument).takeUnretainedValue()
            guard let context = unsafe choice.context(for: String(cString: name).lowercased()) else {
                return SSL_TLSEXT_ERR_NOACK
            }
            unsafe context.withPointer { _ = unsafe SSL_set_SSL_CTX(ssl, $0) }
            return SSL_TLSEXT_ERR_OK
        }

    private static func context(
        _ identities: [TLSIdentity],
        _ settings: ServerTLSSettings,
        _ authorities: PEMFile?
    ) throws -> TLSContext {
        let context = try TLSContext(
            .server,
            minimumVersion: settings.minimumVersion,
            ciphers: settings.ciphers ?? TLSContext.standardCiphers
        )
        var algorithms: Set<Int32> = []
        for identity in identities where algorithms.insert(identity.key.algorithm).inserted {
            try context.use(identity)
        }
        unsafe context.withPointer { pointer in
            // Sessions are kept by the clients, in tickets: nothing here grows with their number.
            _ = unsafe COpenSSL_CTX_set_session_cache_mode(pointer, Int(SSL_SESS_CACHE_OFF))
            _ = unsafe SSL_CTX_set_num_tickets(pointer, 1)
            let identifier = Array("mailhub".utf8)
            _ = unsafe SSL_CTX_set_session_id_context(pointer, identifier, UInt32(identifier.count))
        }
        try self.askForCertificates(context, settings, authorities)
        return context
    }

    private static func askForCertificates(
        _ context: TLSContext,
        _ settings: ServerTLSSettings,
        _ authorities: PEMFile?
    ) throws {
        switch settings.clientCertificates {
        case .none: return
        case .request:
            // What is not trusted is told apart afterwards, and does not end the handshake.
            unsafe context.withPointer { unsafe SSL_CTX_set_verify($0, SSL_VERIFY_PEER) { _, _ in 1 } }
        case .require:
            unsafe context.withPointer {
                unsafe SSL_CTX_set_verify($0, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nil)
            }
        }
        try authorities?.forEachCertificate { certificate in
            unsafe context.withPointer { context in
                unsafe certificate.withPointer { certificate in
                    if let store = unsafe SSL_CTX_get_cert_store(context) {
                        _ = unsafe X509_STORE_add_cert(store, certificate)
                    }
                    _ = unsafe SSL_CTX_add_client_CA(context, certificate)
                }
            }
        }
        OpenSSLErrors.clear()
    }
}
