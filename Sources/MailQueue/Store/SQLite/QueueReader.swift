import GRDB
import Logging

/// Reads the queue, on a connection and a thread of its own: the write-ahead log lets it read while the writer writes.
final class QueueReader: Sendable {
    private typealias Request = @Sendable (ReadStatements) -> Void

    private let thread: StoreThread<Request>

    /// - Parameter connection: owned from now on, and closed by `stop()`.
    init(connection: DatabaseQueue, logger: Logger) throws {
        let session = Session(connection, try connection.inDatabase { try ReadStatements($0) }, logger)
        self.thread = StoreThread(name: "queue-reader", serve: { session.serve($0) }, atEnd: { session.end() })
    }

    /// Reads within one snapshot of the queue.
    func read<Answer: Sendable>(
        _ body: @escaping @Sendable (ReadStatements) throws -> Answer
    ) async throws(StoreError) -> Answer {
        try await withCheckedContinuation { (continuation: CheckedContinuation<Result<Answer, StoreError>, Never>) in
            let request: Request = { statements in
                continuation.resume(
                    returning: Result { try statements.inSnapshot { try body(statements) } }.mapError(StoreError.init)
                )
            }
            if !self.thread.submit(request) {
                continuation.resume(returning: .failure(.unavailable("the queue is closed")))
            }
        }.get()
    }

    /// Answers what was asked and closes the connection.
    func stop() async { await self.thread.stop() }

    /// What belongs to the thread.
    ///
    /// `@unchecked Sendable`: made before the thread starts, and from then on used by `serve` and `end` on that thread only.
    private final class Session: @unchecked Sendable {
        private let connection: DatabaseQueue
        private var statements: ReadStatements?
        private let logger: Logger

        init(_ connection: DatabaseQueue, _ statements: ReadStatements, _ logger: Logger) {
            self.connection = connection
            self.statements = statements
            self.logger = logger
        }

        func serve(_ requests: [Request]) {
            guard let statements = self.statements else { return }
            self.connection.inDatabase { _ in
                for request in requests { request(statements) }
            }
        }

        func end() {
            // Statements must be finalized before their connection is closed.
            self.connection.inDatabase { _ in self.statements = nil }
            do {
                try self.connection.close()
            } catch {
                self.logger.error("queue could not be closed", metadata: ["error": "\(error)"])
            }
        }
    }
}

extension ReadStatements {
    /// Several statements see the same state of the queue.
    fileprivate func inSnapshot<Answer>(_ body: () throws -> Answer) throws -> Answer {
        try self.database.beginTransaction(.deferred)
        // A transaction that only reads: its end cannot fail in a way that matters.
        defer { try? self.database.commit() }
        return try body()
    }
}
