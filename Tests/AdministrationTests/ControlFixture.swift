import Administration
import Foundation
import Logging
import NIOCore
import NIOPosix
import SMTP
import Synchronization

/// A queue of made-up messages that can be listed and changed.
final class ScriptedHub: ControlHandler {
    struct Broken: Error, CustomStringConvertible {
        var description: String { "the store is on fire" }
    }

    private let entries: [QueueEntry]
    /// What was asked, in order.
    let asked = Mutex<[String]>([])

    init(messages: Int = 3) {
        self.entries = (0..<messages).map { number in
            QueueEntry(
                id: "id\(number)",
                state: number % 2 == 0 ? .deferred : .held,
                sender: "a\(number)@example.org",
                size: 1000 + number,
                arrival: ControlInstant(Timestamp(milliseconds: 1_784_021_213_589 + Int64(number))),
                recipients: [
                    RecipientEntry(address: "b@example.net", destination: "internet/example.net", attempts: number)
                ]
            )
        }
    }

    private func note(_ text: String) { self.asked.withLock { $0.append(text) } }

    func status() async throws -> HubStatus {
        HubStatus(
            version: "1.0",
            hostname: "hub.example.org",
            process: 1,
            started: ControlInstant(Timestamp(milliseconds: 0)),
            listeners: ["mx 127.0.0.1:2525"],
            sessions: 2,
            deliveries: 1,
            queue: QueueStatus(messages: self.entries.count, octets: 0, waitingRecipients: 0, heldRecipients: 0),
            destinations: []
        )
    }

    func queueList(_ filter: MessageFilter, limit: Int, after id: String?) async throws -> QueueEntryPage {
        self.note("list \(limit)")
        let start = id.flatMap { id in self.entries.firstIndex { $0.id == id } }.map { $0 + 1 } ?? 0
        let seen = self.entries[start...].prefix(limit)
        let next = seen.last.flatMap { last in last.id == self.entries.last?.id ? nil : last.id }
        return QueueEntryPage(entries: seen.filter(filter.matches), next: next)
    }

    func queueShow(_ id: String) async throws -> QueueEntry? { self.entries.first { $0.id == id } }

    func queueRetry(_ selector: MessageSelector) async throws -> Int { self.count(selector) }
    func queueHold(_ selector: MessageSelector, reason: String) async throws -> Int { self.count(selector) }
    func queueRelease(_ selector: MessageSelector) async throws -> Int { self.count(selector) }
    func queueDelete(_ selector: MessageSelector) async throws -> Int { throw Broken() }
    func queueSuspend(_ destinations: [String]) async throws -> Int { destinations.count }
    func queueResume(_ destinations: [String]) async throws -> Int { destinations.count }
    func reload() async throws -> ReloadReport { ReloadReport(applied: ["$.plugins"], needsRestart: ["$.listeners"]) }

    func tlsTest(_ target: String) async throws -> TLSReport {
        TLSReport(
            destination: "internet/\(target)",
            transport: "smtp",
            policy: "may",
            mtaSTS: "none",
            hosts: [],
            isDeliverable: false,
            verdict: "no hosts"
        )
    }

    func tlsReports(_ domain: String?) async throws -> PluginAnswer { PluginAnswer(lines: [domain ?? "all"]) }

    func pluginList() async throws -> [PluginEntry] {
        [PluginEntry(name: "SizeLimits", stages: ["sender", "message"], onFailure: "defer", calls: 7)]
    }

    func pluginRun(_ name: String, _ request: PluginRequest) async throws -> PluginAnswer {
        PluginAnswer(lines: ["\(name) \(request.verb) \(request.arguments.joined(separator: ","))"])
    }

    private func count(_ selector: MessageSelector) -> Int {
        switch selector {
        case .messages(let ids): self.entries.count { ids.contains($0.id) }
        case .matching(let filter): self.entries.count(where: filter.matches)
        case .all: self.entries.count
        }
    }
}

/// A new folder, removed at the end.
func withTemporaryFolder(_ body: (String) async throws -> Void) async throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("mailhub-\(UUID().uuidString.prefix(8))")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    try await body(folder.path)
}

/// A server that listens while the body runs.
func withControlServer(
    path: String,
    handler: any ControlHandler,
    limits: ControlLimits = ControlLimits(),
    _ body: () async throws -> Void
) async throws {
    let server = ControlServer(
        path: path,
        handler: handler,
        limits: limits,
        group: MultiThreadedEventLoopGroup.singleton,
        logger: Logger(label: "test")
    )
    return try await withThrowingTaskGroup(of: Void.self) { group in
        let (listening, signal) = AsyncThrowingStream.makeStream(of: Void.self)
        group.addTask {
            do {
                try await server.run { signal.finish() }
            } catch {
                signal.finish(throwing: error)
                throw error
            }
        }
        for try await _ in listening {}
        try await body()
        group.cancelAll()
        try await group.waitForAll()
    }
}

/// Sends octets as they are and collects all that comes back.
func converse(_ text: String, path: String, finish: Bool = true) async throws -> String {
    let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
        .channelOption(.allowRemoteHalfClosure, value: true)
        .connect(unixDomainSocketPath: path) { channel in
            channel.eventLoop.makeCompletedFuture {
                try NIOAsyncChannel<ByteBuffer, ByteBuffer>(
                    wrappingChannelSynchronously: channel,
                    configuration: .init(isOutboundHalfClosureEnabled: true)
                )
            }
        }
    return try await channel.executeThenClose { inbound, outbound in
        var answer = ByteBuffer()
        do {
            try await outbound.write(ByteBuffer(string: text))
            if finish { outbound.finish() }
            for try await bytes in inbound { answer.writeImmutableBuffer(bytes) }
        } catch is IOError {
            // The server may close before it has read everything.
        }
        return String(buffer: answer)
    }
}
