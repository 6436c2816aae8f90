package import Logging
package import NIOPosix
import SMTP

/// The queue in one SQLite file: `queue.sqlite` with its write-ahead log, and `content/` beside it.
package final class SQLiteQueueStore: QueueStore {
    package let content: ContentDirectory

    private let writer: QueueWriter
    private let reader: QueueReader
    private let checkpointer: QueueCheckpointer
    private let lock: QueueLock

    /// Opens the queue in a directory, which is made where it is missing.
    ///
    /// Blocks its thread: for the start of the process.
    /// A file that is not a database is set aside under another name, and a new queue begins: the hub starts in any case.
    ///
    /// - Parameters:
    ///   - pool: for content files; shut down by its owner after `close()`.
    ///   - maximumPages: the database does not grow beyond so many pages of 4 KiB; `nil` for no limit.
    ///   - observer: is told about each step of a commit, on the writer's thread.
    /// - Throws: `unavailable` when another process has the queue, or another version of MailHub has written it.
    package init(
        directory: String,
        pool: NIOThreadPool,
        logger: Logger,
        maximumPages: Int? = nil,
        observer: CommitStepObserver? = nil
    ) throws(StoreError) {
        self.content = ContentDirectory(path: "\(directory)/content", pool: pool, observer: observer)
        do {
            try PosixFile.makeDirectory(directory)
            try self.content.create()
            self.lock = try QueueLock(directory: directory)
            let path = "\(directory)/queue.sqlite"
            let opened = try QueueOpening(path: path, content: self.content, logger: logger, maximumPages: maximumPages)
            self.checkpointer = QueueCheckpointer(connection: opened.checkpointing, logger: logger)
            self.writer = try QueueWriter(
                connection: opened.writing,
                checkpointer: self.checkpointer,
                content: self.content,
                logger: logger
            )
            self.reader = try QueueReader(connection: opened.reading, logger: logger)
        } catch {
            throw StoreError(error)
        }
    }

    /// Transactions committed so far.
    package var commitCount: Int { self.writer.commitCount }

    package func append(_ message: RoutedMessage) async throws(StoreError) {
        try await self.writer.perform(.append(message))
    }

    package func append(_ messages: [RoutedMessage]) async throws(StoreError) {
        try await self.writer.perform(.perform { for message in messages { try $0.append(message) } })
    }

    package func submit(_ outcome: OutcomeRecord, completion: @escaping @Sendable (Result<Void, StoreError>) -> Void) {
        self.writer.submit(.record(outcome), completion: completion)
    }

    package func due(_ query: DueQuery) async throws(StoreError) -> DuePage {
        try await self.reader.read { try $0.due(query) }
    }

    package func load(
        _ id: QueueID,
        positions: [Int]?,
        withContent: Bool
    ) async throws(StoreError) -> LoadedMessage? {
        let content = self.content
        return try await self.reader.read { statements in
            let message = try statements.load(id, positions: positions, withContent: withContent)
            if withContent, let damage = message.flatMap({ content.damage(of: $0.content) }) {
                throw StoreError.damaged(id, damage)
            }
            return message
        }
    }

    package func awaitingNotification(after id: QueueID?, limit: Int) async throws(StoreError) -> [QueueID] {
        try await self.reader.read { try $0.awaitingNotification(after: id, limit: limit) }
    }

    package func setAside(_ id: QueueID, reason: String) async throws(StoreError) {
        try await self.writer.perform(.perform { try $0.setAside(id, reason: reason) })
    }

    package func list(
        _ filter: QueueFilter,
        after id: QueueID?,
        limit: Int
    ) async throws(StoreError) -> QueuePage {
        try await self.reader.read { try $0.list(filter, after: id, limit: limit) }
    }

    package func show(_ id: QueueID) async throws(StoreError) -> QueueListing? {
        try await self.reader.read { try $0.show(id) }
    }

    package func statistics() async throws(StoreError) -> QueueStatistics {
        try await self.reader.read { try $0.statistics() }
    }

    package func apply(
        _ action: OperatorAction,
        to selection: QueueSelection
    ) async throws(StoreError) -> [QueueID] {
        var changed: [QueueID] = []
        switch selection {
        case .ids(let ids):
            for start in stride(from: 0, to: ids.count, by: Self.actionGroup) {
                let group = Array(ids[start..<min(start + Self.actionGroup, ids.count)])
                changed += try await self.apply(action, to: group)
            }
        case .matching(let filter):
            // In groups, so that mail flows on in between.
            var last: QueueID?
            repeat {
                let (after, size) = (last, Self.actionGroup)
                let group = try await self.reader.read { try $0.ids(filter, after: after, limit: size) }
                changed += try await self.apply(action, to: group)
                last = group.count == Self.actionGroup ? group.last : nil
            } while last != nil
        }
        return changed
    }

    /// Messages that one transaction changes for the operator, at most.
    private static let actionGroup = 500

    private func apply(_ action: OperatorAction, to ids: [QueueID]) async throws(StoreError) -> [QueueID] {
        guard !ids.isEmpty else { return [] }
        return try await withCheckedContinuation {
            (continuation: CheckedContinuation<Result<[QueueID], StoreError>, Never>) in
            let changed = ChangedMessages()
            self.writer.submit(
                .perform { statements in changed.set(try statements.apply(action, to: ids)) },
                completion: { result in continuation.resume(returning: result.map { changed.value }) }
            )
        }.get()
    }

    package func close() async {
        await self.writer.stop()
        await self.checkpointer.stop()
        await self.reader.stop()
        self.lock.release()
    }
}
