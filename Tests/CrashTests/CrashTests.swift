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

    private static let smallSize = 2_000
    private static let largeSize = 300_000

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
        try await onThread {
            let directory = try TemporaryDirectory()
            let hub = try HubProcess(folder: directory.url)
            let acknowledged = Acknowledged()
            let port = hub.port
            try hub.start()
            for round in 0..<12 {
                let isOver = Flag()
                let clients = (0..<4).map { client in
                    runningThread {
                        Self.sendUntilBroken(port: port, label: "r\(round)c\(client)", acknowledged, isOver)
                    }
                }
                usleep(UInt32.random(in: 30_000...600_000))
                hub.kill()
                isOver.raise()
                for client in clients { client.wait() }
                try hub.start()
            }
            try Self.waitForDelivery(hub, of: acknowledged.all)
            hub.stop()
            #expect(!acknowledged.all.isEmpty)
            #expect(!hub.log.contains("damaged"))
        }
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
        while !isOver.isRaised, serial < 300 {
            let name = "\(label)m\(serial)"
            // Every tenth message is large: its content is a file of its own.
            let content = Self.content(name, size: serial % 10 == 9 ? Self.largeSize : Self.smallSize)
            let reply = try? client.message(from: "sender@example.net", to: ["ann@example.org"], content: content)
            guard let reply else { return }
            if reply.hasPrefix("250") { acknowledged.note(name) }
            serial += 1
        }
    }

    private static func waitForDelivery(_ hub: HubProcess, of names: Set<String>) throws {
        var missing = names
        var seen: Set<String> = []
        for _ in 0..<600 {
            for file in hub.mailboxFiles("ann") where seen.insert(file.lastPathComponent).inserted {
                guard let name = try Self.checkedName(of: Data(contentsOf: file)) else {
                    Issue.record("\(file.lastPathComponent) is torn")
                    continue
                }
                missing.remove(name)
            }
            if missing.isEmpty { return }
            usleep(100_000)
        }
        Issue.record("\(missing.count) of \(names.count) acknowledged messages are lost: \(missing.prefix(5))")
    }

    /// The name of a message that is exactly what was sent, trace fields aside; `nil` for one that is not.
    private static func checkedName(of message: Data) -> String? {
        let subject = Data("Subject: ".utf8)
        guard let start = message.range(of: subject), let end = message[start.upperBound...].firstIndex(of: 0x0D) else {
            return nil
        }
        let name = String(decoding: message[start.upperBound..<end], as: UTF8.self)
        let size = message.count > 200_000 ? Self.largeSize : Self.smallSize
        return message[start.lowerBound...] == Self.content(name, size: size) ? name : nil
    }
}
