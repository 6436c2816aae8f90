import FoundationEssentials
import MailHubPlugin
import StaticRecipients
import Testing

@Suite("StaticRecipients: what is wrong is told when the hub starts")
struct StaticRecipientsConfigurationTests {
    struct Row: CustomTestStringConvertible, Sendable {
        let configuration: String
        let problems: [String]
        var testDescription: String { self.configuration }
    }

    @Test(arguments: [
        Row(configuration: "{}", problems: []),
        Row(
            configuration: ##"{"recipients": ["ann", "ann@[192.0.2.1]", "@", "ann@example.org"]}"##,
            problems: ["ann", "ann@[192.0.2.1]", "@"].enumerated().map { index, text in
                ##"$.recipients[\##(index)]: "\##(text)" is not an address such as "ann@example.org" or "@example.org""##
            }
        ),
        Row(
            configuration: #"{"recipients": ["ann@example.org", "ANN@example.org"]}"#,
            problems: ["$.recipients: there is another entry for ANN@example.org"]
        ),
        Row(
            configuration: #"{"aliases": {"a@example.org": ["b@example.org"], "b@example.org": ["a@example.org"]}}"#,
            problems: [
                #"$.aliases["a@example.org"]: leads back to a@example.org"#,
                #"$.aliases["b@example.org"]: leads back to b@example.org"#,
            ]
        ),
        Row(
            configuration: #"{"aliases": {"a@example.org": ["nobody@example.org"], "b@example.org": [], "c": ["d"]}}"#,
            problems: [
                #"$.aliases["a@example.org"]: leads to nobody@example.org, which does not exist"#,
                #"$.aliases["b@example.org"]: leads nowhere"#,
                #"$.aliases.c: "c" is not an address"#,
                #"$.aliases.c[0]: "d" is not a mail address"#,
            ]
        ),
        Row(
            configuration: #"{"recipients": ["a@example.net"], "domains": ["example.org"]}"#,
            problems: [#"$.recipients: a@example.net is outside "domains""#]
        ),
        Row(
            configuration: #"{"recipients": ["a@example.org"], "postmaster": "b@example.org"}"#,
            problems: ["$.postmaster: leads to b@example.org, which does not exist"]
        ),
        Row(configuration: #"{"separator": "++"}"#, problems: [#"$.separator: "++" is not one character"#]),
        Row(configuration: #"{"recipient": []}"#, problems: ["$.recipient: unknown key"]),
    ])
    func tells(_ row: Row) throws { #expect(try problems(in: row.configuration) == row.problems) }

    @Test("An alias may lead through ten others")
    func depth() async throws {
        func chain(_ length: Int) -> String {
            let aliases = (0..<length).map { #""a\#($0)@example.org": ["a\#($0 + 1)@example.org"]"# }
            return #"{"recipients": ["a\#(length)@example.org"], "aliases": {"# + aliases.joined(separator: ",") + "}}"
        }
        #expect(try await answer(for: "a0@example.org", chain(10)) == "replace a10@example.org")
        #expect(try problems(in: chain(11)) == [#"$.aliases["a0@example.org"]: leads through more than 10 aliases"#])
    }

    @Test("Aliases that fan out are followed once each")
    func fanOut() async throws {
        let levels = (0..<9).flatMap { level in
            (0..<10).map { name in
                let targets = (0..<10).map { #""a\#(level + 1)-\#($0)@example.org""# }.joined(separator: ",")
                return #""a\#(level)-\#(name)@example.org": [\#(targets)]"#
            }
        }
        let recipients = (0..<10).map { #""a9-\#($0)@example.org""# }.joined(separator: ",")
        let configuration = #"{"recipients": [\#(recipients)], "aliases": {\#(levels.joined(separator: ","))}}"#
        #expect(try await answer(for: "a0-0@example.org", configuration).split(separator: " ").count == 11)
    }
}

@Suite("StaticRecipients: the file of recipients")
struct RecipientFileTests {
    /// Runs a body with a configuration whose file has the given text.
    private func withFile(_ text: String, _ body: (String) async throws -> Void) async throws {
        let path = "/tmp/recipients-\(UInt64.random(in: 0...UInt64.max)).txt"
        #expect(FileManager.default.createFile(atPath: path, contents: Data(text.utf8)))
        do { try await body(#"{"file": "\#(path)"}"#) } catch { Issue.record(error) }
        try FileManager.default.removeItem(atPath: path)
    }

    @Test("One entry a line")
    func entries() async throws {
        let text = """
            # people
            ann@example.org   # the boss
              bob@example.org\t
            #hash@example.org
            x#y@example.org\r
            "odd: # name, really"@example.org

            info@example.org: ann@example.org , "odd: # name, really"@example.org
            @old.example.org: ann@example.org
            """
        try await self.withFile(text) { configuration in
            let answers: [(String, String)] = [
                ("ann@example.org", "found"), ("bob@example.org", "found"), ("hash@example.org", "not found"),
                ("x#y@example.org", "found"), ("\"odd: # name, really\"@example.org", "found"),
                ("info@example.org", "expand ann@example.org \"odd: # name, really\"@example.org"),
                ("anybody@old.example.org", "replace ann@example.org"),
            ]
            for (address, expected) in answers {
                let found = try await answer(for: address, configuration)
                #expect(found == expected)
            }
        }
    }

    @Test("Problems name the line")
    func problemLines() async throws {
        try await self.withFile("ann@example.org\n\nbad\ninfo@example.org: nobody@example.org, ,\nann@example.org\n") {
            let found = Set(try problems(in: $0))
            #expect(
                found == [
                    #"$.file: line 3: "bad" is not an address"#,
                    #"$.file: line 4: "" is not an address"#,
                    "$.file: line 4: leads to nobody@example.org, which does not exist",
                    "$.file: line 5: there is another entry for ann@example.org",
                ]
            )
        }
    }

    @Test("A file that is not there is a problem")
    func missing() throws {
        let found = try problems(in: #"{"file": "/nonexistent/recipients.txt"}"#)
        #expect(found.count == 1)
        #expect(found.first?.hasPrefix("$.file: cannot read") == true)
    }
}
