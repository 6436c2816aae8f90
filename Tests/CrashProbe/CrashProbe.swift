import Glibc
import Logging
import MailQueue
import NIOCore
import NIOPosix
import SMTP
import Synchronization

/// Fills a queue and ends like the power at a named step of a commit: for CrashTests, which starts it as a process.
///
/// `CrashProbe DIRECTORY STEP OCCURRENCE` says on standard output what a client of the queue could rely on at each moment:
/// `accepted ID` when a message is durable, `going ID` before its removal is asked for, `gone ID` when that is durable.
@main
enum CrashProbe {
    static func main() async throws {
        let arguments = CommandLine.arguments
        guard arguments.count == 4, let step = CommitStep(rawValue: arguments[2]), let occurrence = Int(arguments[3])
        else { return say("usage: CrashProbe DIRECTORY STEP OCCURRENCE") }
        let count = Atomic<Int>(0)
        let counter: @Sendable (CommitStep) -> Void = { reached in
            guard reached == step, count.wrappingAdd(1, ordering: .relaxed).newValue == occurrence else { return }
            kill(getpid(), SIGKILL)
            while true { pause() }
        }
        let store = try SQLiteQueueStore(
            directory: arguments[1],
            pool: .singleton,
            logger: Logger(label: "probe") { _ in SwiftLogNoOpLogHandler() },
            observer: counter
        )
        try await withThrowingTaskGroup { clients in
            for _ in 0..<4 {
                clients.addTask { try await Self.client(of: store) }
            }
            try await clients.waitForAll()
        }
    }

    /// Queues messages one after the other, and removes each but the last few.
    private static func client(of store: SQLiteQueueStore) async throws {
        var queued: [(QueueID, StoredContent)] = []
        for number in 0..<100 {
            let id = QueueID.make(at: Timestamp(milliseconds: 1_800_000_000_000))
            let spool = store.content.spool(for: id)
            try await spool.append(ProbeContent.of(id, isLarge: number % 3 == 2))
            let content = try await spool.finish()
            guard let mailbox = Mailbox("ann@example.org") else { return }
            let message = NewMessage(
                id: id,
                envelope: Envelope(reversePath: .mailbox(mailbox), recipients: [EnvelopeRecipient(mailbox)]),
                content: content,
                arrival: Timestamp(milliseconds: 1_800_000_000_000)
            )
            let destination = Destination(route: "store", domain: "")
            try await store.append(RoutedMessage(message, destinations: [destination], due: message.arrival))
            say("accepted \(id)")
            queued.append((id, content))
            guard queued.count > 3 else { continue }
            let (oldest, oldestContent) = queued.removeFirst()
            say("going \(oldest)")
            var outcome = OutcomeRecord(id: oldest, contentFile: oldestContent.fileName)
            outcome.removed = [0]
            try await store.record(outcome)
            say("gone \(oldest)")
        }
    }

    /// One write a line: nothing waits in a buffer when the process ends.
    private static func say(_ line: String) {
        let bytes = Array((line + "\n").utf8)
        _ = unsafe write(1, bytes, bytes.count)
    }
}

/// What the probe queues: every octet follows from the message's name.
enum ProbeContent {
    static func of(_ id: QueueID, isLarge: Bool) -> ByteBuffer {
        var buffer = ByteBuffer(string: "Subject: \(id)\r\n\r\n")
        for line in 0..<(isLarge ? 10_000 : 100) { buffer.writeString("\(id) \(line)\r\n") }
        return buffer
    }
}
