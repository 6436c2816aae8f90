package import MailHubPlugin
package import NIOPosix
import Synchronization

/// Checks users' passwords by binding as them (RFC 4513 section 5.1.3): the directory says who is who, and the hub keeps no secret.
///
/// The entry is found over the shared connections; the bind has a connection of its own, on a thread of the pool.
package struct LDAPPasswords: Sendable {
    private let settings: LDAPSettings
    private let directory: any Directory
    private let threads: BindThreads

    package init(settings: LDAPSettings, directory: any Directory, threads: BindThreads) {
        self.settings = settings
        self.directory = directory
        self.threads = threads
    }

    /// Checks a password.
    ///
    /// - Parameter user: a login name or an address; finds exactly one entry.
    /// - Returns: the entry's addresses, the primary one first, where the password is right; `notFound` for a wrong one, as for an
    ///   unknown user. The text of `unavailable` never holds a password.
    package func check(_ password: String, of user: String) async -> Lookup<[String]> {
        // A bind with a name and no password succeeds as nobody (RFC 4513 section 5.1.2).
        guard !password.isEmpty, !password.utf8.contains(0), !user.isEmpty else { return .notFound }
        let attributes = self.loginAttributes
        let search = DirectorySearch(
            filter: .or(attributes.map { .equals($0, user) }),
            attributes: ["mail", "proxyAddresses"],
            limit: 2
        )
        let entry: DirectoryEntry?
        switch await self.directory.search(search) {
        case .found(let entries) where entries.count == 1: entry = entries.first
        case .found(let entries): return .unavailable("\(entries.count) entries have the login name \(user)")
        case .notFound: entry = nil
        case .unavailable(let why): return .unavailable(why)
        }
        // Nobody's bind takes as long as anybody's.
        let name = entry?.name ?? "cn=nobody-\(UInt32.random(in: 0 ... .max)),\(self.directory.base)"
        let settings = self.settings
        switch await self.threads.run({ () throws(LDAPFailure) in
            try LDAPConnector.verify(password, of: name, settings)
        }) {
        case .success(true): return entry.map { .found(Self.addresses(of: $0)) } ?? .notFound
        case .success(false): return .notFound
        case .failure(let failure): return .unavailable(failure.description)
        case nil: return .unavailable("too many passwords are being checked")
        }
    }

    private var loginAttributes: [String] {
        switch self.settings.profile {
        case .openldap: ["uid", "mail"]
        case .activeDirectory: ["sAMAccountName", "userPrincipalName", "mail"]
        }
    }

    private static func addresses(of entry: DirectoryEntry) -> [String] {
        let prefixed = entry["proxyAddresses"].filter { $0.lowercased().hasPrefix("smtp:") }
        return entry["mail"] + prefixed.map { String($0.dropFirst(5)) }
    }
}

/// The threads that binds of users wait on: theirs alone, and a bounded number of binds.
package final class BindThreads: Sendable {
    private let pool: NIOThreadPool
    private let limit: Int
    private let count = Mutex(0)

    /// - Parameter limit: binds at one time, those included that wait for a thread.
    package init(pool: NIOThreadPool, limit: Int = 50) {
        self.pool = pool
        self.limit = limit
    }

    /// - Returns: `nil` where there are too many, or the hub is being stopped.
    func run(_ body: @escaping @Sendable () throws(LDAPFailure) -> Bool) async -> Result<Bool, LDAPFailure>? {
        let mayBegin = self.count.withLock { count in
            guard count < self.limit else { return false }
            count += 1
            return true
        }
        guard mayBegin else { return nil }
        defer { self.count.withLock { $0 -= 1 } }
        return try? await self.pool.runIfActive { Result { () throws(LDAPFailure) in try body() } }
    }
}

extension LDAPConnector {
    /// Whether a password is the entry's: asked of the servers in order, until one says so or otherwise.
    ///
    /// - Throws: where none can say; each step has its limit.
    static func verify(_ password: String, of name: String, _ settings: LDAPSettings) throws(LDAPFailure) -> Bool {
        var last: LDAPFailure?
        for server in settings.servers {
            do throws(LDAPFailure) {
                let handle = try self.secured(server, settings)
                do throws(LDAPLibraryError) {
                    return try handle.accepts(password, of: name, within: settings.timeouts.bind)
                } catch {
                    throw LDAPFailure(server, "bind as a user", error.description)
                }
            } catch {
                last = error
            }
        }
        throw last ?? LDAPFailure(text: "no directory server")
    }
}
