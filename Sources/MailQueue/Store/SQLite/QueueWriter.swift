import GRDB
import GRDBSQLite
import Logging
import NIOPosix
import SMTP
import Synchronization

/// Changes the queue, on a thread of its own: what all callers have ready goes into one transaction, so that they share one
/// sync of the disk ("group commit").
final class QueueWriter: Sendable {
    /// A change and who waits for it.
    struct Request: Sendable {
        enum Change: Sendable {
            case append(RoutedMessage)
            case record(OutcomeRecord)
            /// Anything rare; it may be called twice when the group that it is in fails.
            case perform(@Sendable (WriteStatements) throws -> Void)
        }
        let change: Change
        /// Called once, on the writer's thread.
        let completion: @Sendable (Result<Void, StoreError>) -> Void
    }

    /// Changes in one transaction at most: bounds what a crash can repeat and how long one caller waits for others.
    private static let largestGroup = 2000
    /// Pages of 4 KiB in the log from which they are moved to the database file.
    private static let checkpointPages: Int32 = 4096
    /// Pages in the log from which the writer waits for them to be moved: the disk does not keep up.
    private static let longestLog: Int32 = 8 * checkpointPages

    private let thread: StoreThread<Request>
    private let commits: Atomics

    /// Counters for metrics and tests.
    private final class Atomics: Sendable {
        let commits = Atomic<Int>(0)
    }

    /// Transactions committed so far.
    var commitCount: Int { self.commits.commits.load(ordering: .relaxed) }

    /// - Parameter connection: owned from now on, and closed by `stop()`.
    init(
        connection: DatabaseQueue,
        checkpointer: QueueCheckpointer,
        content: ContentDirectory,
        logger: Logger
    ) throws {
        let statements = try connection.inDatabase { try WriteStatements($0) }
        let commits = Atomics()
        self.commits = commits
        let session = Session(
            connection: connection,
            statements: statements,
            checkpointer: checkpointer,
            content: content,
            logger: logger,
            committed: { commits.commits.add(1, ordering: .relaxed) }
        )
        self.thread = StoreThread(name: "queue-writer", serve: { session.serve($0) }, atEnd: { session.end() })
    }

    /// Hands a change over; it comes after all that were handed over before.
    func submit(_ change: Request.Change, completion: @escaping @Sendable (Result<Void, StoreError>) -> Void) {
        if !self.thread.submit(Request(change: change, completion: completion)) {
            completion(.failure(.unavailable("the queue is closed")))
        }
    }

    /// Makes a change; returns when it is durable.
    func perform(_ change: Request.Change) async throws(StoreError) {
        // Not cancelled with the caller: a commit is never split.
        try await withCheckedContinuation { continuation in
            self.submit(change) { continuation.resume(returning: $0) }
        }.get()
    }

    /// Finishes what was submitted and closes the connection.
    func stop() async { await self.thread.stop() }

    /// What belongs to the thread.
    ///
    /// `@unchecked Sendable`: made before the thread starts, and from then on used by `serve` and `end` on that thread only.
    private final class Session: @unchecked Sendable {
        private let connection: DatabaseQueue
        private var statements: WriteStatements?
        private let checkpointer: QueueCheckpointer
        /// Why writes fail now, and how many have.
        private var trouble: (reason: String, count: Int)?
        private var isLogMoving = false
        private let content: ContentDirectory
        private let logger: Logger
        private let committed: @Sendable () -> Void

        init(
            connection: DatabaseQueue,
            statements: WriteStatements,
            checkpointer: QueueCheckpointer,
            content: ContentDirectory,
            logger: Logger,
            committed: @escaping @Sendable () -> Void
        ) {
            self.connection = connection
            self.statements = statements
            self.checkpointer = checkpointer
            self.content = content
            self.logger = logger
            self.committed = committed
        }

        func serve(_ requests: [Request]) {
            guard let statements = self.statements else { return }
            self.connection.inDatabase { _ in
                var rest = requests[...]
                while !rest.isEmpty {
                    self.commit(rest.prefix(QueueWriter.largestGroup), statements)
                    rest = rest.dropFirst(QueueWriter.largestGroup)
                }
                self.keepLogShort(statements)
            }
        }

        /// Has the log moved into the database file when it is long, and moves what was added meanwhile: then it begins anew.
        private func keepLogShort(_ statements: WriteStatements) {
            if self.isLogMoving {
                let isTooLong = statements.logPages > QueueWriter.longestLog
                guard self.checkpointer.hasMoved(waiting: isTooLong) else { return }
                self.isLogMoving = false
                statements.checkpoint()
            } else if statements.logPages > QueueWriter.checkpointPages {
                self.isLogMoving = self.checkpointer.begin()
            }
        }

        /// One transaction for a group; where it fails, one for each, so that nobody fails because of another.
        private func commit(_ group: ArraySlice<Request>, _ statements: WriteStatements) {
            do {
                try self.transaction(group, statements)
                self.tellSuccess()
                for request in group { request.completion(.success(())) }
                self.content.observer?(.acknowledged)
                self.unlinkOrphans(statements)
            } catch {
                if group.count > 1 {
                    for index in group.indices { self.commit(group[index...index], statements) }
                } else {
                    let error = StoreError(error)
                    self.tell(error)
                    for request in group { request.completion(.failure(error)) }
                }
            }
        }

        /// One line for a trouble, however many it meets: a full disk fails each message.
        private func tell(_ error: StoreError) {
            let reason = "\(error)"
            if self.trouble?.reason == reason {
                self.trouble?.count += 1
            } else {
                self.trouble = (reason, 1)
                self.logger.error("queue write failed", metadata: ["error": "\(reason)"])
            }
        }

        private func tellSuccess() {
            guard let trouble = self.trouble else { return }
            self.trouble = nil
            self.logger.notice(
                "queue is written again",
                metadata: ["error": "\(trouble.reason)", "failures": "\(trouble.count)"]
            )
        }

        private func transaction(_ group: ArraySlice<Request>, _ statements: WriteStatements) throws {
            do {
                try statements.begin()
                self.content.observer?(.transactionBegun)
                for request in group {
                    switch request.change {
                    case .append(let message): try statements.append(message)
                    case .record(let outcome): try statements.record(outcome)
                    case .perform(let body): try body(statements)
                    }
                }
                self.content.observer?(.beforeCommit)
                try statements.commit()
                self.content.observer?(.afterCommit)
                self.committed()
            } catch {
                statements.rollback()
                throw error
            }
        }

        /// Removes the files of messages that the transaction removed.
        ///
        /// One that stays is swept at the next start.
        private func unlinkOrphans(_ statements: WriteStatements) {
            guard !statements.orphans.isEmpty else { return }
            let (names, content) = (statements.orphans, self.content)
            statements.orphans = []
            content.pool.submit { _ in
                for name in names { try? PosixFile.unlink(content.path(of: name)) }
                content.observer?(.contentUnlinked)
            }
        }

        func end() {
            self.connection.inDatabase { _ in
                if self.isLogMoving { _ = self.checkpointer.hasMoved(waiting: true) }
                self.statements?.checkpoint()
                // Statements must be finalized before their connection is closed.
                self.statements = nil
            }
            do {
                try self.connection.close()
            } catch {
                self.logger.error("queue could not be closed", metadata: ["error": "\(error)"])
            }
        }
    }
}
