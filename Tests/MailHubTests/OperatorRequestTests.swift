import MailHubPlugin
import Testing

@Suite("What operators ask of plugins")
struct OperatorRequestTests {
    private static let verbs = [
        (usage: "list [TEXT] [--limit N]", does: "shows"), (usage: "pass DOMAIN --for DURATION", does: "lets through"),
        (usage: "status", does: "shows"),
    ]

    @Test(
        "Options that a verb does not name are refused, with what it takes",
        arguments: [
            (OperatorRequest(verb: "list"), nil), (.init(verb: "list", options: ["limit": "5"]), nil),
            (.init(verb: "pass", arguments: ["a.example"], options: ["for": "1h"]), nil),
            (
                .init(verb: "list", options: ["limt": "5"]),
                "\"list\" has no option --limt: it is \"list [TEXT] [--limit N]\""
            ),
            (
                .init(verb: "pass", options: ["for": "1h", "limit": "5"]),
                "\"pass\" has no option --limit: it is \"pass DOMAIN --for DURATION\""
            ),
            (.init(verb: "status", options: ["x": "y"]), "\"status\" has no option --x: it is \"status\""),
            // The plugin knows better what to say of it.
            (.init(verb: "lst", options: ["x": "y"]), nil),
        ] as [(OperatorRequest, String?)]
    )
    func options(_ request: OperatorRequest, _ mistake: String?) {
        do {
            try request.checkOptions(Self.verbs)
            #expect(mistake == nil)
        } catch {
            #expect(error.description == mistake)
        }
    }
}
