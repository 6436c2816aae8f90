public import MailHubPlugin
import Synchronization

/// A directory that answers as a test tells it.
public final class ScriptedDirectory: Directory {
    /// Where searches begin.
    public let base: String
    /// What kind of directory it is.
    public let profile: DirectoryProfile
    private let answers = Mutex<@Sendable (DirectorySearch) -> Lookup<[DirectoryEntry]>>({ _ in .notFound })
    private let searches = Mutex<[DirectorySearch]>([])

    /// Knows nobody yet.
    public init(base: String = "dc=example,dc=org", profile: DirectoryProfile = .openldap) {
        self.base = base
        self.profile = profile
    }

    /// Answers searches from now on.
    public func answer(_ body: @escaping @Sendable (DirectorySearch) -> Lookup<[DirectoryEntry]>) {
        self.answers.withLock { $0 = body }
    }

    /// What was searched for, in order.
    public var asked: [DirectorySearch] { self.searches.withLock { $0 } }

    /// A name for the operator.
    public var lastServer: String? { "ldap://directory.test" }

    /// Finds entries.
    public func search(_ search: DirectorySearch) async -> Lookup<[DirectoryEntry]> {
        self.searches.withLock { $0.append(search) }
        return self.answers.withLock { $0 }(search)
    }
}
