import COpenSSL

/// The few functions that authentication needs, from the system's OpenSSL.
package enum Digest {
    /// OpenSSL could not do it: no memory, or a provider that forbids the algorithm.
    package struct Failure: Error {}

    /// Octets of a SHA-256 value.
    package static let size = 32

    /// SHA-256 (FIPS 180-4).
    package static func sha256(_ data: [UInt8]) throws(Failure) -> [UInt8] {
        var result = [UInt8](repeating: 0, count: self.size)
        var count: UInt32 = 0
        let status = unsafe EVP_Digest(data, data.count, &result, &count, EVP_sha256(), nil)
        guard status == 1, count == self.size else { throw Failure() }
        return result
    }

    /// HMAC with SHA-256 (RFC 2104).
    package static func hmacSHA256(key: [UInt8], _ data: [UInt8]) throws(Failure) -> [UInt8] {
        var result = [UInt8](repeating: 0, count: self.size)
        var count: UInt32 = 0
        let made = unsafe HMAC(EVP_sha256(), key, Int32(clamping: key.count), data, data.count, &result, &count)
        guard unsafe made != nil, count == self.size else { throw Failure() }
        return result
    }

    /// PBKDF2 with HMAC-SHA-256 (RFC 8018 section 5.2): as many octets as a digest has.
    ///
    /// Takes its time: not for an event loop.
    ///
    /// - Parameter iterations: at least 1.
    package static func pbkdf2SHA256(password: [UInt8], salt: [UInt8], iterations: Int) throws(Failure) -> [UInt8] {
        var result = [UInt8](repeating: 0, count: self.size)
        let status = unsafe password.withUnsafeBytes { password in
            unsafe PKCS5_PBKDF2_HMAC(
                password.bindMemory(to: CChar.self).baseAddress,
                Int32(clamping: password.count),
                salt,
                Int32(clamping: salt.count),
                Int32(clamping: max(iterations, 1)),
                EVP_sha256(),
                Int32(self.size),
                &result
            )
        }
        guard status == 1 else { throw Failure() }
        return result
    }

    /// Octets that nobody can foretell.
    package static func random(_ count: Int) throws(Failure) -> [UInt8] {
        var result = [UInt8](repeating: 0, count: count)
        guard unsafe RAND_bytes(&result, Int32(clamping: count)) == 1 else { throw Failure() }
        return result
    }

    /// Whether both are the same, in a time that does not depend on where they differ.
    package static func areEqual(_ left: [UInt8], _ right: [UInt8]) -> Bool {
        guard left.count == right.count else { return false }
        return unsafe CRYPTO_memcmp(left, right, left.count) == 0
    }
}
