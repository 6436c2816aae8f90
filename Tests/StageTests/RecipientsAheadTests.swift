import MailHubPlugin
import MailHubPluginTesting
import SMTP
import Synchronization
import Testing

/// Answers only when so many recipients are asked about at a time.
private final class Gathering: RecipientResolver {
    static let edits: Set<EditTarget> = []
    private struct State {
        var asked: [String] = []
        var waiting: [CheckedContinuation<Void, Never>] = []
    }
    private let state = Mutex(State())
    private let wanted: Int

    init(wanted: Int) { self.wanted = wanted }
    init(configuration: ConfigurationSection, services: PluginServices) { self.wanted = 1 }

    var asked: [String] { self.state.withLock { $0.asked } }

    func resolve(_ mailbox: Mailbox, _ session: SessionContext) async throws -> RecipientResolution {
        await withCheckedContinuation { continuation in
            let ready = self.state.withLock { state -> [CheckedContinuation<Void, Never>] in
                state.asked.append(mailbox.localPart.value)
                state.waiting.append(continuation)
                guard state.waiting.count >= self.wanted else { return [] }
                defer { state.waiting = [] }
                return state.waiting
            }
            for continuation in ready { continuation.resume() }
        }
        return mailbox.localPart.value.hasPrefix("no") ? .notFound : .found(ResolvedRecipient())
    }
}

@Suite("RFC 2920 section 3.2 (S2920-3.2-01): recipients of one group are asked about together, and answered in order")
struct RecipientsAheadTests {
    private static func replies(_ names: [String], wanted: Int) async throws
        -> (replies: [String], asked: [String])
    {
        let resolver = Gathering(wanted: wanted)
        let hub = try TestHub([.init(named: "Gathering") { _, _ in resolver }])
        let client = try await hub.connect()
        _ = try await client.send("EHLO client.example.net")
        _ = try await client.send("MAIL FROM:<a@example.net>")
        let lines = names.map { "RCPT TO:<\($0)@example.org>\r\n" }.joined()
        await client.send(octets: Array(lines.utf8))
        var replies: [String] = []
        for _ in names { replies.append(String(try await client.nextReply().prefix(9))) }
        await client.disconnect()
        try await client.finished()
        return (replies, resolver.asked)
    }

    @Test func together() async throws {
        let (replies, asked) = try await Self.replies(["ann", "nobody", "bob", "none", "cleo"], wanted: 5)
        #expect(replies == ["250 2.1.5", "550 5.1.1", "250 2.1.5", "550 5.1.1", "250 2.1.5"])
        #expect(Set(asked) == ["ann", "nobody", "bob", "none", "cleo"])
        #expect(asked.count == 5)
    }

    @Test("a recipient that is named twice is asked about once, and answered twice")
    func twice() async throws {
        let (replies, asked) = try await Self.replies(["ann", "bob"], wanted: 2)
        #expect(replies == ["250 2.1.5", "250 2.1.5"])
        #expect(asked.count == 2)
    }

    @Test("what lies behind another command is not asked about")
    func groupsEnd() async throws {
        let resolver = Gathering(wanted: 1)
        let hub = try TestHub([.init(named: "Gathering") { _, _ in resolver }])
        let client = try await hub.connect()
        _ = try await client.send("EHLO client.example.net")
        _ = try await client.send("MAIL FROM:<a@example.net>")
        await client.send(octets: Array("RCPT TO:<eve@example.org>\r\nRSET\r\nRCPT TO:<fay@example.org>\r\n".utf8))
        var codes: [String] = []
        for _ in 0..<3 { codes.append(String(try await client.nextReply().prefix(3))) }
        #expect(codes == ["250", "250", "503"])
        #expect(resolver.asked == ["eve"])
    }
}
