import MailHubPluginTesting
import RateLimits
import Testing

@Suite("RateLimits: what the client sees")
struct RateLimitSessionTests {
    @Test("the third message of a minute waits for the next one")
    func messages() async throws {
        let hub = try TestHub([.init(RateLimits.self, #"{"limits": [{"by": "client", "messages": 2, "per": "1m"}]}"#)])
        let client = try await hub.connect()
        _ = try await client.send("EHLO client.example.net")
        var replies: [String] = []
        for pause in [0, 0, 0, 30] {
            await hub.advance(by: .seconds(pause))
            replies.append(
                try await client.deliver(from: "a@example.net", to: ["b@example.org"], "A: 1\r\n\r\nx\r\n")
            )
        }
        #expect(replies.map { $0.prefix(9) } == ["250 2.0.0", "250 2.0.0", "451 4.7.1", "250 2.0.0"])
    }
}
