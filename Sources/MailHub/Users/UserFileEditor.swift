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

    private let path: String
    private var file: UserFile

    /// Reads a file; one that does not exist yet has no users.
    public init(path: String) throws {
        self.path = path
        guard FileManager.default.fileExists(atPath: path) else {
            self.file = UserFile()
            return
        }
        do {
            self.file = try UserFileStorage.read(path)
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

    /// Adds a user, or gives one another password.
    ///
    /// - Parameter addresses: `nil` leaves those that are there.
    public mutating func set(_ name: String, password: String, addresses: [String]?) throws {
        guard UserFile.isName(name) else {
            throw Failure(
                description: "\"\(name)\" cannot be a user's name: choose one word without control characters"
            )
        }
        guard let prepared = Prepared.text(password), prepared.utf8.count <= 1024 else {
            throw Failure(description: "the password is empty, too long, or has control characters")
        }
        for address in addresses ?? [] where Mailbox(address) == nil || address.contains(where: { $0.isWhitespace }) {
            throw Failure(description: "\"\(address)\" is no address, such as ann@example.org")
        }
        let keys = try SCRAMKeys(password: prepared, salt: try Digest.random(16))
        let known = self.file.users[name]?.addresses ?? []
        self.file.set(UserFile.User(name: name, keys: keys, addresses: addresses ?? known))
        try self.save()
    }

    /// Removes a user; `false` where there is none of that name.
    public mutating func remove(_ name: String) throws -> Bool {
        guard self.file.remove(name) else { return false }
        try self.save()
        return true
    }

    /// Whether a password is the user's.
    public func verify(_ name: String, password: String) throws -> Bool {
        guard let user = self.file.users[name], let prepared = Prepared.text(password) else { return false }
        return try user.keys.match(prepared)
    }

    private func save() throws {
        do {
            try UserFileStorage.write(self.file, to: self.path)
        } catch {
            throw Failure(description: "\(error): \(error.fix)")
        }
    }
}
