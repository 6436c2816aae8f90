package import MailHubPlugin
package import NIOPosix
package import SASL
import SMTP
import Synchronization

/// Which reverse-paths an authenticated client may use.
package enum SenderRule: String, Hashable, Sendable, CaseIterable {
    /// Its own addresses.
    case own
    /// All addresses of the served domains.
    case domains
    /// Any.
    case any
}

/// Whom submission listeners know, and what they may do.
package struct AuthenticationSettings: Equatable, Sendable {
    /// What clients may use, in the order in which EHLO names it.
    package var mechanisms = SASLMechanism.allCases
    /// The users of the site's file; `nil` where only plugins know any.
    package var accounts: UserAccounts?
    package var senders = SenderRule.own
    /// Whether the directory is asked about users that the file does not know.
    package var usesDirectory = false
    /// Asks the directory: finds the user's addresses where the password is right, and nothing where it is wrong.
    package var directory: (@Sendable (PasswordClaim) async -> Lookup<[String]>)?
    /// Says whom a token is for; `nil` where none is taken.
    package var tokens: (@Sendable (String) async -> TokenVerdict)?
    /// Passwords in the clear: for tests in memory alone, never from config.json.
    package var allowsClearText = false

    package init() {}

    /// Whether both say the same; the users of the file may differ.
    package static func == (left: AuthenticationSettings, right: AuthenticationSettings) -> Bool {
        left.mechanisms == right.mechanisms && left.senders == right.senders
            && left.usesDirectory == right.usesDirectory && left.accounts?.path == right.accounts?.path
            && left.allowsClearText == right.allowsClearText
    }

    /// Whether an address is the user's own: one that its line in the file names, or else the name itself, which stands for an
    /// address in each served domain where it is none.
    ///
    /// - Parameter addresses: what the directory knows as the user's.
    func isOwn(
        _ sender: Mailbox,
        of user: String,
        addresses: [String],
        servedDomains: Set<Domain>
    ) -> Bool {
        let named = addresses.isEmpty ? self.accounts?[user]?.addresses ?? [] : addresses
        guard named.isEmpty else { return named.compactMap { Mailbox($0) }.contains { Self.areSame($0, sender) } }
        if let own = Mailbox(user) { return Self.areSame(own, sender) }
        guard let domain = sender.domain, servedDomains.contains(domain) else { return false }
        return sender.localPart.value.lowercased() == user.lowercased()
    }

    private static func areSame(_ left: Mailbox, _ right: Mailbox) -> Bool {
        left.host == right.host && left.localPart.value.lowercased() == right.localPart.value.lowercased()
    }
}

/// Checks passwords, which is made to take its time.
package protocol PasswordChecking: Sendable {
    /// Whether the password is right; `nil` where that cannot be said now.
    func check(_ claim: PasswordClaim, in accounts: UserAccounts) async -> Bool?
}

/// On the caller's thread: for tests.
package struct PasswordsAtOnce: PasswordChecking {
    package init() {}

    package func check(_ claim: PasswordClaim, in accounts: UserAccounts) async -> Bool? { try? accounts.check(claim) }
}

/// On the threads of a pool, a bounded number at a time: whoever floods the hub with passwords does not take all threads, nor all
/// processors.
package final class PasswordsOnThreads: PasswordChecking {
    private let pool: NIOThreadPool
    private let limit: Int
    private let count = Mutex(0)

    /// - Parameter limit: checks at one time, those included that wait for a thread.
    package init(pool: NIOThreadPool, limit: Int = 50) {
        self.pool = pool
        self.limit = limit
    }

    package func check(_ claim: PasswordClaim, in accounts: UserAccounts) async -> Bool? {
        let mayBegin = self.count.withLock { count in
            guard count < self.limit else { return false }
            count += 1
            return true
        }
        guard mayBegin else { return nil }
        defer { self.count.withLock { $0 -= 1 } }
        return try? await self.pool.runIfActive { try accounts.check(claim) }
    }
}
