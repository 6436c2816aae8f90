import Synchronization

/// Keeps a second hub away from the queue.
///
/// The system lets go of it when the process ends, however it ends.
final class QueueLock: Sendable {
    private let descriptor: Mutex<Int32?>

    /// - Throws: `StoreError.unavailable` when somebody else has the queue.
    init(directory: String) throws {
        guard let descriptor = try PosixFile.lock("\(directory)/lock") else {
            throw StoreError.unavailable("another MailHub has the queue in \(directory) open")
        }
        self.descriptor = Mutex(descriptor)
    }

    deinit { self.release() }

    /// Lets others have the queue.
    func release() {
        self.descriptor.withLock { descriptor in
            if let open = descriptor { PosixFile.unlock(open) }
            descriptor = nil
        }
    }
}

/// What a change that the writer makes has to say: set on its thread, read in its completion.
final class ChangedMessages: Sendable {
    private let ids = Mutex<[QueueID]>([])

    /// A change that is repeated after a failed group sets it again.
    func set(_ ids: [QueueID]) { self.ids.withLock { $0 = ids } }

    var value: [QueueID] { self.ids.withLock { $0 } }
}
