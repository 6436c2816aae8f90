@testable import MailHubPlugin
import NIOCore
import NIOEmbedded
import Synchronization
import Testing

@Suite("Chains of plugins: the tasks that run them")
struct ChainTaskTests {
    private final class Notes: Sendable {
        private let all = Mutex<[String]>([])
        var value: [String] { self.all.withLock { $0 } }
        func add(_ note: String) { self.all.withLock { $0.append(note) } }
    }

    private static func tasks(on loop: NIOAsyncTestingEventLoop) -> ChainTasks {
        ChainTasks(loop, EventLoopTaskExecutor(loop))
    }

    @Test("A chain that does not wait is over at once, and leaves its task to the next", arguments: [false, true])
    func atOnce(mayWait: Bool) async throws {
        let loop = NIOAsyncTestingEventLoop()
        let tasks = Self.tasks(on: loop)
        let notes = Notes()
        let used = try await loop.executeInContext {
            (0..<3).map { number in
                defer { notes.add("after \(number)") }
                return tasks.start(mayWait: mayWait) { notes.add("chain \(number)") }
            }
        }
        #expect(notes.value == (0..<3).flatMap { ["chain \($0)", "after \($0)"] })
        #expect(Set(used).count == (mayWait ? 3 : 1))
    }

    @Test("A chain that waits keeps its task: to cancel it is nothing to those behind it", arguments: [false, true])
    func waiting(mayWait: Bool) async throws {
        let loop = NIOAsyncTestingEventLoop()
        let tasks = Self.tasks(on: loop)
        let notes = Notes()
        let waiting = try await loop.executeInContext {
            let waiting = tasks.start(mayWait: mayWait) {
                try? await Task.sleep(for: .seconds(3600))
                notes.add("cancelled: \(Task.isCancelled), on the loop: \(loop.inEventLoop)")
            }
            notes.add("waits")
            waiting.cancel()
            _ = tasks.start(mayWait: false) { notes.add("next, cancelled: \(Task.isCancelled)") }
            return waiting
        }
        for _ in 0..<10_000 where notes.value.count < 3 {
            await loop.run()
            try await Task.sleep(for: .milliseconds(1))
        }
        #expect(notes.value == ["waits", "next, cancelled: false", "cancelled: true, on the loop: true"])
        // Ends, whatever comes after.
        for _ in 0..<3 { await loop.run() }
        await waiting.value
    }
}
