import Glibc
import Logging
import MailQueue
import NIOCore
import NIOPosix
import SMTP
import Synchronization
import Testing

/// A clock that a test moves by hand.
final class ManualClock: WallClock {
    private let time: Mutex<Timestamp>

    init(_ milliseconds: Int64 = 1_800_000_000_000) { self.time = Mutex(Timestamp(milliseconds: milliseconds)) }

    var now: Timestamp { self.time.withLock { $0 } }

    func advance(by duration: Duration) { self.time.withLock { $0 = $0 + duration } }
}

/// An empty directory that is gone after the test.
final class TemporaryDirectory: Sendable {
    let path: String

    init() {
        self.path = "/tmp/mailhub-queue-\(UInt64.random(in: .min ... .max))"
        _ = unsafe mkdir(self.path, 0o700)
    }

    deinit { Self.remove(self.path) }

    /// Names in the directory or below it.
    func names(_ folder: String = "") -> [String] { Self.names("\(self.path)/\(folder)") }

    func copy(to other: TemporaryDirectory) {
        for name in self.names() where !Self.isDirectory("\(self.path)/\(name)") && name != "lock" {
            other.write(Self.read("\(self.path)/\(name)"), to: name)
        }
    }

    func write(_ octets: [UInt8], to name: String) {
        guard let file = unsafe fopen("\(self.path)/\(name)", "wb") else { return }
        unsafe fwrite(octets, 1, octets.count, file)
        unsafe fclose(file)
    }

    func read(_ name: String) -> [UInt8] { Self.read("\(self.path)/\(name)") }

    func mode(_ name: String) -> UInt32 {
        var status = stat()
        return unsafe lstat("\(self.path)/\(name)", &status) == 0 ? UInt32(status.st_mode) & 0o777 : 0
    }

    private static func read(_ path: String) -> [UInt8] {
        guard let file = unsafe fopen(path, "rb") else { return [] }
        defer { unsafe fclose(file) }
        var result: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 65536)
        while true {
            let count = unsafe fread(&piece, 1, piece.count, file)
            if count == 0 { return result }
            result += piece[..<count]
        }
    }

    private static func isDirectory(_ path: String) -> Bool {
        guard let directory = unsafe opendir(path) else { return false }
        unsafe closedir(directory)
        return true
    }

    private static func names(_ path: String) -> [String] {
        guard let directory = unsafe opendir(path) else { return [] }
        defer { unsafe closedir(directory) }
        var names: [String] = []
        while let entry = unsafe readdir(directory) {
            let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) { field in
                unsafe field.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
            }
            if name != "." && name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    private static func remove(_ path: String) {
        for name in self.names(path) {
            if self.isDirectory("\(path)/\(name)") { self.remove("\(path)/\(name)") }
            _ = unsafe unlink("\(path)/\(name)")
        }
        _ = unsafe rmdir(path)
    }
}

/// The engines that pass the conformance suite.
enum Engine: String, CaseIterable, CustomTestStringConvertible {
    case memory, sqlite
    var testDescription: String { self.rawValue }

    func open(_ directory: TemporaryDirectory) throws -> any QueueStore {
        switch self {
        case .memory:
            _ = unsafe mkdir("\(directory.path)/content", 0o700)
            return MemoryQueueStore(content: ContentDirectory(path: "\(directory.path)/content", pool: .singleton))
        case .sqlite: return try openSQLite(directory)
        }
    }
}

func openSQLite(
    _ directory: TemporaryDirectory,
    logger: Logger = .quiet,
    maximumPages: Int? = nil,
    observer: CommitStepObserver? = nil
) throws -> SQLiteQueueStore {
    try SQLiteQueueStore(
        directory: directory.path,
        pool: .singleton,
        logger: logger,
        maximumPages: maximumPages,
        observer: observer
    )
}

extension Logger {
    /// Says nothing.
    static let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
}

/// Gathers what is logged.
final class LogLines: Sendable {
    private let lines = Mutex<[(level: Logger.Level, text: String)]>([])

    var logger: Logger {
        var logger = Logger(label: "test") { _ in Handler(lines: self) }
        logger.logLevel = .trace
        return logger
    }

    func contains(_ level: Logger.Level, _ text: String) -> Bool {
        self.lines.withLock { $0.contains { $0.level == level && $0.text.contains(text) } }
    }

    /// How many lines begin with a text.
    func count(_ text: String) -> Int { self.lines.withLock { $0.count { $0.text.hasPrefix(text) } } }

    private struct Handler: LogHandler {
        let lines: LogLines
        var metadata: Logger.Metadata = [:]
        var logLevel: Logger.Level = .trace
        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { self.metadata[key] }
            set { self.metadata[key] = newValue }
        }
        func log(event: LogEvent) {
            let metadata = event.metadata ?? [:]
            let pairs = metadata.map { "\($0.key)=\($0.value)" }.sorted().joined(separator: " ")
            let line = "\(event.message) \(pairs)"
            self.lines.lines.withLock { $0.append((event.level, line)) }
        }
    }
}

extension Mailbox {
    /// For literals in tests; a wrong one gives an address that no test expects.
    static func test(_ text: String) -> Mailbox {
        guard let mailbox = Mailbox(text) ?? Mailbox("malformed@test.invalid") else { fatalError("unreachable") }
        return mailbox
    }
}

extension Destination {
    static let store = Destination(route: "mailstore", domain: "")
    static func internet(_ domain: String) -> Destination { Destination(route: "internet", domain: domain) }
}

/// Routes by domain, as routes by MX do.
func routeByDomain(_ recipient: EnvelopeRecipient) -> Destination {
    .internet(recipient.mailbox.domain?.canonical ?? "")
}

func message(
    from sender: String = "sender@a.example",
    to recipients: [EnvelopeRecipient],
    content: String = "Subject: test\r\n\r\nHello\r\n",
    at time: Timestamp = Timestamp(milliseconds: 1_800_000_000_000),
    holdReason: String? = nil,
    isNotification: Bool = false
) -> NewMessage {
    let path: ReversePath = sender.isEmpty ? .null : .mailbox(.test(sender))
    return NewMessage(
        id: .make(at: time),
        envelope: Envelope(reversePath: path, recipients: recipients),
        content: .inline(ByteBuffer(string: content)),
        arrival: time,
        holdReason: holdReason,
        isNotification: isNotification
    )
}

func message(
    from sender: String = "sender@a.example",
    to recipients: String...,
    content: String = "Subject: test\r\n\r\nHello\r\n",
    at time: Timestamp = Timestamp(milliseconds: 1_800_000_000_000),
    holdReason: String? = nil
) -> NewMessage {
    message(
        from: sender,
        to: recipients.map { EnvelopeRecipient(.test($0)) },
        content: content,
        at: time,
        holdReason: holdReason
    )
}

func routed(_ message: NewMessage, due: Timestamp? = nil) -> RoutedMessage {
    RoutedMessage(
        message,
        destinations: message.envelope.recipients.map(routeByDomain),
        due: due ?? message.arrival
    )
}

extension StoredContent {
    var text: String? {
        guard case .inline(let buffer) = self else { return nil }
        return String(buffer: buffer)
    }
}
