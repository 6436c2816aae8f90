import MailHubPlugin
import MailHubPluginTesting
import Testing

@testable import PluginTemplate

@Suite("PluginTemplate")
struct PluginTemplateTests {
    static let configuration = #"{ "field": "X-Advertisement" }"#

    @Test(
        "Messages with the field are refused, others are not",
        arguments: [
            ("X-Advertisement: yes\r\n\r\nBuy\r\n", "550 5.7.1"), ("Subject: hello\r\n\r\nHi\r\n", "250 2.0.0"),
        ]
    )
    func refuses(content: String, reply: String) async throws {
        let hub = try TestHub([.init(PluginTemplate.self, Self.configuration)])
        let client = try await hub.connect()
        _ = try await client.send("EHLO client.example.net")
        let answer = try await client.deliver(from: "a@example.net", to: ["ann@example.org"], content)
        #expect(answer.hasPrefix(reply), "\(answer)")
    }

    @Test("It bears whatever clients send")
    func conformance() async throws {
        let findings = try await PluginConformance.check(PluginTemplate.self, configuration: Self.configuration)
        #expect(findings.isEmpty, "\(findings)")
    }
}
