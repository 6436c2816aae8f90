import MailHubPlugin
import MailHubPluginTesting
import Testing

@Suite("HouseRules")
struct HouseRulesTests {
    static let configuration = """
        { "field": "X-Advertisement", "left": "ann@example.org", "reader": "bob@example.org" }
        """

    @Test("An advertisement is refused")
    func advertisement() async throws {
        let hub = try TestHub([.init(HouseRules.self, Self.configuration)])
        let client = try await hub.connect()
        _ = try await client.send("EHLO client.example.net")
        let content = "X-Advertisement: yes\r\n\r\nBuy\r\n"
        let reply = try await client.deliver(from: "a@example.net", to: ["carl@example.org"], content)
        #expect(reply == "550 5.7.1 No advertisements, please")
        #expect(try await hub.messages.isEmpty)
    }

    @Test("Ann has left: Bob gets her mail")
    func rewrite() async throws {
        let hub = try TestHub([.init(HouseRules.self, Self.configuration)])
        let client = try await hub.connect()
        _ = try await client.send("EHLO client.example.net")
        let reply = try await client.deliver(from: "a@example.net", to: ["ann@example.org"], "\r\nHi\r\n")
        #expect(reply.hasPrefix("250 2.0.0"))
        #expect(try await hub.messages.map(\.recipients) == [["bob@example.org"]])
    }

    @Test("It bears whatever clients send")
    func conformance() async throws {
        let findings = try await PluginConformance.check(HouseRules.self, configuration: Self.configuration)
        #expect(findings.isEmpty, "\(findings)")
    }
}
