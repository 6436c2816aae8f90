import Aliases
import FoundationEssentials
import MailHubPlugin
import PluginTestSupport
import Testing

@Suite("RFC 5321 section 3.9: aliases and lists")
struct AliasesTests {
    struct Row: CustomTestStringConvertible, Sendable {
        var aliases = ""
        var more = ""
        let address: String
        let answer: String
        var testDescription: String { "\(self.address) with \(self.aliases)\(self.more)" }
    }
    static let usual = #"""
        "info@example.org": ["ann@example.org", "bob@remote.example"], "one@example.org": ["ann@example.org"],
        "all@example.org": ["info@example.org", "carl@example.org", "ann@example.org"],
        "keep@example.org": ["Keep@example.org", "copy@archive.example"], "self@example.org": ["self@example.org"],
        "list@example.org": ["a@example.net", "b@example.net"], "owner-list@example.org": ["ann@example.org"],
        "solo@example.org": ["a@example.net"], "owner-solo@example.org": ["ann@example.org"],
        "nest@example.org": ["list@example.org", "c@example.net"], "ip@example.org": ["x@[192.0.2.1]"],
        "@old.example.org": ["@example.org"], "@gone.example.org": ["ann@example.org"],
        "special@old.example.org": ["bob@example.org"],
        "@twice.example.org": ["@example.org", "@example.net"]
        """#

    @Test(arguments: [
        Row(address: "ann@example.org", answer: "next"), Row(address: "x@example.com", answer: "next"),
        Row(address: "x@[192.0.2.1]", answer: "next"),
        Row(address: "one@example.org", answer: "replace ann@example.org"),
        Row(address: "ONE@Example.ORG", answer: "replace ann@example.org"),
        Row(address: "info@example.org", answer: "expand ann@example.org bob@remote.example"),
        Row(address: "all@example.org", answer: "expand ann@example.org bob@remote.example carl@example.org"),
        Row(address: "keep@example.org", answer: "expand Keep@example.org copy@archive.example"),
        Row(address: "self@example.org", answer: "next"),
        Row(address: "list@example.org", answer: "expand a@example.net b@example.net, owner owner-list@example.org"),
        Row(address: "owner-list@example.org", answer: "replace ann@example.org"),
        Row(address: "solo@example.org", answer: "expand a@example.net, owner owner-solo@example.org"),
        Row(
            address: "nest@example.org",
            answer: "expand a@example.net b@example.net c@example.net, owner owner-list@example.org"
        ),
        Row(address: "ip@example.org", answer: "replace x@[192.0.2.1]"),
        Row(address: "Any@old.example.org", answer: "replace Any@example.org"),
        Row(address: "one@old.example.org", answer: "replace ann@example.org"),
        Row(address: "special@OLD.example.org", answer: "replace bob@example.org"),
        Row(address: "any@gone.example.org", answer: "replace ann@example.org"),
        Row(address: "z@twice.example.org", answer: "expand z@example.org z@example.net"),
        Row(address: "z@sub.old.example.org", answer: "next"), Row(address: "one+x@example.org", answer: "next"),
        Row(more: #", "separator": "+""#, address: "one+x@example.org", answer: "replace ann@example.org"),
        Row(more: #", "separator": "+""#, address: "+x@example.org", answer: "next"),
        Row(more: #", "separator": "+""#, address: "x+y@old.example.org", answer: "replace x+y@example.org"),
        Row(more: #", "caseSensitive": true"#, address: "ONE@example.org", answer: "next"),
        Row(
            aliases: #""@a.example": ["ann@a.example"]"#,
            address: "x@a.example",
            answer: "replace ann@a.example"
        ),
        Row(aliases: #""@a.example": ["ann@a.example"]"#, address: "ann@a.example", answer: "next"),
        Row(
            aliases: #""@a.example": ["@b.example"], "x@b.example": ["y@a.example"]"#,
            address: "x@a.example",
            answer: "replace y@b.example"
        ),
        Row(
            aliases: #""\"odd name\"@a.example": ["\"x: y\"@b.example"]"#,
            address: #""odd name"@a.example"#,
            answer: #"replace "x: y"@b.example"#
        ),
    ])
    func resolves(_ row: Row) async throws {
        let aliases = row.aliases.isEmpty ? Self.usual : row.aliases
        let plugin = try TestServices().make(Aliases.self, #"{"aliases": {\#(aliases)}\#(row.more)}"#)
        let mailbox = try #require(Mailbox(row.address))
        #expect(describe(try await plugin.resolve(mailbox, session())) == row.answer)
    }

    @Test("an alias domain in front of a chain that is as long as allowed: later, never lost")
    func tooLongForDomain() async throws {
        let plugin = try TestServices().make(
            Aliases.self,
            #"""
            {"depth": 2, "aliases": {"@d.example": ["@a.example"], "x@a.example": ["y@a.example"],
             "y@a.example": ["z@a.example"]}}
            """#
        )
        let near = try #require(Mailbox("x@a.example"))
        #expect(describe(try await plugin.resolve(near, session())) == "replace z@a.example")
        let far = try #require(Mailbox("x@d.example"))
        #expect(describe(try await plugin.resolve(far, session())) == "unavailable")
    }

    @Test("lists that fan out are followed once each")
    func fanOut() async throws {
        let levels = (0..<9).flatMap { level in
            (0..<10).map { name in
                let targets = (0..<10).map { #""a\#(level + 1)-\#($0)@example.org""# }.joined(separator: ",")
                return #""a\#(level)-\#(name)@example.org": [\#(targets)]"#
            }
        }
        let plugin = try TestServices().make(Aliases.self, #"{"aliases": {\#(levels.joined(separator: ","))}}"#)
        let mailbox = try #require(Mailbox("a0-0@example.org"))
        #expect(describe(try await plugin.resolve(mailbox, session())).split(separator: " ").count == 11)
    }

    @Test("the operator sees where an address leads")
    func shows() async throws {
        let plugin = try TestServices().make(Aliases.self, #"{"aliases": {\#(Self.usual)}}"#)
        func show(_ address: String) async throws -> [String] {
            try await plugin.operate(OperatorRequest(verb: "show", arguments: [address])).lines
        }
        let list = ["a@example.net", "b@example.net", "reports go to owner-list@example.org"]
        #expect(try await show("list@example.org") == list)
        #expect(try await show("x@example.org") == ["x@example.org is no alias"])
        await #expect(throws: OperatorMistake.self) { try await show("x") }
        await #expect(throws: OperatorMistake.self) { try await plugin.operate(OperatorRequest(verb: "x")) }
    }

    @Test(
        "What is wrong is told when the hub starts",
        arguments: [
            ["{}"],
            [
                #"{"aliases": {"a@x.example": ["b@x.example"], "b@x.example": ["a@x.example"]}}"#,
                #"$.aliases["a@x.example"]: leads back to a@x.example"#,
                #"$.aliases["b@x.example"]: leads back to b@x.example"#,
            ],
            [
                #"{"aliases": {"@a.example": ["@b.example"], "@b.example": ["@a.example"]}}"#,
                #"$.aliases["@a.example"]: leads back to @a.example"#,
                #"$.aliases["@b.example"]: leads back to @b.example"#,
            ],
            [
                #"{"aliases": {"@a.example": ["@b.example"], "x@b.example": ["x@a.example"]}}"#,
                #"$.aliases["x@b.example"]: leads back to x@b.example"#,
            ],
            [
                #"{"depth": 1, "aliases": {"a@x.example": ["b@x.example"], "b@x.example": ["c@x.example"]}}"#,
                #"$.aliases["a@x.example"]: leads through more than 1 aliases"#,
            ],
            [
                #"{"mostTargets": 1, "aliases": {"a@x.example": ["b@x.example", "c@x.example"]}}"#,
                #"$.aliases["a@x.example"]: leads to more than 1 addresses"#,
            ],
            [
                #"{"aliases": {"a@x.example": ["b@x.example"], "A@X.example": ["c@x.example"]}}"#,
                #"$.aliases["A@X.example"]: there is another entry for A@X.example"#,
            ],
            [#"{"aliases": {"a@x.example": []}}"#, #"$.aliases["a@x.example"]: leads nowhere"#],
            [
                #"{"aliases": {"a@x.example": ["b"]}}"#,
                #"$.aliases["a@x.example"][0]: "b" is not an address such as "ann@example.org" or "@example.org""#,
                #"$.aliases["a@x.example"]: leads nowhere"#,
            ],
            [#"{"aliases": {"a": ["b@x.example"]}}"#, #"$.aliases.a: "a" is not an address"#],
            [#"{"file": "/nonexistent/aliases"}"#, #"$.file: cannot read "/nonexistent/aliases" as UTF-8 text"#],
            [#"{"alias": {}}"#, "$.alias: unknown key"],
        ]
    )
    func tells(_ row: [String]) throws {
        #expect(Set(try TestServices().read(Aliases.self, row[0]).problems) == Set(row.dropFirst()))
    }
}

@Suite("Aliases: the file")
struct AliasFileTests {
    private func withFile(_ bytes: some Sequence<UInt8>, _ body: (String) async throws -> Void) async throws {
        let path = "/tmp/aliases-\(UInt64.random(in: 0...UInt64.max)).txt"
        #expect(FileManager.default.createFile(atPath: path, contents: Data(bytes)))
        do { try await body(#"{"file": "\#(path)"}"#) } catch { Issue.record(error) }
        try FileManager.default.removeItem(atPath: path)
    }

    @Test("one entry a line")
    func entries() async throws {
        let text = """
            # aliases
            info@example.org: ann@example.org, bob@remote.example   # the office
            @old.example.org: @example.org\r
            "a, \\"b: c"@example.org : "d, e"@example.org
            """
        try await self.withFile(text.utf8) { configuration in
            let plugin = try TestServices().make(Aliases.self, configuration)
            for (address, answer) in [
                ("info@old.example.org", "expand ann@example.org bob@remote.example"),
                (#""a, \"b: c"@example.org"#, #"replace "d, e"@example.org"#),
            ] {
                let mailbox = try #require(Mailbox(address))
                #expect(describe(try await plugin.resolve(mailbox, session())) == answer)
            }
        }
    }

    @Test("problems name the line")
    func problems() async throws {
        let text = """
            ann@example.org

            info@example.org: , ann
            a@x.example: b@x.example
            b@x.example: @x.example
            b@x.example: a@x.example
            """
        try await self.withFile(text.utf8) { configuration in
            let problems = try TestServices().read(Aliases.self, configuration).problems
            #expect(
                Set(problems) == [
                    "$.file: line 1: leads nowhere", #"$.file: line 3: "" is not an address"#,
                    #"$.file: line 3: "ann" is not an address"#, "$.file: line 4: leads back to a@x.example",
                    "$.file: line 5: leads back to b@x.example",
                    "$.file: line 6: there is another entry for b@x.example",
                    "$.file: line 6: leads back to b@x.example",
                ]
            )
        }
    }

    @Test("a file that is not text is a problem")
    func notText() async throws {
        try await self.withFile([0xFF, 0xFE, 0x00]) { configuration in
            let problems = try TestServices().read(Aliases.self, configuration).problems
            #expect(problems.count == 1)
        }
    }
}

private func describe(_ resolution: RecipientResolution) -> String {
    switch resolution {
    case .next: "next"
    case .notFound: "not found"
    case .unavailable: "unavailable"
    case .found(let recipient): recipient.edits.map(describe).joined(separator: "; ")
    }
}

private func describe(_ edit: RecipientEdit) -> String {
    switch edit {
    case .replace(let mailbox): "replace \(mailbox)"
    case .expand(let mailboxes, let owner):
        "expand " + mailboxes.map(\.description).joined(separator: " ") + (owner.map { ", owner \($0)" } ?? "")
    case .add, .drop, .route, .routeMembers, .limitSize: "\(edit)"
    }
}
