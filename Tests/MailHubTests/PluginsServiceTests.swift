import Foundation
import KeyValueStorage
import Logging
import MailHubPlugin
import SMTP
import Synchronization
import Testing

@testable import MailHub

/// Keeps what it is told.
private final class Watcher: SessionObserver {
    private let notes = Mutex<[String]>([])

    init() {}
    init(configuration: ConfigurationSection, services: PluginServices) throws {}

    func observe(_ events: AsyncStream<SessionEvent>) async {
        for await event in events { self.notes.withLock { $0.append("\(event.kind)") } }
        self.notes.withLock { $0.append("end") }
    }

    /// Waits until it has been told so much.
    func told(_ count: Int) async throws -> [String] {
        for _ in 0..<60_000 {
            let notes = self.notes.withLock { $0 }
            if notes.count >= count { return notes }
            try await Task.sleep(for: .milliseconds(1))
        }
        return self.notes.withLock { $0 }
    }
}

extension EventFan {
    fileprivate func tell(_ kind: SessionEvent.Kind) {
        self.tell(
            SessionEvent(
                session: "1",
                clientAddress: .ipv4(1),
                listener: "mx",
                time: Timestamp(milliseconds: 0),
                kind: kind
            )
        )
    }
}

@Suite("What plugins do beside the sessions")
struct PluginsServiceTests {
    private static func chains(_ watcher: Watcher) -> ([ConfiguredPlugin], HookChains) {
        let plugins = [
            ConfiguredPlugin(name: "Watcher", plugin: watcher, timeLimit: .seconds(1), onFailure: .ignore)
        ]
        return (plugins, HookChains(plugins))
    }

    @Test("sessions from before a reload go on telling their observers; with the last one these see the end")
    func reload() async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "mailhub-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let logger = Logger(label: "test")
        let service = PluginsService(
            storage: try PluginStorage(directory: folder.path, clock: SystemClock(), logger: logger),
            logger: logger
        )
        let running = Task { try await service.run() }  // ended below
        let (before, after) = (Watcher(), Watcher())
        var old: EventFan?
        do {
            let (plugins, chains) = Self.chains(before)
            service.replace(with: plugins, observers: chains.observers)
            old = chains.observers
        }
        old?.tell(.connected)
        #expect(try await before.told(1) == ["connected"])

        let (plugins, chains) = Self.chains(after)
        service.replace(with: plugins, observers: chains.observers)
        chains.observers?.tell(.connected)
        #expect(try await after.told(1) == ["connected"])
        old?.tell(.disconnected)
        #expect(try await before.told(2) == ["connected", "disconnected"])
        old = nil
        #expect(try await before.told(3) == ["connected", "disconnected", "end"])
        running.cancel()
        #expect(try await after.told(2) == ["connected", "end"])
        _ = await running.result
    }
}
