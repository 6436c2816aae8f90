import Synchronization
package import TransportSecurity

/// The users of a file, as sessions see them; the file's content is replaced as a whole when it changes.
package final class UserAccounts: Sendable {
    /// Where they come from.
    package let path: String
    private struct Content {
        var users: [String: UserFile.User]
        var stamp: FileStamp?
    }
    private let content: Mutex<Content>
    /// The keys that the password of somebody unknown is compared with, so that it takes as long as anybody's.
    private let nobody: SCRAMKeys

    /// - Parameter stamp: the file's, taken before it was read; `nil` where it is no matter whether that changes.
    /// - Throws: where OpenSSL has no random octets.
    package init(path: String, _ file: UserFile, stamp: FileStamp? = nil) throws(Digest.Failure) {
        self.path = path
        self.content = Mutex(Content(users: file.users, stamp: stamp))
        self.nobody = try SCRAMKeys.ofNobody("", secret: try Digest.random(32))
    }

    /// The file's, when it was read.
    package var stamp: FileStamp? { self.content.withLock { $0.stamp } }

    /// Takes the place of what was there.
    package func replace(with file: UserFile, stamp: FileStamp?) {
        self.content.withLock { $0 = Content(users: file.users, stamp: stamp) }
    }

    /// Takes over what another one has: sessions that know this one see it, too.
    package func replace(with other: UserAccounts) {
        let content = other.content.withLock { $0 }
        self.content.withLock { $0 = content }
    }

    /// The user of a prepared name.
    package subscript(name: String) -> UserFile.User? { self.content.withLock { $0.users[name] } }

    /// The keys of a user, or such as nobody can tell from a user's.
    ///
    /// - Parameter secret: what made-up salts come from; a user's salt stays the same, and so must theirs.
    package func keys(of name: String, decoy secret: [UInt8]) throws(Digest.Failure) -> SCRAMKeys {
        if let user = self[name] { return user.keys }
        return try SCRAMKeys.ofNobody(name, secret: secret)
    }

    /// Whether a password is the user's; takes its time, whoever it is: not for an event loop.
    package func check(_ claim: PasswordClaim) throws(Digest.Failure) -> Bool {
        let user = self[claim.user]
        let isRight = try (user?.keys ?? self.nobody).match(claim.password)
        return isRight && user != nil
    }
}
