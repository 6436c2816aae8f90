package import TransportSecurity

/// What a server keeps of a password (RFC 5802 section 3): enough to check it, not to use it elsewhere.
package struct SCRAMKeys: Hashable, Sendable {
    package let salt: [UInt8]
    /// Rounds of PBKDF2.
    package let iterations: Int
    package let storedKey: [UInt8]
    package let serverKey: [UInt8]

    /// Rounds for new passwords: some 20 ms, so that a stolen file is of little use (RFC 7677 section 4 asks for 4096 and more).
    package static let standardIterations = 65_536
    /// What a file or a peer may ask for: checking a password must end.
    package static let iterationRange = 4096...2_000_000

    package init(salt: [UInt8], iterations: Int, storedKey: [UInt8], serverKey: [UInt8]) {
        self.salt = salt
        self.iterations = iterations
        self.storedKey = storedKey
        self.serverKey = serverKey
    }

    /// Derives the keys of a prepared password; takes its time.
    package init(
        password: String,
        salt: [UInt8],
        iterations: Int = Self.standardIterations
    ) throws(Digest.Failure) {
        let salted = try Digest.pbkdf2SHA256(password: Array(password.utf8), salt: salt, iterations: iterations)
        let clientKey = try Digest.hmacSHA256(key: salted, Array("Client Key".utf8))
        self.init(
            salt: salt,
            iterations: iterations,
            storedKey: try Digest.sha256(clientKey),
            serverKey: try Digest.hmacSHA256(key: salted, Array("Server Key".utf8))
        )
    }

    /// Whether a prepared password is the right one; takes its time, which is the same for each.
    package func match(_ password: String) throws(Digest.Failure) -> Bool {
        let given = try SCRAMKeys(password: password, salt: self.salt, iterations: self.iterations)
        return Digest.areEqual(given.storedKey, self.storedKey)
    }

    /// Keys that no password has, for a user that does not exist: the same ones each time that the name is asked for.
    ///
    /// - Parameter secret: of this server; without it nobody can tell that the salt was made up.
    package static func ofNobody(_ user: String, secret: [UInt8]) throws(Digest.Failure) -> SCRAMKeys {
        let salt = try Digest.hmacSHA256(key: secret, Array("salt \(user)".utf8))
        let key = try Digest.hmacSHA256(key: secret, Array("key \(user)".utf8))
        return SCRAMKeys(
            salt: Array(salt.prefix(16)),
            iterations: Self.standardIterations,
            storedKey: key,
            serverKey: key
        )
    }
}

extension SCRAMKeys: CustomStringConvertible {
    /// As files have it: `SCRAM-SHA-256$65536:salt$StoredKey:ServerKey` (the form that PostgreSQL uses, too).
    package var description: String {
        let parts = [self.salt, self.storedKey, self.serverKey].map { Base64.encode($0) }
        return "SCRAM-SHA-256$\(self.iterations):\(parts[0])$\(parts[1]):\(parts[2])"
    }

    /// Reads that form; `nil` for anything else.
    package init?(_ text: Substring) {
        let parts = text.split(separator: "$", omittingEmptySubsequences: false)
        guard parts.count == 3, parts[0] == "SCRAM-SHA-256" else { return nil }
        let first = parts[1].split(separator: ":", omittingEmptySubsequences: false)
        let second = parts[2].split(separator: ":", omittingEmptySubsequences: false)
        guard first.count == 2, second.count == 2, let iterations = Int(first[0]),
            Self.iterationRange.contains(iterations),
            let salt = Base64.decode(first[1].utf8), (8...64).contains(salt.count),
            let storedKey = Base64.decode(second[0].utf8), storedKey.count == Digest.size,
            let serverKey = Base64.decode(second[1].utf8), serverKey.count == Digest.size
        else { return nil }
        self.init(salt: salt, iterations: iterations, storedKey: storedKey, serverKey: serverKey)
    }
}
