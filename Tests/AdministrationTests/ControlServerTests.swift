import Administration
import Foundation
import NIOCore
import NIOPosix
import Synchronization
import Testing

@Suite("Control socket: a client and a hub")
struct ControlServerTests {
    /// All lines of an answer.
    private func ask(_ request: ControlRequest, path: String) async throws -> (
        lines: [ControlResponse], end: ListingEnd
    ) {
        var lines: [ControlResponse] = []
        let end = try await ControlClient(path: path).send(request) { lines.append($0) }
        return (lines, end)
    }

    @Test(arguments: [
        (ControlRequest.queueRetry(selector: .all), ControlResponse.changed(3)),
        (.queueRetry(selector: .messages(ids: ["id0", "id2", "no"])), .changed(2)),
        (.queueHold(selector: .matching(filter: MessageFilter(sender: "a1@")), reason: "later"), .changed(1)),
        (.queueRelease(selector: .matching(filter: MessageFilter(state: .held))), .changed(1)),
        (.reload, .reloaded(ReloadReport(applied: ["$.plugins"], needsRestart: ["$.listeners"]))),
    ])
    func operations(request: ControlRequest, response: ControlResponse) async throws {
        try await withTemporaryFolder { folder in
            let path = folder + "/run/control.sock"
            try await withControlServer(path: path, handler: ScriptedHub()) {
                let answer = try await self.ask(request, path: path)
                #expect(answer.lines == [response])
            }
        }
    }

    @Test(arguments: [
        (ControlRequest.queueDelete(selector: .all), ControlFailure.Reason.failed, "the store is on fire"),
        (.queueShow(id: "nope"), .notFound, "there is no message nope in the queue"),
        (.queueRetry(selector: .messages(ids: [])), .invalidRequest, "no message is named"),
        (.queueHold(selector: .matching(filter: .init()), reason: ""), .invalidRequest, "the filter asks for nothing"),
        (.queueList(filter: .init(), limit: 0, after: nil), .invalidRequest, "the limit must be at least 1"),
    ])
    func failures(request: ControlRequest, reason: ControlFailure.Reason, text: String) async throws {
        try await withTemporaryFolder { folder in
            let path = folder + "/control.sock"
            try await withControlServer(path: path, handler: ScriptedHub()) {
                await #expect(throws: ControlFailure(reason, text)) { try await self.ask(request, path: path) }
            }
        }
    }

    @Test func `A long listing comes in pages, whole and in order`() async throws {
        try await withTemporaryFolder { folder in
            let path = folder + "/control.sock"
            let hub = ScriptedHub(messages: 10_001)
            try await withControlServer(path: path, handler: hub) {
                var names: [String] = []
                try await ControlClient(path: path).send(.queueList(filter: .init(), limit: nil, after: nil)) { line in
                    if case .entry(let entry) = line { names.append(entry.id) }
                }
                #expect(names == (0..<10_001).map { "id\($0)" })
                #expect(hub.asked.withLock { $0 } == Array(repeating: "list \(ControlServer.pageSize)", count: 51))
            }
        }
    }

    @Test func `A limited listing says where to continue`() async throws {
        try await withTemporaryFolder { folder in
            let path = folder + "/control.sock"
            try await withControlServer(path: path, handler: ScriptedHub(messages: 5)) {
                let first = try await self.ask(.queueList(filter: .init(), limit: 3, after: nil), path: path)
                #expect(first.lines.count == 3)
                #expect(first.end.next == "id2")
                let second = try await self.ask(.queueList(filter: .init(), limit: 3, after: "id2"), path: path)
                #expect(second.lines.count == 2)
                #expect(second.end.next == nil)
                let held = try await self.ask(
                    .queueList(filter: MessageFilter(state: .held), limit: nil, after: nil),
                    path: path
                )
                #expect(held.lines.count == 2)
            }
        }
    }

    @Test func `Works with one line and a half-closed connection, as nc -U does it`() async throws {
        try await withTemporaryFolder { folder in
            let path = folder + "/control.sock"
            try await withControlServer(path: path, handler: ScriptedHub()) {
                let withLineEnd = try await converse("{\"queueRetry\":{\"selector\":{\"all\":{}}}}\n", path: path)
                #expect(withLineEnd == "{\"changed\":3}\n{\"end\":{}}\n")
                let without = try await converse("{\"queueRetry\":{\"selector\":{\"all\":{}}}}", path: path)
                #expect(without == withLineEnd)
            }
        }
    }
}

@Suite("Control socket: clients that misbehave")
struct ControlMisuseTests {
    @Test(arguments: [
        "GET / HTTP/1.1\n", "{}\n", "{\"queueShow\":{}}\n", "[1]\n", "{\"shutdown\":{}}\n", "\n", "\u{0}",
    ])
    func notUnderstood(request: String) async throws {
        try await withTemporaryFolder { folder in
            let path = folder + "/control.sock"
            try await withControlServer(path: path, handler: ScriptedHub()) {
                let answer = try await converse(request, path: path)
                #expect(answer.contains("\"reason\":\"invalidRequest\""), "\(answer)")
            }
        }
    }

    @Test(arguments: [true, false])
    func oversizedRequest(endsLine: Bool) async throws {
        try await withTemporaryFolder { folder in
            let path = folder + "/control.sock"
            var limits = ControlLimits()
            limits.requestSize = 1000
            try await withControlServer(path: path, handler: ScriptedHub(), limits: limits) {
                let text = String(repeating: "x", count: 1001) + (endsLine ? "\n" : "")
                let answer = try await converse(text, path: path, finish: false)
                #expect(answer.contains("longer than 1000 octets"), "\(answer)")
            }
        }
    }

    @Test func `A client that says nothing is closed`() async throws {
        try await withTemporaryFolder { folder in
            let path = folder + "/control.sock"
            var limits = ControlLimits()
            limits.requestTime = .milliseconds(20)
            try await withControlServer(path: path, handler: ScriptedHub(), limits: limits) {
                let answer = try await converse("", path: path, finish: false)
                #expect(answer == "")
            }
        }
    }

    @Test func `A client that is gone in the middle of a listing harms nobody`() async throws {
        struct Enough: Error {}
        try await withTemporaryFolder { folder in
            let path = folder + "/control.sock"
            try await withControlServer(path: path, handler: ScriptedHub(messages: 20_000)) {
                for _ in 0..<5 {
                    await #expect(throws: Enough.self) {
                        try await ControlClient(path: path).send(.queueList(filter: .init(), limit: nil, after: nil)) {
                            _ in throw Enough()
                        }
                    }
                }
                var answers = 0
                try await ControlClient(path: path).send(.status) { _ in answers += 1 }
                #expect(answers == 1)
            }
        }
    }

    @Test func `Too many clients are told so`() async throws {
        try await withTemporaryFolder { folder in
            let path = folder + "/control.sock"
            var limits = ControlLimits()
            limits.connections = 0
            try await withControlServer(path: path, handler: ScriptedHub(), limits: limits) {
                await #expect(throws: ControlFailure(.busy, "too many operators at once")) {
                    try await ControlClient(path: path).send(.status) { _ in }
                }
            }
        }
    }
}
