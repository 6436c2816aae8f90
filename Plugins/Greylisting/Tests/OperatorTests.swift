import Greylisting
import MailHubPlugin
import PluginTestSupport
import Testing

@Suite("Greylisting: what the operator can say")
struct GreylistingOperatorTests {
    private let services = TestServices()
    private let plugin: Greylisting

    init() throws { self.plugin = try self.services.make(Greylisting.self, "{}") }

    private func attempt(from sender: String) async throws -> String {
        describe(try await self.plugin.recipient(recipient("bob@example.org"), transaction(from: sender), session()))
    }

    @Test("list shows what is remembered; remove forgets it")
    func listAndRemove() async throws {
        _ = try await self.attempt(from: "a@example.com")
        self.services.clock.advance(by: .seconds(300))
        _ = try await self.attempt(from: "a@example.com")
        _ = try await self.attempt(from: "b@example.com")
        let list = try await self.plugin.operate(OperatorRequest(verb: "list"))
        #expect(list.columns == ["key", "state", "expires"])
        let waiting = "triplet 192.0.2.0/24 b@example.com bob@example.org"
        #expect(
            list.rows == [
                ["network 192.0.2.0/24", "1 passed", "2023-12-20T22:18:20Z"],
                [
                    "triplet 192.0.2.0/24 a@example.com bob@example.org", "passed 2023-11-14T22:18:20Z",
                    "2023-12-20T22:18:20Z",
                ],
                [waiting, "waiting since 2023-11-14T22:18:20Z", "2023-11-16T22:18:20Z"],
            ]
        )
        let some = OperatorRequest(verb: "list", arguments: ["triplet"], options: ["limit": "1"])
        let answer = try await self.plugin.operate(some)
        #expect(answer.rows.count == 1)
        #expect(answer.lines == ["there are more: give a TEXT, or --limit"])
        let sender = OperatorRequest(verb: "list", arguments: ["B@Example.com"])
        #expect(try await self.plugin.operate(sender).rows.map(\.first) == [waiting])

        let remove = OperatorRequest(verb: "remove", arguments: waiting.split(separator: " ").map { String($0) })
        #expect(try await self.plugin.operate(remove).lines == ["removed"])
        await #expect(throws: OperatorMistake.self) { try await self.plugin.operate(remove) }
        #expect(try await self.plugin.operate(OperatorRequest(verb: "list")).rows.count == 2)
    }

    @Test("pass lets a domain through for a while")
    func pass() async throws {
        #expect(try await self.attempt(from: "a@example.com") == "450 4.7.1")
        let request = OperatorRequest(verb: "pass", arguments: ["Example.com"], options: ["for": "1h"])
        let answer = try await self.plugin.operate(request)
        #expect(answer.lines == ["mail from Example.com is let through until 2023-11-14T23:13:20Z"])
        #expect(try await self.attempt(from: "a@example.com") == "next")
        #expect(try await self.attempt(from: "new@sub.EXAMPLE.com") == "next")
        #expect(try await self.attempt(from: "new@example.net") == "450 4.7.1")
        self.services.clock.advance(by: .seconds(3600))
        #expect(try await self.attempt(from: "other@example.com") == "450 4.7.1")
    }

    @Test(
        "mistakes are told",
        arguments: [
            (OperatorRequest(verb: "pass"), #""pass" takes one DOMAIN"#),
            (OperatorRequest(verb: "pass", arguments: ["example.com"]), "say --for DURATION, such as --for 1h"),
            (
                OperatorRequest(verb: "pass", arguments: ["a b"], options: ["for": "1h"]),
                #""a b" is not a domain name"#
            ),
            (
                OperatorRequest(verb: "pass", arguments: ["example.com"], options: ["for": "0s"]),
                "--for must be longer than nothing"
            ),
            (OperatorRequest(verb: "list", options: ["limit": "x"]), "--limit is a number from 1 to 100000"),
            (OperatorRequest(verb: "remove"), #""remove" takes a KEY as "list" shows it"#),
            (OperatorRequest(verb: "remove", arguments: ["x"]), #"there is no entry "x""#),
            (OperatorRequest(verb: "drop"), #""drop" is not list, pass or remove"#),
        ]
    )
    func mistakes(_ request: OperatorRequest, text: String) async throws {
        let error = await #expect(throws: OperatorMistake.self) { try await self.plugin.operate(request) }
        #expect(error?.description == text)
    }

    @Test("a store that cannot be asked is shown as it is")
    func storeUnavailable() async throws {
        self.services.store.fail(with: StoreUnavailable("disk full"))
        await #expect(throws: StoreUnavailable.self) { try await self.plugin.operate(OperatorRequest(verb: "list")) }
    }
}
