import MailHubPlugin
import Testing

@Suite("Recipients of the activeDirectory profile")
struct ActiveDirectoryTests {
    static func name(_ name: String) -> String { "cn=\(name),dc=example,dc=org" }
    static func user(_ name: String, _ more: [String: [String]] = [:]) -> DirectoryEntry {
        let own = [
            "objectClass": ["top", "person", "organizationalPerson", "user"], "mail": ["\(name)@example.org"],
            "proxyAddresses": ["smtp:\(name).x@example.org", "SMTP:\(name)@example.org", "X400:c=us"],
            "userAccountControl": ["512"],
        ]
        return entry("cn=\(name)", own.merging(more) { $1 })
    }
    static func group(_ name: String, _ members: [String], _ more: [String: [String]] = [:]) -> DirectoryEntry {
        let own = [
            "objectClass": ["top", "group"], "proxyAddresses": ["SMTP:\(name)@example.org"],
            "member": members.map { Self.name($0) },
        ]
        return entry("cn=\(name)", own.merging(more) { $1 })
    }
    static let entries = [
        user("ann", ["delivContLength": ["20480"]]), user("bob"), user("gone", ["userAccountControl": ["514"]]),
        group("staff", ["ann", "team", "gone"], ["managedBy": [name("bob")]]), group("team", ["bob", "staff"]),
        group("closed", ["ann"], ["msExchRequireAuthToSendTo": ["TRUE"]]),
        group("board", ["ann"], ["authOrig": [name("ann")], "dLMemSubmitPerms": [name("inner")]]),
        group("inner", ["nested"]), group("nested", ["bob"]),
        user("shy", ["unauthOrig": [name("bob")]]),
        group("strict", ["ann"], ["authOrig": [name("ann")], "msExchRequireAuthToSendTo": ["TRUE"]]),
    ]

    @Test(
        arguments: [
            ("ann@example.org", "found, size 20971520"),
            ("ann.x@example.org", "found, replace ann@example.org, size 20971520"),
            ("gone@example.org", "not found"), ("nobody@example.org", "not found"),
            ("staff@example.org", "found, expand ann@example.org bob@example.org owner bob@example.org"),
        ],
        [true, false]
    )
    func recipients(_ example: (String, String), knowsChainRule: Bool) async throws {
        // A server without the rule finds nothing by it; then the hub looks for itself.
        let directory = ScriptedDirectory(Self.entries, .activeDirectory, knowsChainRule: knowsChainRule)
        let fixture = try Fixture(directory)
        #expect(try await fixture.resolve(example.0) == example.1)
        #expect(directory.searches.first?.filter.description.hasPrefix("(|(proxyAddresses=smtp:") ?? false)
    }

    @Test(
        "MS-ADTS section 3.1.1.3.1.3.3: a large group's members come in ranges; none is left out",
        arguments: [1, 2, 3, 4]
    )
    func ranges(valuesAtOnce: Int) async throws {
        let names = ["ann", "bob", "carl", "dora"]
        let entries = names.map { Self.user($0) } + [Self.group("all", ["inner"]), Self.group("inner", names)]
        let directory = ScriptedDirectory(
            entries,
            .activeDirectory,
            knowsChainRule: false,
            valuesAtOnce: valuesAtOnce
        )
        let members = names.map { "\($0)@example.org" }.joined(separator: " ")
        #expect(try await Fixture(directory).resolve("all@example.org") == "found, expand \(members)")
        let small = try Fixture(directory, "{ \"groups\": { \"members\": 3 } }")
        #expect(try await small.resolve("all@example.org").hasPrefix("unavailable: the group cn=all"))
    }

    @Test("disabled accounts are recipients where the configuration says so: shared mailboxes are disabled")
    func sharedMailboxes() async throws {
        let fixture = try Fixture(ScriptedDirectory(Self.entries, .activeDirectory), "{ \"acceptDisabled\": true }")
        #expect(try await fixture.resolve("gone@example.org") == "found")
    }

    struct Attempt: CustomTestStringConvertible {
        var sender: String, recipient: String, isTrusted = false, isPermitted: Bool
        var testDescription: String { "<\(self.sender)> to \(self.recipient), trusted: \(self.isTrusted)" }
    }

    @Test(
        "delivery restrictions",
        arguments: [
            Attempt(sender: "x@elsewhere.example", recipient: "ann", isPermitted: true),
            Attempt(sender: "x@elsewhere.example", recipient: "closed", isPermitted: false),
            Attempt(sender: "x@elsewhere.example", recipient: "closed", isTrusted: true, isPermitted: true),
            Attempt(sender: "ann@example.org", recipient: "closed", isPermitted: false),
            Attempt(sender: "", recipient: "closed", isPermitted: false),
            Attempt(sender: "ann.x@example.org", recipient: "board", isPermitted: true),
            Attempt(sender: "bob@example.org", recipient: "board", isPermitted: true),  // in a group in a group
            Attempt(sender: "shy@example.org", recipient: "board", isPermitted: false),
            Attempt(sender: "x@elsewhere.example", recipient: "board", isTrusted: true, isPermitted: false),
            Attempt(sender: "", recipient: "board", isPermitted: false),
            Attempt(sender: "bob@example.org", recipient: "shy", isTrusted: true, isPermitted: false),
            Attempt(sender: "ann@example.org", recipient: "shy", isPermitted: true),
            Attempt(sender: "", recipient: "shy", isPermitted: true),  // reports reach people
            Attempt(sender: "ann@example.org", recipient: "strict", isPermitted: false),
            Attempt(sender: "ann@example.org", recipient: "strict", isTrusted: true, isPermitted: true),
            Attempt(sender: "bob@example.org", recipient: "strict", isTrusted: true, isPermitted: false),
        ],
        ["rule", "walk"]
    )
    func restrictions(_ attempt: Attempt, nested: String) async throws {
        let directory = ScriptedDirectory(Self.entries, .activeDirectory, knowsChainRule: nested == "rule")
        let fixture = try Fixture(directory, "{ \"groups\": { \"nested\": \"\(nested)\" } }")
        let answer = try await fixture.policy(
            "\(attempt.recipient)@example.org",
            from: attempt.sender,
            isTrusted: attempt.isTrusted
        )
        #expect(answer == (attempt.isPermitted ? "next" : "550 5.7.1 You may not send to this recipient"))
    }

    @Test("a sender in groups that are nested deeper than the limit is deferred: he may be a member, or not")
    func tooDeep() async throws {
        let directory = ScriptedDirectory(Self.entries, .activeDirectory, knowsChainRule: false)
        let fixture = try Fixture(directory, #"{ "groups": { "nested": "walk", "depth": 1 } }"#)
        let answer = try await fixture.policy("board@example.org", from: "bob@example.org")
        #expect(answer.hasPrefix("451 4.4.3"), "\(answer)")
    }

    @Test("a sender that cannot be checked is deferred, never refused")
    func unavailable() async throws {
        let directory = ScriptedDirectory(Self.entries, .activeDirectory)
        let fixture = try Fixture(directory)
        #expect(try await fixture.resolve("board@example.org").hasPrefix("found"))
        directory.fail("down")
        #expect(
            try await fixture.policy("board@example.org", from: "bob@example.org")
                == "451 4.4.3 Directory not available, try again later"
        )
        #expect(try await fixture.policy("ann@example.org", from: "bob@example.org") == "next")
    }
}
