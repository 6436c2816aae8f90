import MailHubPlugin
import MailHubPluginTesting
import MailQueue
import SMTP
import Synchronization
import Testing

@testable import Reception

@Suite("RFC 5321 sections 4.1.1.10 and 6.1: what is under way when the client goes")
struct SessionEndTests {
    /// An intake that commits when the test says so.
    private final class GatedIntake: MessageIntake {
        private let recording: RecordingIntake
        private let gate = Mutex<CheckedContinuation<Void, Never>?>(nil)
        var content: ContentDirectory { self.recording.content }
        var stored: Int { self.recording.messages.count }
        var isWaiting: Bool { self.gate.withLock { $0 != nil } }

        init() throws { self.recording = try RecordingIntake() }

        func accept(_ message: NewMessage) async throws(StoreError) {
            await withCheckedContinuation { continuation in self.gate.withLock { $0 = continuation } }
            try await self.recording.accept(message)
        }

        func accept(_ messages: [NewMessage], failing failures: [RecipientFailure]) async throws(StoreError) {
            for message in messages { try await self.accept(message) }
        }

        func open() { self.gate.withLock { $0.take() }?.resume() }
    }

    private static func clientInCommit(_ intake: GatedIntake) async throws -> SessionClient {
        let client = try await SessionClient.connect(to: .standard(intake))
        for line in ["EHLO c", "MAIL FROM:<>", "RCPT TO:<u@example.org>", "DATA", "x: y", "."] {
            await client.send(line)
        }
        for _ in 0..<60_000 where !intake.isWaiting { try await Task.sleep(for: .milliseconds(1)) }
        return client
    }

    @Test("S5321-4.1.1.10-04: a commit that has begun is not taken back by a lost connection")
    func disconnectedInCommit() async throws {
        let intake = try GatedIntake()
        let client = try await Self.clientInCommit(intake)
        await client.disconnect()
        intake.open()
        try await client.finished()
        #expect(intake.stored == 1)
    }

    @Test("S5321-4.1.1.4-05: no reply before the commit, and commands that come meanwhile wait for it")
    func repliesWait() async throws {
        let intake = try GatedIntake()
        let client = try await Self.clientInCommit(intake)
        for code in ["220", "250", "250", "250", "354"] { #expect(try await client.reply()?.prefix(3) == code[...]) }
        await client.send("NOOP")
        await client.send("QUIT")
        #expect(try await client.rest() == "")
        intake.open()
        #expect(try await client.reply()?.hasPrefix("250 2.0.0 Queued as ") == true)
        #expect(try await client.reply() == "250 2.0.0 OK")
        #expect(try await client.reply()?.hasPrefix("221 ") == true)
        try await client.finished()
    }

    @Test("S5321-3.8-03: a shutdown in the middle of a commit: 250 first, then 421")
    func shutDownInCommit() async throws {
        let intake = try GatedIntake()
        let client = try await Self.clientInCommit(intake)
        for _ in 0..<5 { _ = try await client.reply() }
        await client.session.shutDown()
        #expect(try await client.rest() == "")
        intake.open()
        #expect(try await client.reply()?.hasPrefix("250 2.0.0 Queued as ") == true)
        #expect(try await client.reply()?.hasPrefix("421 4.3.2 ") == true)
        try await client.finished()
        #expect(intake.stored == 1)
    }

    @Test("a slow commit is no silence of the client: its time begins behind the reply")
    func slowCommit() async throws {
        let intake = try GatedIntake()
        let client = try await Self.clientInCommit(intake)
        for _ in 0..<5 { _ = try await client.reply() }
        for _ in 0..<3 { await client.advanceAtOnce(seconds: 290) }
        intake.open()
        #expect(try await client.reply()?.hasPrefix("250 2.0.0 Queued as ") == true)
        try await client.advance(seconds: 290)
        await client.send("NOOP")
        #expect(try await client.reply() == "250 2.0.0 OK")
        await client.disconnect()
        try await client.finished()
    }
}
