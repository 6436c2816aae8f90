import MailHubPlugin
import MailHubPluginTesting
import SMTP
import Testing

@testable import Reception

@Suite("RFC 5321 sections 4.2 and 4.3: what holds for every reply, in random sessions")
struct RandomDialogueTests {
    /// Commands that make no content follow.
    static let commands = [
        "EHLO c.example", "HELO c.example", "EHLO", "LHLO x", "MAIL FROM:<a@example.net>", "MAIL FROM:<>",
        "MAIL FROM:a",
        "MAIL FROM:<a@example.net> SIZE=99999999999", "MAIL FROM:<a@example.net> FOO=1", "RCPT TO:<u@example.org>",
        "RCPT TO:<Postmaster>", "RCPT TO:<u@elsewhere.example>", "RCPT TO:<>", "RSET", "RSET x", "NOOP", "NOOP x",
        "HELP",
        "VRFY u", "EXPN u", "VRFY", "DATA x", "QUIT x", "FOO", "", "TURN", "AUTH PLAIN", "BDAT 0", "BDAT 0 LAST",
        "BDAT x",
        "STARTTLS", "\u{FC}", "MAIL", "RCPT",
    ]
    /// The codes of RFC 5321 section 4.2.3 that the hub may use.
    static let codes: Set<Int> = [
        214, 220, 221, 250, 252, 354, 421, 450, 451, 452, 500, 501, 502, 503, 550, 552, 553, 554, 555, 556,
    ]

    @Test(
        "S5321-2.3.8-02, S5321-4.2-01, S5321-4.2-02, S5321-4.2-04, S5321-4.2-08, S5321-4.2-10, S2034-4-01, S2034-4-02, S6531-3.7.4-01",
        arguments: 0..<10
    )
    func oneReplyForEachCommand(_ seed: Int) async throws {
        var random = SeededGenerator(seed: UInt64(seed))
        let intake = try RecordingIntake()
        var server = try SessionClient.Server.standard(intake)
        var limits = SessionLimits()
        limits.errors = .max
        server.listener = ListenerSettings(name: "mx", address: "", port: 25, role: .mx, limits: limits)
        let client = try await SessionClient.connect(to: server)
        let greeting = try await client.reply()
        #expect(greeting?.hasPrefix("220 hub.example.org ") == true)
        for _ in 0..<200 {
            let command = Self.commands.randomElement(using: &random) ?? "NOOP"
            await client.send(command)
            let reply = try #require(try await client.reply())
            try Self.check(reply, to: command)
        }
        await client.send("QUIT")
        #expect(try await client.reply()?.hasPrefix("221 2.0.0 hub.example.org ") == true)
        #expect(try await client.reply() == nil)
        try await client.finished()
    }

    private static func check(_ reply: String, to command: String) throws {
        let lines = reply.split(separator: "\n", omittingEmptySubsequences: false)
        let code = try #require(Int(reply.prefix(3)))
        #expect(self.codes.contains(code), "\(command): \(reply)")
        for (index, line) in lines.enumerated() {
            #expect(line.hasPrefix("\(code)\(index == lines.count - 1 ? " " : "-")"), "\(command): \(reply)")
            #expect(
                line.utf8.allSatisfy { (0x20...0x7E).contains($0) } && line.utf8.count > 4 && line.utf8.count <= 510
            )
        }
        let isHello = code == 250 && (command.hasPrefix("EHLO ") || command.hasPrefix("HELO "))
        let words = Set(lines.map { $0.dropFirst(4).prefix { $0 != " " } })
        if isHello || code == 354 {
            #expect(!words.contains { $0.wholeMatch(of: /[245]\.\d+\.\d+/) != nil }, "\(command): \(reply)")
        } else {
            #expect(words.count == 1, "the same enhanced code on all lines: \(reply)")
            let word = try #require(words.first)
            #expect(word.wholeMatch(of: /[245]\.(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})/) != nil, "\(command): \(reply)")
            #expect(word.first == reply.first)
        }
    }
}

/// Random numbers that are the same in every run.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { self.state = seed &* 0x9E37_79B9_7F4A_7C15 | 1 }

    mutating func next() -> UInt64 {
        self.state ^= self.state << 13
        self.state ^= self.state >> 7
        self.state ^= self.state << 17
        return self.state
    }
}
