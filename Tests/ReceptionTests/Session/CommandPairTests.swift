import MailHubPlugin
import MailHubPluginTesting
import SMTP
import Testing

@testable import Reception

@Suite("RFC 5321 sections 4.1.4 and 4.3.2: order of commands and their replies, in a session")
struct CommandPairTests {
    static let commands = [
        "EHLO c.example", "HELO c.example", "MAIL FROM:<a@example.net>", "RCPT TO:<u@example.org>", "DATA", "BDAT 2",
        "RSET", "NOOP", "HELP", "VRFY u", "EXPN u", "QUIT",
    ]

    /// What a session goes by in the tests: the state of RFC 5321 section 4.1.4, written down a second time.
    private struct Model {
        var isGreeted = false
        var hasSender = false
        var hasRecipient = false
        var isChunking = false

        /// The code that the command must get.
        mutating func reply(to command: String) -> Int {
            switch command.prefix(4) {
            case "EHLO", "HELO":
                self = Model(isGreeted: true)
                return 250
            case "MAIL":
                guard self.isGreeted, !self.hasSender else { return 503 }
                self.hasSender = true
                return 250
            case "RCPT":
                guard self.hasSender, !self.isChunking else { return 503 }
                self.hasRecipient = true
                return 250
            case "DATA":
                guard self.hasRecipient, !self.isChunking else { return 503 }
                self = Model(isGreeted: true)
                return 354
            case "BDAT":
                guard self.hasRecipient else { return 503 }
                self.isChunking = true
                return 250
            case "RSET":
                self = Model(isGreeted: self.isGreeted)
                return 250
            case "HELP": return 214
            case "VRFY", "EXPN": return 252
            case "QUIT": return 221
            default: return 250
            }
        }
    }

    static let openings: [[String]] = [
        [], ["EHLO c.example"], ["EHLO c.example", "MAIL FROM:<a@example.net>"],
        ["EHLO c.example", "MAIL FROM:<a@example.net>", "RCPT TO:<u@example.org>"],
        ["EHLO c.example", "MAIL FROM:<a@example.net>", "RCPT TO:<u@example.org>", "BDAT 2"],
    ]

    @Test(
        "S5321-4.1.4-07, S5321-4.3.2-01, S5321-4.3.2-08, S5321-4.5.1-01: every pair of commands in every state",
        arguments: Self.openings
    )
    func pairs(behind opening: [String]) async throws {
        let intake = try RecordingIntake()
        var server = try SessionClient.Server.standard(intake)
        var limits = SessionLimits()
        limits.errors = .max
        server.listener = ListenerSettings(name: "mx", address: "", port: 25, role: .mx, limits: limits)
        for first in Self.commands {
            for second in Self.commands {
                let client = try await SessionClient.connect(to: server)
                _ = try await client.reply()
                var model = Model()
                for command in opening + [first, second] {
                    let expected = model.reply(to: command)
                    await client.send(command)
                    if command == "BDAT 2" { await client.send([0x0D, 0x0A]) }
                    let reply = try await client.reply()
                    #expect(reply?.prefix(3) == "\(expected)", "\(opening), \(first), \(second): \(reply ?? "closed")")
                    if expected == 354 {
                        await client.send(".")
                        #expect(try await client.reply()?.hasPrefix("250 ") == true)
                    }
                    if expected == 221 { break }
                }
                await client.disconnect()
                try await client.finished()
            }
        }
    }
}
