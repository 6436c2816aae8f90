import HeaderRewrite
import MailHubPlugin
import MailHubPluginTesting
import Testing

@Suite("HeaderRewrite: what is stored")
struct HeaderRewriteSessionTests {
    @Test("the stored message has the changes; what nobody changed is as it came")
    func stored() async throws {
        let rules = #"""
            {"rules": [{"action": "replace", "field": "Subject", "value": "[extern] ${value}", "direction": "in"},
             {"action": "remove", "field": "X-Spam-*"}]}
            """#
        let hub = try TestHub([.init(HeaderRewrite.self, rules)])
        let client = try await hub.connect()
        _ = try await client.send("EHLO client.example.net")
        let content = "Subject: Hello\r\nX-Spam-Score: -5\r\nx-other:  a\r\n\tb\r\n\r\n.body\r\n"
        #expect(try await client.deliver(from: "a@example.net", to: ["b@example.org"], content).hasPrefix("250"))
        let message = try #require(try await hub.messages.first)
        let fields = message.header.fields.dropFirst().map { "\($0.name): \($0.value)" }
        #expect(fields == ["Subject: [extern] Hello", "x-other: a\tb"])
        #expect(message.header.fields.first?.name == "Received")
        #expect(message.body == ".body\r\n")
    }
}
