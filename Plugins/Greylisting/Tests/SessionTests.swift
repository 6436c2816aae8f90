import Greylisting
import MailHubPluginTesting
import Testing

@Suite("Greylisting: what the client sees")
struct GreylistingSessionTests {
    @Test("S6647-5-05: RCPT is deferred, then taken; the store may fail as the configuration says")
    func comesBack() async throws {
        let hub = try TestHub([.init(Greylisting.self)])
        let client = try await hub.connect()
        _ = try await client.send("EHLO client.example.net")
        let first = try await client.deliver(from: "a@example.net", to: ["b@example.org"], "A: 1\r\n\r\nx\r\n")
        #expect(first.hasPrefix("450 4.7.1"))
        await hub.advance(by: .seconds(299))
        let second = try await hub.connect()
        _ = try await second.send("EHLO client.example.net")
        let early = try await second.deliver(from: "a@example.net", to: ["b@example.org"], "A: 1\r\n\r\nx\r\n")
        #expect(early.hasPrefix("450 4.7.1"))
        await hub.advance(by: .seconds(1))
        let taken = try await second.deliver(from: "a@example.net", to: ["b@example.org"], "A: 1\r\n\r\nx\r\n")
        #expect(taken.hasPrefix("250 2.0.0"))
        #expect(try await hub.messages.count == 1)
    }

    @Test("a message without sender is deferred at DATA")
    func nullSender() async throws {
        let hub = try TestHub([.init(Greylisting.self)])
        let client = try await hub.connect()
        _ = try await client.send("EHLO client.example.net")
        let replies = try await client.replies(from: "", to: ["b@example.org"], "A: 1\r\n\r\nx\r\n")
        #expect(replies.map { $0.prefix(9) } == ["250 2.1.0", "250 2.1.5", "450 4.7.1"])
    }
}
