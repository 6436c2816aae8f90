import MailHubPlugin
import MailHubPluginTesting
import SizeLimits
import Testing

/// A directory that knows how much a recipient takes.
private struct LimitedMailboxes: RecipientResolver {
    private let limit: Int

    init(configuration: ConfigurationSection, services: PluginServices) throws {
        self.limit = configuration.size("limit", default: 0)
    }

    func resolve(_ mailbox: Mailbox, _ session: SessionContext) async throws -> RecipientResolution {
        .found(ResolvedRecipient(edits: [.limitSize(self.limit)]))
    }
}

@Suite("SizeLimits: beside a limit that the directory knows")
struct RecipientLimitTests {
    struct Row: CustomTestStringConvertible, Sendable {
        let directory: Int
        /// The plugin's limit for the recipient's domain.
        let domain: Int
        /// The plugin's limit for all.
        var message = 5000
        let size: Int
        let isTaken: Bool
        var testDescription: String {
            "\(self.size) octets, directory \(self.directory), domain \(self.domain), all \(self.message)"
        }
    }
    static let rows = [
        Row(directory: 400, domain: 800, size: 400, isTaken: true),
        Row(directory: 400, domain: 800, size: 401, isTaken: false),
        Row(directory: 800, domain: 400, size: 400, isTaken: true),
        Row(directory: 800, domain: 400, size: 401, isTaken: false),
        Row(directory: 800, domain: 800, message: 400, size: 401, isTaken: false),
    ]

    @Test("the smallest limit counts, where the size is declared (S1870-6.1-01)", arguments: Self.rows)
    func declared(_ row: Row) async throws {
        let client = try await self.client(row)
        let sender = try await client.send("MAIL FROM:<a@example.net> SIZE=\(row.size)")
        let replies = [sender, try await client.send("RCPT TO:<b@example.org>")]
        #expect(replies.contains { $0.hasPrefix("552 5.3.4") } != row.isTaken)
    }

    @Test("and where it is found out in the end (S1870-6.3-01)", arguments: Self.rows)
    func atTheEnd(_ row: Row) async throws {
        let client = try await self.client(row)
        let head = "Subject: x\r\n\r\n"
        let content = head + String(repeating: "x", count: row.size - head.utf8.count - 2) + "\r\n"
        let reply = try await client.deliver(from: "a@example.net", to: ["b@example.org"], content)
        #expect(reply.hasPrefix(row.isTaken ? "250" : "552 5.3.4"), "\(reply)")
    }

    private func client(_ row: Row) async throws -> TestClient {
        let limits = #"{"message": \#(row.message), "domains": {"example.org": \#(row.domain)}}"#
        let hub = try TestHub([
            .init(LimitedMailboxes.self, #"{"limit": \#(row.directory)}"#), .init(SizeLimits.self, limits),
        ])
        let client = try await hub.connect()
        _ = try await client.send("EHLO client.example.net")
        return client
    }
}
