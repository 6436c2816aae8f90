import Dispatch
import GRDB
import Logging

/// Moves the write-ahead log into the database file while the writer goes on, on a connection and a thread of its own.
///
/// SQLite's passive checkpoint takes some 20 ms for 16 MiB, two syncs included, and would keep every session waiting for its 250.
/// What the writer adds meanwhile is left for the writer itself, which then begins the log anew: see `QueueWriter`.
final class QueueCheckpointer: Sendable {
    private enum Request { case move }

    private let thread: StoreThread<Request>
    private let moved = DispatchSemaphore(value: 0)

    /// - Parameter connection: owned from now on, and closed by `stop()`.
    init(connection: DatabaseQueue, logger: Logger) {
        let moved = self.moved
        self.thread = StoreThread(
            name: "queue-checkpoint",
            serve: { requests in
                for _ in requests {
                    // Where the disk is full, the log stays as it is, and the next request tries again.
                    _ = try? connection.inDatabase { try $0.checkpoint(.passive) }
                    moved.signal()
                }
            },
            atEnd: {
                do {
                    try connection.close()
                } catch {
                    logger.error("queue could not be closed", metadata: ["error": "\(error)"])
                }
            }
        )
    }

    /// Begins to move the log; to be called again only after `hasMoved` has said so.
    ///
    /// - Returns: `false` after `stop()`.
    func begin() -> Bool { self.thread.submit(.move) }

    /// Whether what `begin()` began has ended; says so once.
    ///
    /// - Parameter waiting: until it has.
    func hasMoved(waiting: Bool) -> Bool {
        if waiting { self.moved.wait() } else { return self.moved.wait(timeout: .now()) == .success }
        return true
    }

    /// Ends the thread and closes the connection.
    func stop() async { await self.thread.stop() }
}
