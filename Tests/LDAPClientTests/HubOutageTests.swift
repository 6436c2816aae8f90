import Foundation
import Testing
import TestSupport

@Suite("The hub while its directory stops and comes back")
struct HubOutageTests {
    /// What clients were answered; guarded by its lock.
    private final class Tally: @unchecked Sendable {
        private let lock = NSLock()
        private var answers: [String: Int] = [:]
        private var isOver = false

        func note(_ answer: String) { self.lock.withLock { self.answers[answer, default: 0] += 1 } }
        func finish() { self.lock.withLock { self.isOver = true } }
        var isFinished: Bool { self.lock.withLock { self.isOver } }
        var all: [String: Int] { self.lock.withLock { self.answers } }
    }

    private static func configuration(_ server: Slapd) -> [String: Any] {
        [
            "directory": [
                "urls": [server.url], "base": "ou=people,dc=example,dc=org", "timeouts": ["retry": "200ms"],
            ],
            "plugins": [
                [
                    "plugin": "LDAPRecipients",
                    "configuration": ["cache": ["found": "100ms", "missing": "100ms"]],
                ]
            ],
        ]
    }

    @Test(
        "S4511-10-01: stopping slapd under load loses nothing and refuses nobody wrongly; `directory test` says what is seen"
    )
    func outage() async throws {
        try await onThread {
            guard let server = try Slapd.start(Entries.tree + Entries.people(10_000)) else { return }
            let folder = try TemporaryDirectory()
            let hub = try HubProcess(folder: folder.url, more: Self.configuration(server))
            try hub.start()
            defer { hub.kill() }
            let port = hub.port
            let tally = Tally()
            // Ten people are known before the outage.
            for number in 0..<10 { try Self.deliver(port, "person\(number)", tally, isKnown: true) }
            let threads = (0..<6).map { worker in
                runningThread {
                    var number = worker
                    while !tally.isFinished {
                        number += 1
                        try? Self.deliver(port, "person\(number % 10)", tally, isKnown: true)
                        try? Self.deliver(port, "person\(10 + number % 200 * 49)", tally, isKnown: false)
                        try? Self.deliver(port, "nobody\(number)", tally, isKnown: false)
                    }
                }
            }
            for _ in 0..<2 {
                usleep(500_000)
                server.stop()
                usleep(1_000_000)
                try server.start()
            }
            usleep(500_000)
            tally.finish()
            threads.forEach { $0.wait() }
            let answers = tally.all
            #expect(answers["known 250"] ?? 0 > 10)
            #expect(answers["unknown 451"] ?? 0 > 0, "the outage was not seen: \(answers)")
            #expect(
                Set(answers.keys).isSubset(of: [
                    "known 250", "person 250", "person 451", "unknown 550", "unknown 451", "accepted",
                ]),
                "\(answers)"
            )
            try Self.explain(hub, server)
            try Self.countDelivered(hub, answers["accepted"] ?? 0)
        }
    }

    /// Offers a message, and notes what was said to its recipient.
    private static func deliver(_ port: Int, _ name: String, _ tally: Tally, isKnown: Bool) throws {
        let client = try SMTPTestClient(port: port)
        defer { client.close() }
        for line in ["EHLO client.example", "MAIL FROM:<sender@example.net>"] { _ = try client.command(line) }
        let code = try client.command("RCPT TO:<\(name)@example.org>").prefix(3)
        tally.note("\(isKnown ? "known" : name.hasPrefix("person") ? "person" : "unknown") \(code)")
        guard code == "250", try client.command("DATA").hasPrefix("354") else { return }
        try client.send(Array("Subject: test\r\n\r\nBody\r\n.\r\n".utf8))
        if try client.reply().hasPrefix("250") { tally.note("accepted") }
    }

    private static func explain(_ hub: HubProcess, _ server: Slapd) throws {
        let found = try hub.command("directory", "test", "alias3@example.org")
        #expect(found.status == 0)
        for part in [server.url, "(mailAlternateAddress=alias3@example.org)", "cn=person3,", "verdict    accepted"] {
            #expect(found.output.contains(part), "\(found.output)")
        }
        server.stop()
        usleep(300_000)
        let survivor = try hub.command("directory", "test", "person3@example.org").output
        #expect(survivor.contains("accepted as confirmed earlier"), "\(survivor)")
        let other = try hub.command("directory", "test", "nobody@example.org").output
        #expect(other.contains("refused for now with 451 4.4.3"), "\(other)")
    }

    private static func countDelivered(_ hub: HubProcess, _ expected: Int) throws {
        var count = 0
        for _ in 0..<600 {
            let walker = FileManager.default.enumerator(atPath: hub.folder.appending(path: "maildir").path)
            count = (walker?.allObjects as? [String] ?? []).filter { $0.contains("/new/") }.count
            if count == expected { break }
            usleep(100_000)
        }
        #expect(count == expected)
    }
}
