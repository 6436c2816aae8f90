import Foundation
import Synchronization
import TestSupport
import Testing

/// Kills the hub at random moments under load, and looks for what it had promised.
@Suite("RFC 5321 section 6.1: a crash loses nothing (S5321-6.1-01, S5321-4.2.5-01)", .serialized)
struct CrashTests {
    /// One client's messages: each is sent over and over until it has its 250, as a real client would.
    private final class Acknowledged: Sendable {
        private let names = Mutex<Set<String>>([])
        func note(_ name: String) { self.names.withLock { _ = $0.insert(name) } }
        var all: Set<String> { self.names.withLock { $0 } }
    }

    private final class Flag: Sendable {
        private let value = Mutex(false)
        func raise() { self.value.withLock { $0 = true } }
        var isRaised: Bool { self.value.withLock { $0 } }
    }

    /// Content that cannot be confused with another's, and whose loss of any part shows.
    private static func content(_ name: String, size: Int) -> Data {
        var text = "Subject: \(name)\r\nMessage-ID: <\(name)@example.net>\r\n\r\n"
        var line = 0
        while text.utf8.count < size {
            text += "\(name) line \(line)\r\n"
            line += 1
        }
        return Data((text + "end of \(name)\r\n").utf8)
    }

    @Test("SIGKILL at 12 random moments: every message with a 250 is delivered whole", .timeLimit(.minutes(5)))
    func killAtRandomMoments() async throws {
        let directory = try TemporaryDirectory()
        let hub = try HubProcess(folder: directory.url)
        let acknowledged = Acknowledged()
        let port = hub.port
        try hub.start()
        for round in 0..<12 {
            let isOver = Flag()
            try await withThrowingTaskGroup(of: Void.self) { group in
                for client in 0..<4 {
                    group.addTask {
                        Self.sendUntilBroken(port: port, label: "r\(round)c\(client)", acknowledged, isOver)
                    }
                }
                try await Task.sleep(for: .milliseconds(Int.random(in: 30...600)))
                hub.kill()
                isOver.raise()
                try await group.waitForAll()
            }
            try hub.start()
        }
        try await self.waitForDelivery(hub, of: acknowledged.all)
        hub.stop()
        #expect(!acknowledged.all.isEmpty)
        #expect(!hub.log.contains("damaged"))
    }

    private static func sendUntilBroken(
        port: Int,
        label: String,
        _ acknowledged: Acknowledged,
        _ isOver: Flag
    ) {
        guard let client = try? SMTPTestClient(port: port), (try? client.command("EHLO client.example.net")) != nil
        else {
            return
        }
        defer { client.close() }
        var serial = 0
        while !isOver.isRaised {
            let name = "\(label)m\(serial)"
            // Every tenth message is large: its content is a file of its own.
            let content = Self.content(name, size: serial % 10 == 9 ? 300_000 : 2_000)
            let reply = try? client.message(from: "sender@example.net", to: ["ann@example.org"], content: content)
            guard let reply else { return }
            if reply.hasPrefix("250") { acknowledged.note(name) }
            serial += 1
        }
    }

    private func waitForDelivery(_ hub: HubProcess, of names: Set<String>) async throws {
        var missing = names
        for _ in 0..<600 {
            missing = names
            for message in hub.mailbox("ann") {
                let text = String(decoding: message, as: UTF8.self)
                guard let subject = text.firstMatch(of: /Subject: (\S+)\r\n/)?.1 else {
                    Issue.record("a message without its subject: torn")
                    continue
                }
                let name = String(subject)
                let body = text.range(of: "Subject: ").map { String(text[$0.lowerBound...]) }
                let size = text.utf8.count > 200_000 ? 300_000 : 2_000
                #expect(body == String(decoding: Self.content(name, size: size), as: UTF8.self), "\(name) is torn")
                missing.remove(name)
            }
            if missing.isEmpty { return }
            try await Task.sleep(for: .milliseconds(100))
        }
        Issue.record("\(missing.count) of \(names.count) acknowledged messages are lost: \(missing.prefix(5))")
    }
}
