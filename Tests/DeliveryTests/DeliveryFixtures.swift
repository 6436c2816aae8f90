import Delivery
import Glibc
import Logging
import MailHubPlugin
import MailQueue
import NIOCore
import SMTP
import Synchronization

/// A clock that a test moves by hand.
final class ManualClock: WallClock {
    private let time: Mutex<Timestamp>

    init(_ milliseconds: Int64 = 1_800_000_000_000) { self.time = Mutex(Timestamp(milliseconds: milliseconds)) }

    var now: Timestamp { self.time.withLock { $0 } }

    func advance(by duration: Duration) { self.time.withLock { $0 = $0 + duration } }
}

/// A folder that is gone after the test.
final class Folder: Sendable {
    let path = "/tmp/mailhub-delivery-\(UInt64.random(in: .min ... .max))"

    init() { _ = unsafe mkdir(self.path, 0o700) }

    /// Names in the folder or below it, in order.
    func names(_ below: String = "") -> [String] { Self.names("\(self.path)/\(below)") }

    func read(_ name: String) -> [UInt8] {
        guard let file = unsafe fopen("\(self.path)/\(name)", "rb") else { return [] }
        defer { unsafe fclose(file) }
        var result: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 65536)
        while true {
            let count = unsafe fread(&piece, 1, piece.count, file)
            if count == 0 { return result }
            result += piece[..<count]
        }
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
        for name in self.names(path) { self.remove("\(path)/\(name)") }
        if unsafe rmdir(path) != 0 { unsafe unlink(path) }
    }

    deinit { Self.remove(self.path) }
}

extension Logger {
    /// Says nothing.
    static let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
}

extension Destination {
    static let store = Destination(route: "store", domain: "")
}

struct MalformedFixture: Error {}

/// A recipient as RCPT gives it.
func recipient(
    _ address: String,
    notify: NotifyConditions? = nil,
    original: String? = nil,
    from sender: String? = nil
) throws -> EnvelopeRecipient {
    guard let mailbox = Mailbox(address) else { throw MalformedFixture() }
    var result = EnvelopeRecipient(mailbox, originalRecipient: original, notify: notify)
    result.reversePath = sender.flatMap { ReversePath($0) }
    return result
}

/// A job for some recipients of one message.
func job(
    from sender: String = "sender@a.example",
    to recipients: [EnvelopeRecipient],
    content: StoredContent = .inline(ByteBuffer(string: "Subject: x\r\n\r\nHello\r\n")),
    destination: Destination = .store,
    _ edit: (inout Envelope) -> Void = { _ in }
) throws -> DeliveryJob {
    guard let path = ReversePath(sender) else { throw MalformedFixture() }
    var envelope = Envelope(reversePath: path)
    edit(&envelope)
    return DeliveryJob(
        id: .make(at: Timestamp(milliseconds: 1_800_000_000_000)),
        envelope: envelope,
        arrival: Timestamp(milliseconds: 1_800_000_000_000),
        content: content,
        destination: destination,
        recipients: recipients.enumerated().map { QueuedRecipient(index: $0, recipient: $1, attempts: 0) }
    )
}

func job(to addresses: String..., content: String = "Subject: x\r\n\r\nHello\r\n") throws -> DeliveryJob {
    try job(to: try addresses.map { try recipient($0) }, content: .inline(ByteBuffer(string: content)))
}

extension RecipientReport {
    /// In one line: `0 relayed 250`, with the enhanced code where there is one.
    var summary: String {
        let result =
            switch self.result {
            case .delivered: "delivered"
            case .relayed(let dsn): dsn ? "relayed+dsn" : "relayed"
            case .deferred: "deferred"
            case .failed: "failed"
            }
        return ["\(self.index)", result, "\(self.reply.code)", self.reply.enhancedText].compactMap { $0 }
            .joined(separator: " ")
    }
}

extension [RecipientReport] {
    /// One line a recipient, in their order.
    var summaries: [String] { self.sorted { $0.index < $1.index }.map(\.summary) }
}

extension PublishedPolicies {
    /// Nobody has published anything.
    static var none: PublishedPolicies {
        PublishedPolicies(dane: DANELookup(resolver: ScriptedResolver()), sts: nil)
    }
}
