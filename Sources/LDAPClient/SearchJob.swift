import MailHubPlugin
import Synchronization

/// A look-up under way: the caller waits for its answer, the loop works on it.
final class SearchJob: Sendable {
    let search: DirectorySearch
    private let continuation = Mutex<CheckedContinuation<Lookup<[DirectoryEntry]>, Never>?>(nil)

    init(_ search: DirectorySearch) { self.search = search }

    /// Notes who waits; called once, before the loop gets the job.
    func wait(_ continuation: CheckedContinuation<Lookup<[DirectoryEntry]>, Never>) {
        self.continuation.withLock { $0 = continuation }
    }

    /// Answers; only the first call counts.
    func answer(_ answer: Lookup<[DirectoryEntry]>) {
        self.continuation.withLock { $0.take() }?.resume(returning: answer)
    }

    /// Whether nobody waits any more.
    var isOver: Bool { self.continuation.withLock { $0 == nil } }
}

/// The loop's notes about a job.
struct JobProgress {
    let job: SearchJob
    /// When it is over whatever happens; each page of a long answer moves it.
    var deadline: Int64
    /// How often it was sent.
    var tries = 0
    /// A server that is not asked again.
    var avoided: Int?
    var entries: [DirectoryEntry] = []
    var references: [String] = []
    /// Where the next page begins; empty at the start.
    var cookie: [UInt8] = []

    /// Forgets what was gathered, to begin again.
    mutating func restart() {
        self.entries = []
        self.references = []
        self.cookie = []
    }
}
