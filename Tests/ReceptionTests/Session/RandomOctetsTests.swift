import MailHubPlugin
import MailHubPluginTesting
import MailQueue
import SMTP
import Testing

@testable import Reception

@Suite("RFC 2920 section 3.2, RFC 5321 section 2.3.8: how octets are cut into reads changes nothing")
struct RandomOctetsTests {
    /// What the random input is made of: enough to get into every state now and then.
    static let pieces: [String] = [
        "EHLO c.example\r\n", "MAIL FROM:<a@example.net>\r\n", "RCPT TO:<u@example.org>\r\n",
        "RCPT TO:<x@elsewhere.example>\r\n", "DATA\r\n", ".\r\n", "..\r\n", "\r\n.\r\n", "\n.\n", "\r.\r", "\r\n", "\r",
        "\n",
        ".", "\0", "BDAT 5\r\n", "BDAT 3 LAST\r\n", "BDAT 0\r\n", "BDAT 0 LAST\r\n", "BDAT 70000 LAST\r\n", "12345",
        "abc",
        "RSET\r\n", "NOOP\r\n", "VRFY u\r\n", "HELP\r\n", "Subject: x\r\n",
        "MAIL FROM:<>\r\nRCPT TO:<v@example.org>\r\nDATA\r\n",
        "MAIL FROM:<>\r\nRCPT TO:<v@example.org>\r\nBDAT 4 LAST\r\nx\r\n\r\n", "\u{FC}\u{1F600}",
        String(repeating: "x", count: 4100), String(repeating: "0123456789\r\n", count: 6000),
    ]

    @Test("S2920-3.2-01, S2920-3.2-05, S3030-2-07: whole, in random cuts and octet by octet", arguments: 0..<20)
    func cuts(_ seed: Int) async throws {
        var random = SeededGenerator(seed: UInt64(seed) + 1)
        var octets = Array("EHLO c.example\r\n".utf8)
        for _ in 0..<60 { octets += Array((Self.pieces.randomElement(using: &random) ?? "").utf8) }
        let whole = try await Self.play([octets[...]])
        var cuts: [ArraySlice<UInt8>] = []
        var rest = octets[...]
        while !rest.isEmpty {
            let count = Int.random(in: 1...Int.random(in: 1...5000, using: &random), using: &random)
            cuts.append(rest.prefix(count))
            rest = rest.dropFirst(count)
        }
        let inCuts = try await Self.play(cuts)
        #expect(inCuts.said == whole.said)
        #expect(inCuts.stored == whole.stored)
        let few = Array(octets.prefix(4000))
        let fewWhole = try await Self.play([few[...]])
        let fewByOctet = try await Self.play(few.indices.map { few[$0...$0] })
        #expect(fewByOctet.said == fewWhole.said)
        #expect(fewByOctet.stored == fewWhole.stored)
    }

    private static func play(_ reads: [ArraySlice<UInt8>]) async throws -> (said: [String], stored: [[UInt8]]) {
        let intake = try RecordingIntake()
        var server = try SessionClient.Server.standard(intake)
        var limits = SessionLimits()
        limits.errors = .max
        limits.messageSize = 65536
        server.listener = ListenerSettings(name: "mx", address: "", port: 25, role: .mx, limits: limits)
        let client = try await SessionClient.connect(to: server)
        await client.send(reads: reads)
        // Contents that go through a file take a while: a client that has said all waits for the end.
        try await client.quiet()
        await client.disconnect()
        try await client.finished()
        #expect(Set(intake.files) == Set(intake.messages.compactMap { $0.content.fileName }))
        var stored: [[UInt8]] = []
        for message in intake.messages {
            let content = try await intake.octets(of: message)
            stored.append(Array(content.drop { $0 != UInt8(ascii: ";") }))
        }
        let lines = client.transcript.split(separator: "\r\n").map { line in
            line.contains("Queued as ") ? "250 2.0.0 Queued" : String(line)
        }
        return (lines, stored)
    }
}
