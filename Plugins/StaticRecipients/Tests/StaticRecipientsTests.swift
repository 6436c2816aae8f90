import MailHubPlugin
import StaticRecipients
import Testing

@Suite("StaticRecipients: who exists, and where mail for aliases goes")
struct StaticRecipientsTests {
    struct Row: CustomTestStringConvertible, Sendable {
        var configuration = StaticRecipientsTests.usual
        let address: String
        let answer: String
        var testDescription: String { "\(self.address): \(self.answer)" }
    }

    static let usual = """
        {
          "recipients": ["ann@example.org", "Bob@example.org", "@lists.example.org"],
          "aliases": {
            "info@example.org": ["ann@example.org", "carol@remote.example"],
            "one@example.org": ["Ann@Example.ORG"],
            "chain@example.org": ["info@example.org", "bob@example.org", "ann@example.org"],
            "copy@example.org": ["copy@example.org", "bob@example.org"],
            "@old.example.org": ["ann@example.org"],
            "exact@old.example.org": ["bob@example.org"]
          },
          "postmaster": "bob@example.org",
          "separator": "+"
        }
        """
    static let plain = #"{"recipients": ["Ann@example.org"]}"#
    static let caseSensitive = #"{"recipients": ["Ann@example.org", "bob+x@example.org"], "caseSensitive": true}"#
    static let emptyDomain = #"{"recipients": ["ann@example.org"], "domains": ["example.org", "example.net"]}"#

    @Test(arguments: [
        Row(address: "ann@example.org", answer: "found"),
        Row(address: "ANN@EXAMPLE.ORG", answer: "found"),
        Row(address: "\"ann\"@example.org", answer: "found"),
        Row(address: "nobody@example.org", answer: "not found"),
        Row(address: "ann@other.example", answer: "next"),
        Row(address: "ann@sub.example.org", answer: "next"),
        Row(address: "ann@[192.0.2.1]", answer: "next"),
        Row(address: "anything@lists.example.org", answer: "found"),
        Row(address: "anything@old.example.org", answer: "replace ann@example.org"),
        Row(address: "exact@old.example.org", answer: "replace bob@example.org"),
        Row(address: "one@example.org", answer: "replace Ann@Example.ORG"),
        Row(address: "info@example.org", answer: "expand ann@example.org carol@remote.example"),
        Row(
            address: "CHAIN@example.org",
            answer: "expand ann@example.org carol@remote.example bob@example.org"
        ),
        Row(address: "copy@example.org", answer: "expand copy@example.org bob@example.org"),
        Row(address: "ann+news@example.org", answer: "found"),
        Row(address: "info+x+y@example.org", answer: "expand ann@example.org carol@remote.example"),
        Row(address: "+news@example.org", answer: "not found"),
        Row(address: "nobody+ann@example.org", answer: "not found"),
        Row(configuration: plain, address: "ann@example.org", answer: "found"),
        Row(configuration: plain, address: "ann+x@example.org", answer: "not found"),
        Row(configuration: caseSensitive, address: "Ann@example.org", answer: "found"),
        Row(configuration: caseSensitive, address: "ann@example.org", answer: "not found"),
        Row(configuration: caseSensitive, address: "bob+x@example.org", answer: "found"),
        Row(configuration: emptyDomain, address: "ann@example.net", answer: "not found"),
    ])
    func resolves(_ row: Row) async throws {
        #expect(try await answer(for: row.address, row.configuration) == row.answer)
    }

    @Test(
        "RFC 5321 section 4.5.1: postmaster exists",
        arguments: [
            Row(address: "Postmaster@example.org", answer: "replace bob@example.org"),
            Row(address: "postmaster@lists.example.org", answer: "replace bob@example.org"),
            Row(address: "postmaster@hub.example.org", answer: "replace bob@example.org"),  // not served: this host
            Row(address: "postmaster@other.example", answer: "next"),  // served: another resolver's
            Row(address: "abuse@example.org", answer: "replace bob@example.org"),
            Row(address: "abuse@hub.example.org", answer: "next"),
            // Without an entry the hub's own postmaster gets it.
            Row(configuration: plain, address: "postmaster@hub.example.org", answer: "not found"),
            Row(configuration: plain, address: "POSTMASTER@example.org", answer: "not found"),
            Row(configuration: plain, address: "abuse@example.org", answer: "not found"),
            Row(
                configuration:
                    #"{"recipients": ["ann@example.org"], "aliases": {"postmaster@example.org": ["ann@example.org"]}}"#,
                address: "postmaster@example.org",
                answer: "replace ann@example.org"
            ),
        ]
    )
    func postmaster(_ row: Row) async throws {
        #expect(try await answer(for: row.address, row.configuration) == row.answer)
    }
}
