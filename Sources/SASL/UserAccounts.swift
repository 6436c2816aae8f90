import Synchronization
package import TransportSecurity

/// The users of a file, as sessions see them; the file's content is replaced as a whole when it changes.
package final class UserAccounts: Sendable {
    /// Where they come from.
    package let path: String
    private let users: Mutex<[String: UserFile.User]>
    private let secret: [UInt8]
    /// One for the life of the process: made-up salts stay the same when the file is read again.
    private static let processSecret = Result { () throws(Digest.Failure) in try Digest.random(32) }
    /// The keys that the password of somebody unknown is compared with, so that it takes as long as anybody's.
    private let nobody: SCRAMKeys

    /// - Throws: where OpenSSL has no random octets.
    package init(path: String, _ file: UserFile) throws(Digest.Failure) {
        self.path = path
        self.users = Mutex(file.users)
        self.secret = try Self.processSecret.get()
        self.nobody = try SCRAMKeys.ofNobody("", secret: self.secret)
    }

    /// Takes the place of what was there.
    package func replace(with file: UserFile) { self.users.withLock { $0 = file.users } }

    /// The user of a prepared name.
    package subscript(name: String) -> UserFile.User? { self.users.withLock { $0[name] } }

    /// The keys of a user, or such as nobody can tell from a user's.
    package func keys(of name: String) throws(Digest.Failure) -> SCRAMKeys {
        if let user = self[name] { return user.keys }
        return try SCRAMKeys.ofNobody(name, secret: self.secret)
    }

    /// Whether a password is the user's; takes its time, whoever it is: not for an event loop.
    package func check(_ claim: PasswordClaim) throws(Digest.Failure) -> Bool {
        let user = self[claim.user]
        let isRight = try (user?.keys ?? self.nobody).match(claim.password)
        return isRight && user != nil
    }
}
