import COpenSSL

/// A private key that signs: RSA (PKCS #1 1.5 with SHA-256), or Ed25519.
package final class SigningKey: Sendable {
    /// What kind of key it is.
    package enum Algorithm: String, Sendable, CaseIterable {
        case rsa
        case ed25519
    }
    /// RFC 8301 section 3.2: signers have RSA keys of at least 1024 bits, and should have 2048.
    private static let smallestRSA = 1024

    /// What kind of key it is.
    package let algorithm: Algorithm
    /// The public key as a DKIM key record has it: RSA as SubjectPublicKeyInfo (RFC 6376 section 3.6.1), Ed25519 as
    /// its 32 octets (RFC 8463 section 4).
    package let publicKey: [UInt8]
    private let key: PrivateKey

    /// Reads a private key (PEM, not encrypted).
    ///
    /// - Throws: where the file cannot be read, or holds no key that can sign so.
    package init(path: String) throws(TLSFileProblem) {
        let file = try PEMFile(path: path, purpose: .key)
        let key = try file.privateKey()
        let fix = "make another: openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out KEY"
        let algorithm: Algorithm
        switch key.algorithm {
        case EVP_PKEY_RSA:
            let bits = unsafe key.withPointer { unsafe Int(EVP_PKEY_get_bits($0)) }
            guard bits >= Self.smallestRSA else { throw file.problem("is an RSA key of \(bits) bits", fix: fix) }
            algorithm = .rsa
        case EVP_PKEY_ED25519: algorithm = .ed25519
        default: throw file.problem("is neither an RSA key nor an Ed25519 key", fix: fix)
        }
        guard let publicKey = unsafe key.withPointer({ unsafe Self.publicKey($0, algorithm) }) else {
            throw file.problem("has a key whose public part cannot be had", fix: fix)
        }
        self.algorithm = algorithm
        self.publicKey = publicKey
        self.key = key
    }

    private static func publicKey(_ pointer: OpaquePointer, _ algorithm: Algorithm) -> [UInt8]? {
        switch algorithm {
        case .ed25519:
            var length = 32
            var octets = [UInt8](repeating: 0, count: length)
            guard unsafe EVP_PKEY_get_raw_public_key(pointer, &octets, &length) == 1 else { return nil }
            return octets
        case .rsa:
            let length = unsafe i2d_PUBKEY(pointer, nil)
            guard length > 0 else { return nil }
            var octets = [UInt8](repeating: 0, count: Int(length))
            let written = unsafe octets.withUnsafeMutableBufferPointer { buffer in
                var start = buffer.baseAddress
                return unsafe i2d_PUBKEY(pointer, &start)
            }
            return written == length ? octets : nil
        }
    }

    /// The signature of octets.
    package func sign(_ data: [UInt8]) throws(Digest.Failure) -> [UInt8] {
        guard let context = unsafe EVP_MD_CTX_new() else { throw Digest.Failure() }
        defer { unsafe EVP_MD_CTX_free(context) }
        let isRSA = self.algorithm == .rsa
        let started = unsafe self.key.withPointer { pointer in
            unsafe EVP_DigestSignInit(context, nil, isRSA ? EVP_sha256() : nil, nil, pointer)
        }
        var length = 0
        guard started == 1, unsafe EVP_DigestSign(context, nil, &length, data, data.count) == 1, length > 0 else {
            throw Digest.Failure()
        }
        var signature = [UInt8](repeating: 0, count: length)
        guard unsafe EVP_DigestSign(context, &signature, &length, data, data.count) == 1, length <= signature.count
        else {
            throw Digest.Failure()
        }
        return Array(signature.prefix(length))
    }
}
