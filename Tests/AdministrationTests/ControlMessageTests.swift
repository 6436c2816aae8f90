import Administration
import Foundation
import SMTP
import Testing

@Suite("Control socket: what is on the wire")
struct ControlMessageTests {
    @Test(arguments: [
        (0, "1970-01-01T00:00:00.000Z"),
        (-1, "1969-12-31T23:59:59.999Z"),
        (951_782_400_000, "2000-02-29T00:00:00.000Z"),
        (951_868_799_999, "2000-02-29T23:59:59.999Z"),
        (1_784_021_213_589, "2026-07-14T09:26:53.589Z"),
        (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
    ])
    func instants(milliseconds: Int64, text: String) {
        let instant = ControlInstant(Timestamp(milliseconds: milliseconds))
        #expect(instant.description == text)
        #expect(ControlInstant(text) == instant)
    }

    @Test(arguments: [Int64.min, .max, 253_402_300_800_000, -62_135_596_800_001])
    func instantsBeyondTheCalendar(milliseconds: Int64) {
        #expect(ControlInstant(Timestamp(milliseconds: milliseconds)).description.utf8.count == 24)
    }

    @Test(arguments: [
        "", "2026-07-14", "2026-07-14T09:26:53Z", "2026-07-14 09:26:53.589Z", "2026-13-14T09:26:53.589Z",
        "2026-07-14T24:26:53.589Z", "2026-07-14T09:26:53.589+", "2026-07-1\u{661}T09:26:53.589",
    ])
    func notInstants(text: String) { #expect(ControlInstant(text) == nil) }

    @Test(arguments: [
        (ControlRequest.status, #"{"status":{}}"#),
        (.queueShow(id: "x"), #"{"queueShow":{"id":"x"}}"#),
        (
            .queueList(filter: MessageFilter(state: .held), limit: 10, after: nil),
            #"{"queueList":{"filter":{"state":"held"},"limit":10}}"#
        ),
        (.queueDelete(selector: .all), #"{"queueDelete":{"selector":{"all":{}}}}"#),
        (.queueSuspend(destinations: ["mx/a.example"]), #"{"queueSuspend":{"destinations":["mx\/a.example"]}}"#),
        (.queueResume(destinations: ["store"]), #"{"queueResume":{"destinations":["store"]}}"#),
        (
            .queueRetry(selector: .messages(ids: ["a", "b"])),
            #"{"queueRetry":{"selector":{"messages":{"ids":["a","b"]}}}}"#
        ),
    ])
    func requests(request: ControlRequest, json: String) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        #expect(String(decoding: try encoder.encode(request), as: UTF8.self) == json)
        #expect(try JSONDecoder().decode(ControlRequest.self, from: Data(json.utf8)) == request)
    }

    struct FilterCase: Sendable {
        var filter: MessageFilter, matches: Bool
    }

    @Test(arguments: [
        FilterCase(filter: MessageFilter(), matches: true),
        FilterCase(filter: MessageFilter(state: .held), matches: false),
        FilterCase(filter: MessageFilter(sender: "ALICE"), matches: true),
        FilterCase(filter: MessageFilter(sender: "<>"), matches: false),
        FilterCase(filter: MessageFilter(recipient: "carol@"), matches: true),
        FilterCase(filter: MessageFilter(domain: "Example.NET"), matches: true),
        FilterCase(filter: MessageFilter(domain: "ample.net"), matches: false),
        FilterCase(filter: MessageFilter(destination: "internet"), matches: true),
        FilterCase(filter: MessageFilter(destination: "example.net"), matches: true),
        FilterCase(filter: MessageFilter(destination: "internet/example.net"), matches: true),
        FilterCase(filter: MessageFilter(destination: "inter"), matches: false),
        FilterCase(filter: MessageFilter(sender: "alice", recipient: "nobody"), matches: false),
    ])
    func filters(row: FilterCase) {
        let entry = QueueEntry(
            id: "x",
            state: .deferred,
            sender: "Alice@example.org",
            size: 1,
            arrival: ControlInstant(Timestamp(milliseconds: 0)),
            recipients: [
                RecipientEntry(address: "bob@example.net", destination: "internet/example.net", attempts: 1),
                RecipientEntry(address: "carol@example.com", destination: "mailstore", attempts: 1),
            ]
        )
        #expect(row.filter.matches(entry) == row.matches)
    }
}
