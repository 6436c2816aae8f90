import MailHubPlugin
import Testing

@Suite("RFC 5321 sections 3.3 and 3.9: recipients of the openldap profile")
struct OpenLDAPTests {
    static let entries = [
        entry(
            "cn=ann",
            [
                "objectClass": ["inetOrgPerson"], "mail": ["ann@example.org"],
                "mailAlternateAddress": ["a.smith@example.org"],
            ]
        ),
        entry(
            "cn=bob",
            [
                "objectClass": ["inetOrgPerson"], "mail": ["bob@elsewhere.example"],
                "mailLocalAddress": ["bob@example.org"],
            ]
        ),
        entry(
            "cn=cleo",
            [
                "objectClass": ["inetLocalMailRecipient"], "mailLocalAddress": ["cleo@example.org"],
                "mailRoutingAddress": ["cleo@elsewhere.example"],
            ]
        ),
        entry(
            "cn=dan",
            ["objectClass": ["inetLocalMailRecipient"], "mail": ["dan@example.org"], "mailHost": ["IMAP1.example.org"]]
        ),
        entry(
            "cn=eve",
            ["objectClass": ["inetLocalMailRecipient"], "mail": ["eve@example.org"], "mailHost": ["imap9.example.org"]]
        ),
        entry(
            "cn=fay",
            ["objectClass": ["inetLocalMailRecipient"], "mail": ["fay@example.org"], "mailRoutingAddress": ["x y"]]
        ),
        entry("cn=two1", ["mail": ["two@example.org"]]),
        entry("cn=two2", ["mailAlternateAddress": ["two@example.org"]]),
        entry("cn=gus", ["mail": ["gus@example.org"], "maxSize": ["1000"]]),
    ]

    @Test(arguments: [
        ("ann@example.org", "found"), ("ANN@Example.org", "found, replace ann@example.org"),
        ("a.smith@example.org", "found, replace ann@example.org"),
        ("bob@example.org", "found"),  // its primary address is elsewhere: mail stays here
        ("cleo@example.org", "found, replace cleo@elsewhere.example"),
        ("dan@example.org", "found, route store1"),
        (
            "eve@example.org",
            "unavailable: \"hosts\" has no route for mailHost imap9.example.org of cn=eve,dc=example,dc=org"
        ),
        ("fay@example.org", "unavailable: mailRoutingAddress of cn=fay,dc=example,dc=org is no address: x y"),
        (
            "two@example.org",
            "unavailable: the address belongs to 2 entries: cn=two1,dc=example,dc=org and cn=two2,dc=example,dc=org"
        ),
        ("gus@example.org", "found, size 1024000"),
        ("nobody@example.org", "not found"), ("ann@example.net", "not found"), ("ann@other.example", "next"),
        ("ann@[127.0.0.1]", "next"), ("*@example.org", "not found"),
    ])
    func recipients(_ address: String, _ expected: String) async throws {
        let fixture = try Fixture(
            ScriptedDirectory(Self.entries),
            """
            { "hosts": { "imap1.example.org": "store1" }, "attributes": { "sizeLimit": "maxSize", "sizeUnit": "1KiB" } }
            """
        )
        #expect(try await fixture.resolve(address) == expected)
    }

    @Test("a group's members go where they live; one of whom nobody knows where makes its mail wait")
    func membersHosts() async throws {
        let groups = [
            Self.group("staff", ["ann", "inner"]), Self.group("inner", ["dan", "cleo"]),
            Self.group("odd", ["ann", "eve"]),
            Self.group("housed", ["ann", "dan"], ["mailHost": ["imap2.example.org"]]),
            Self.group("twice", ["dan"], ["rfc822MailMember": ["dan@example.org"]]),
            entry(
                "cn=named",
                [
                    "objectClass": ["groupOfNames"], "mail": ["named@example.org"],
                    "rfc822MailMember": [
                        "dan@example.org", "A.Smith@example.org", "inner@example.org", "nobody@example.org",
                        "guest@elsewhere.example", "named@example.org",
                    ],
                ]
            ),
            entry(
                "cn=vague",
                [
                    "objectClass": ["groupOfNames"], "mail": ["vague@example.org"],
                    "rfc822MailMember": ["ann@example.org", "two@example.org"],
                ]
            ),
        ]
        let fixture = try Fixture(
            ScriptedDirectory(Self.entries + groups),
            #"{ "hosts": { "imap1.example.org": "store1", "imap2.example.org": "store2" } }"#
        )
        #expect(
            try await fixture.resolve("staff@example.org")
                == "found, expand ann@example.org dan@example.org cleo@elsewhere.example, dan@example.org by store1"
        )
        #expect(try await fixture.resolve("odd@example.org").hasPrefix("unavailable: \"hosts\" has no route"))
        // The group's own host is for those who have none.
        #expect(
            try await fixture.resolve("housed@example.org")
                == "found, route store2, expand ann@example.org dan@example.org, dan@example.org by store1"
        )
        // Members given by address, a group and itself among them.
        let members =
            "guest@elsewhere.example nobody@example.org dan@example.org ann@example.org cleo@elsewhere.example"
        #expect(
            try await fixture.resolve("named@example.org") == "found, expand \(members), dan@example.org by store1"
        )
        // Whose an address is cannot be said: it stays what it is.
        #expect(try await fixture.resolve("vague@example.org") == "found, expand two@example.org ann@example.org")
        #expect(
            try await fixture.resolve("twice@example.org")
                == "found, expand dan@example.org, dan@example.org by store1"
        )
    }

    @Test("aliases stay where they are not rewritten; hosts say nothing without routes")
    func withoutRules() async throws {
        let fixture = try Fixture(
            ScriptedDirectory(Self.entries),
            "{ \"rewriteAliases\": false, \"domains\": [\"example.org\"] }"
        )
        #expect(try await fixture.resolve("a.smith@example.org") == "found")
        #expect(try await fixture.resolve("eve@example.org") == "found")
        #expect(try await fixture.resolve("ann@example.net") == "next")
    }

    static let person = ["objectClass": ["inetOrgPerson"]]
    static func group(_ name: String, _ members: [String], _ more: [String: [String]] = [:]) -> DirectoryEntry {
        let names = members.map { "cn=\($0),dc=example,dc=org" }
        let own = ["objectClass": ["top", "groupOfNames"], "mail": ["\(name)@example.org"], "member": names]
        return entry("cn=\(name)", own.merging(more) { $1 })
    }
    static let groups =
        entries + [
            group("staff", ["ann", "bob", "team", "gone", "nomail"], ["owner": ["cn=dan,dc=example,dc=org"]]),
            group("team", ["cleo", "ann", "inner"], ["rfc822MailMember": ["guest@elsewhere.example"]]),
            group("inner", ["dan", "staff"]),  // a cycle
            entry("cn=nomail", ["objectClass": ["person"]]),
            group("empty", ["nomail"]),
            group("deep1", ["deep2"]), group("deep2", ["deep3"]), group("deep3", ["deep4"]), group("deep4", ["ann"]),
            group("byaddress", ["ann"], ["owner": ["boss@example.org"]]),
            group("ownerless", ["ann"], ["owner": ["cn=gone,dc=example,dc=org"]]),
        ]

    @Test(
        "RFC 5321 section 3.9.2: groups, nested and within limits",
        arguments: [
            (
                "staff@example.org",
                "found, expand ann@example.org bob@elsewhere.example guest@elsewhere.example cleo@elsewhere.example "
                    + "dan@example.org owner dan@example.org"
            ),
            ("empty@example.org", "not found"),
            ("deep2@example.org", "found, expand ann@example.org"),
            ("deep1@example.org", "unavailable: groups in cn=deep1,dc=example,dc=org are nested deeper than 3"),
            ("byaddress@example.org", "found, expand ann@example.org owner boss@example.org"),
            ("ownerless@example.org", "found, expand ann@example.org"),
        ]
    )
    func groups(_ address: String, _ expected: String) async throws {
        let fixture = try Fixture(ScriptedDirectory(Self.groups), "{ \"groups\": { \"depth\": 3, \"members\": 5 } }")
        #expect(try await fixture.resolve(address) == expected)
    }

    @Test("a group that is too large is the directory's fault, not the sender's")
    func tooLarge() async throws {
        let fixture = try Fixture(ScriptedDirectory(Self.groups), "{ \"groups\": { \"members\": 4 } }")
        #expect(
            try await fixture.resolve("staff@example.org")
                == "unavailable: the group cn=staff,dc=example,dc=org has more than 4 members"
        )
        let closed = try Fixture(ScriptedDirectory(Self.groups), "{ \"groups\": { \"expand\": false } }")
        #expect(try await closed.resolve("staff@example.org") == "found")
    }

    @Test("own filters: placeholders are escaped, and no address brings in another")
    func ownFilter() async throws {
        let directory = ScriptedDirectory([])
        let fixture = try Fixture(
            directory,
            "{ \"filter\": \"(&(uid={user})(dom={domain})(mail={address}){x}(y={)))\" }".replacing("{)))", with: "{))")
        )
        for address in ["ann@example.org", "\"*)(uid=*\"@example.org", "\"{address}\"@example.org"] {
            _ = try await fixture.resolve(address)
        }
        #expect(
            directory.searches.map(\.filter.description) == [
                "(&(uid=ann)(dom=example.org)(mail=ann@example.org){x}(y={))",
                "(&(uid=\\2a\\29\\28uid=\\2a)(dom=example.org)(mail=\\2a\\29\\28uid=\\2a@example.org){x}(y={))",
                "(&(uid={address})(dom=example.org)(mail={address}@example.org){x}(y={))",
            ]
        )
    }

    @Test(
        "mistakes in the configuration are told with their place",
        arguments: [
            (
                "{ \"domains\": [\"other.example\"] }",
                ["$.domains: mail for \"other.example\" is not taken by this hub"]
            ),
            ("{ \"filter\": \"(mail={address}\" }", ["$.filter: the brackets do not match"]),
            ("{ \"filter\": \"(mail=x)\" }", ["$.filter: finds the same entries for every address"]),
            (
                "{ \"attributes\": { \"addresses\": [\"a b\"] } }",
                [
                    "$.attributes.addresses: no attribute holds addresses",
                    "$.attributes.addresses[0]: \"a b\" is not an attribute's name",
                ]
            ),
            ("{ \"sync\": {}, \"survival\": \"0s\" }", ["$.sync: needs \"survival\""]),
            ("{ \"sync\": { \"interval\": \"1s\" } }", ["$.sync.interval: more often than once a minute"]),
            ("{ \"profil\": \"openldap\" }", ["$.profil: unknown key"]),
        ]
    )
    func mistakes(_ configuration: String, _ expected: [String]) {
        do {
            _ = try Fixture(ScriptedDirectory([]), configuration)
            Issue.record("nothing is wrong")
        } catch let mistakes as Fixture.ConfigurationMistakes {
            #expect(Set(mistakes.problems.map { "\($0.path): \($0.message)" }) == Set(expected))
        } catch {
            Issue.record(error)
        }
    }
}
