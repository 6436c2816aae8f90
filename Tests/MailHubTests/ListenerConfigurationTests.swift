import Reception
import SMTP
import Testing

@testable import MailHub

@Suite("config.json: limits of a listener")
struct ListenerConfigurationTests {
    @Test("every limit has its key")
    func limits() throws {
        let limits = try #require(
            try Self.listener(
                """
                "maximumConnections": 11, "maximumConnectionsPerClient": 12, "maximumMessagesPerConnection": 13,
                "maximumRecipients": 114, "maximumErrors": 15, "maximumMessagesPerClient": 16,
                "maximumRecipientsPerClient": 17, "maximumErrorsPerClient": 18, "messageSize": "64KiB",
                "commandTimeout": "19s", "dataTimeout": "20s"
                """
            )
        ).limits
        #expect(limits.connections == 11)
        #expect(limits.connectionsPerClient == 12)
        #expect(limits.messages == 13)
        #expect(limits.recipients == 114)
        #expect(limits.errors == 15)
        #expect(limits.messagesPerClient == 16)
        #expect(limits.recipientsPerClient == 17)
        #expect(limits.errorsPerClient == 18)
        #expect(limits.messageSize == 65536)
        #expect(limits.commandTime == .seconds(19))
        #expect(limits.dataTime == .seconds(20))
    }

    @Test("S5321-4.5.3.2.7-01: without keys the standard limits, and none per client")
    func defaults() throws {
        let limits = try #require(try Self.listener("\"role\": \"mx\"")).limits
        #expect(limits == SessionLimits())
        #expect(limits.commandTime == .seconds(300))
        #expect(limits.messagesPerClient == nil && limits.recipientsPerClient == nil && limits.errorsPerClient == nil)
    }

    @Test(
        "S2033-5-01, S5321-4.5.3.1.7-01, S5321-4.5.3.1.8-01: what is refused",
        arguments: [
            ("\"role\": \"lmtp\", \"port\": 25", "LMTP must not be on port 25"),
            ("\"messageSize\": \"65535\"", "messageSize"), ("\"maximumRecipients\": 99", "99 is out of range"),
            ("\"maximumMessagesPerClient\": 0", "0 is out of range"),
            ("\"maximumErrorsPerClient\": \"x\"", "whole number"),
            ("\"role\": \"submission\"", "submission needs TLS"),
        ]
    )
    func refused(_ keys: String, _ message: String) {
        let error = #expect(throws: ConfigurationProblems.self) { try Self.listener(keys) }
        #expect("\(String(describing: error))".contains(message))
    }

    private static func listener(_ keys: String) throws -> ListenerSettings? {
        let text = """
            { "hostname": "hub.example.org",
              "listeners": [ { "name": "mx", "address": "127.0.0.1", \(keys) } ],
              "domains": { "example.org": { "route": "store" } },
              "routes": { "store": { "transport": "maildir", "directory": "/tmp/maildir" } },
              "defaultRoute": "store",
              "queue": { "directory": "/tmp/queue" } }
            """
        return try HubConfiguration.read(text).listeners.first
    }
}
