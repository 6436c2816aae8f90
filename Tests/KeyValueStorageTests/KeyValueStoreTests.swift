import Foundation
import KeyValueStorage
import Logging
import MailHubPlugin
import SMTP
import Synchronization
import TestSupport
import Testing

private final class MovedClock: WallClock {
    private let time = Mutex(Timestamp(milliseconds: 1_800_000_000_000))
    var now: Timestamp { self.time.withLock { $0 } }
    func advance(by duration: Duration) { self.time.withLock { $0 = $0 + duration } }
}

/// Both stores that plugins meet: the durable one, and the one of tests.
@Suite("Key-value stores of plugins")
struct KeyValueStoreTests {
    enum Engine: CaseIterable { case sqlite, memory }

    private func withStore(
        _ engine: Engine,
        _ body: (any KeyValueStore, MovedClock) async throws -> Void
    ) async throws {
        let clock = MovedClock()
        switch engine {
        case .memory: try await body(MemoryKeyValueStore(clock: clock), clock)
        case .sqlite:
            let folder = try TemporaryDirectory()
            let storage = try PluginStorage(directory: folder.url.path, clock: clock, logger: Logger(label: "test"))
            try await body(storage.store(of: "One"), clock)
            storage.close()
        }
    }

    @Test("A value is found until it expires or is removed", arguments: Engine.allCases)
    func values(engine: Engine) async throws {
        try await self.withStore(engine) { store, clock in
            try await store.set(data: [1, 2], for: "a", expires: clock.now + .seconds(10))
            try await store.set(data: [3], for: "b", expires: nil)
            #expect(try await store.value(for: "a")?.data == [1, 2])
            #expect(try await store.count() == 2)
            clock.advance(by: .seconds(10))
            #expect(try await store.value(for: "a") == nil)
            #expect(try await store.value(for: "b")?.data == [3])
            #expect(try await store.count() == 1)
            #expect(try await store.remove("b"))
            #expect(try await !store.remove("b"))
        }
    }

    @Test("An update sees the last value, and an error in it changes nothing", arguments: Engine.allCases)
    func updates(engine: Engine) async throws {
        struct Refusal: Error {}
        try await self.withStore(engine) { store, _ in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<50 {
                    group.addTask {
                        try await store.update(Int.self, for: "n") { count in
                            count = (count ?? 0) + 1
                            return (nil, ())
                        }
                    }
                }
                try await group.waitForAll()
            }
            #expect(try await store.value(Int.self, for: "n") == 50)
            await #expect(throws: Refusal.self) {
                try await store.update("n") { value in
                    value = nil
                    throw Refusal()
                }
            }
            #expect(try await store.value(Int.self, for: "n") == 50)
        }
    }

    @Test("Entries come in order, page by page, by prefix", arguments: Engine.allCases)
    func entries(engine: Engine) async throws {
        try await self.withStore(engine) { store, clock in
            for key in ["t/c", "t/a", "u/a", "t/b", "t%"] { try await store.set(data: [], for: key, expires: nil) }
            try await store.set(data: [], for: "t/expired", expires: clock.now)
            let first = try await store.entries(withPrefix: "t/", after: nil, limit: 2)
            #expect(first.map(\.key) == ["t/a", "t/b"])
            let rest = try await store.entries(withPrefix: "t/", after: first.last?.key, limit: 2)
            #expect(rest.map(\.key) == ["t/c"])
            #expect(try await store.entries(withPrefix: "", after: nil, limit: 10).count == 5)
        }
    }

    @Test("A restart finds what was written; plugins do not see each other's keys")
    func restart() async throws {
        let folder = try TemporaryDirectory()
        let clock = MovedClock()
        let logger = Logger(label: "test")
        let first = try PluginStorage(directory: folder.url.path, clock: clock, logger: logger)
        try await first.store(of: "One").set(data: [7], for: "k", expires: nil)
        first.close()
        let second = try PluginStorage(directory: folder.url.path, clock: clock, logger: logger)
        #expect(try await second.store(of: "One").value(for: "k")?.data == [7])
        #expect(try await second.store(of: "Two").value(for: "k") == nil)
        second.close()
    }

    @Test("What has expired is swept")
    func sweep() async throws {
        let folder = try TemporaryDirectory()
        let clock = MovedClock()
        let storage = try PluginStorage(directory: folder.url.path, clock: clock, logger: Logger(label: "test"))
        let store = storage.store(of: "One")
        for number in 0..<20 {
            try await store.set(data: [], for: "\(number)", expires: number < 15 ? clock.now + .seconds(1) : nil)
        }
        clock.advance(by: .seconds(2))
        await storage.sweep()
        #expect(try await store.count() == 5)
        storage.close()
    }

    @Test("A damaged file is set aside, and the hub starts")
    func damaged() async throws {
        let folder = try TemporaryDirectory()
        try Data(repeating: 0x55, count: 8192).write(to: folder.url.appending(path: "plugins.sqlite"))
        let storage = try PluginStorage(
            directory: folder.url.path,
            clock: MovedClock(),
            logger: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })
        )
        try await storage.store(of: "One").set(data: [1], for: "k", expires: nil)
        #expect(try await storage.store(of: "One").value(for: "k")?.data == [1])
        let names = try FileManager.default.contentsOfDirectory(atPath: folder.url.path)
        #expect(names.contains { $0.hasPrefix("plugins.sqlite.damaged-") })
        storage.close()
    }

    @Test("What is too large is refused, not cut")
    func limits() async throws {
        try await self.withStore(.sqlite) { store, _ in
            await #expect(throws: StoreUnavailable.self) {
                try await store.set(data: [UInt8](repeating: 0, count: 65_537), for: "k", expires: nil)
            }
            await #expect(throws: StoreUnavailable.self) {
                try await store.set(data: [], for: String(repeating: "k", count: 1025), expires: nil)
            }
            let count = try await store.count()
            #expect(count == 0)
        }
    }
}
