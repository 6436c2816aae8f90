import Foundation
import SMTP
import SASL
import TransportSecurity

/// Changes the users that may submit mail: what `mailhub user` does.
public struct UserFileEditor {
    /// A user as the operator sees it.
    public struct Entry: Hashable, Sendable, Codable {
        /// What the user logs in as.
        public let name: String
        /// Addresses that the user may send as; empty for those that follow from the name.
        public let addresses: [String]
    }

    /// Why something was not done; the file is as it was.
    public struct Failure: Error, CustomStringConvertible {
        /// What is wrong, and how to mend it.
        public let description: String
    }

    /// The file.
    public let path: String
    /// Whether there was no file yet.
    public let isNew: Bool
    private var file: UserFile

    /// Reads a file; one that does not exist yet has no users.
    public init(path: String) throws {
        self.path = path
        self.isNew = !FileManager.default.fileExists(atPath: path)
        self.file = try Self.read(path)
    }

    private static func read(_ path: String) throws(Failure) -> UserFile {
        guard FileManager.default.fileExists(atPath: path) else { return UserFile() }
        return try Self.onDisk { () throws(UserFileStorage.Failure) in try UserFileStorage.read(path) }
    }

    private static func onDisk<Result>(
        _ body: () throws(UserFileStorage.Failure) -> Result
    ) throws(Failure) -> Result {
        do throws(UserFileStorage.Failure) {
            return try body()
        } catch {
            throw Failure(description: "\(error): \(error.fix)")
        }
    }

    /// The users, by name.
    public var entries: [Entry] {
        self.file.users.values.map { Entry(name: $0.name, addresses: $0.addresses) }.sorted { $0.name < $1.name }
    }

    /// Whether there is a user of that name.
    public func has(_ name: String) -> Bool { self.file.users[name] != nil }

    /// Adds a user.
    ///
    /// - Parameter addresses: what it may send as; empty for what follows from the name.
    /// - Throws: ``Failure``, also where there is a user of that name.
    public mutating func add(_ name: String, password: String, addresses: [String]) throws {
        guard UserFile.isName(name) else {
            throw Failure(
                description: "\"\(name)\" cannot be a user's name: choose one word without control characters"
            )
        }
        for address in addresses where Mailbox(address) == nil || address.contains(where: { $0.isWhitespace }) {
            throw Failure(description: "\"\(address)\" is no address, such as ann@example.org")
        }
        let keys = try Self.keys(of: password)
        try self.change { file throws(Failure) in
            guard file.users[name] == nil else {
                throw Failure(description: "\(name) is there already: use mailhub user passwd for another password")
            }
            file.set(UserFile.User(name: name, keys: keys, addresses: addresses))
        }
    }

    /// Gives a user another password.
    ///
    /// - Throws: ``Failure``, also where there is no such user.
    public mutating func changePassword(of name: String, to password: String) throws {
        let keys = try Self.keys(of: password)
        try self.change { file throws(Failure) in
            guard var user = file.users[name] else { throw Self.unknown(name) }
            user.keys = keys
            file.set(user)
        }
    }

    /// Removes a user.
    ///
    /// - Throws: ``Failure``, also where there is no such user.
    public mutating func remove(_ name: String) throws {
        try self.change { file throws(Failure) in
            guard file.remove(name) else { throw Self.unknown(name) }
        }
    }

    private static func unknown(_ name: String) -> Failure {
        Failure(description: "there is no user \(name): see mailhub user list")
    }

    private static func keys(of password: String) throws -> SCRAMKeys {
        guard let prepared = Prepared.text(password), prepared.utf8.count <= 1024 else {
            throw Failure(description: "the password is empty, too long, or has control characters")
        }
        return try SCRAMKeys(password: prepared, salt: try Digest.random(16))
    }

    /// Whether a password is the user's.
    public func verify(_ name: String, password: String) throws -> Bool {
        guard let user = self.file.users[name], let prepared = Prepared.text(password) else { return false }
        return try user.keys.match(prepared)
    }

    /// Changes what the file has now, and not what it had when it was shown: somebody else may be changing it, too.
    private mutating func change(_ apply: (inout UserFile) throws(Failure) -> Void) throws(Failure) {
        let path = self.path
        let lock = try Self.onDisk { () throws(UserFileStorage.Failure) in try UserFileStorage.lock(beside: path) }
        defer { UserFileStorage.unlock(lock) }
        var file = try Self.read(path)
        try apply(&file)
        let changed = file
        try Self.onDisk { () throws(UserFileStorage.Failure) in try UserFileStorage.write(changed, to: path) }
        self.file = changed
    }
}
