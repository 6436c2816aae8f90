import Testing

@testable import Delivery

@Suite("RFC 8461: records and policies")
struct STSPolicyTests {
    @Test(
        "S8461-3.1-01: exactly one record, v first, an id",
        arguments: [
            (["v=STSv1; id=20160831085700Z;"], "20160831085700Z"), (["v=STSv1;id=a"], "a"),
            (["v=STSv1 ; x=y ; id=b ;"], "b"), (["v=spf1 -all", "v=STSv1; id=1"], "1"),
            (["v=STSv10; id=2", "v=STSv1; id=1"], "1"),
        ] as [([String], String)]
    )
    func records(_ texts: [String], _ id: String) { #expect(STSRecord(texts)?.id == id) }

    @Test(arguments: [
        [], ["v=spf1"], ["id=1; v=STSv1"], ["v=STSv1"], ["v=STSv1;"], ["v=STSv1; id="], ["v=STSv1; id=a-b"],
        ["v=STSv1; id=\(String(repeating: "a", count: 33))"], ["v=STSv1; id=1", "v=STSv1; id=1"], ["V=STSv1; id=1"],
        ["v=STSv1; id=é"],
    ])
    func `No record`(_ texts: [String]) { #expect(STSRecord(texts) == nil) }

    private static let good =
        "version: STSv1\r\nmode: enforce\r\nmx: mail.example.com\r\nmx: *.example.net\r\nmax_age: 604800\r\n"

    @Test("S8461-3.2-01: version, mode, max_age, mx")
    func policy() throws {
        let policy = try STSPolicy(Self.good.utf8)
        #expect(policy.mode == .enforce && policy.maximumAge == 604_800)
        #expect(policy.hosts == ["mail.example.com", "*.example.net"])
        // Line ends, order and unknown fields do not matter; of several the first one counts.
        let other = "mx:MX.Example.com\nmax_age:\t99999999999\n".replacing("99999999999", with: "9999999999")
        let text = other + "x-y: z\nmode: testing\nmode: enforce\nversion:STSv1"
        let second = try STSPolicy(text.utf8)
        #expect(second.mode == .testing && second.maximumAge == 31_557_600 && second.hosts == ["mx.example.com"])
        #expect(try STSPolicy("version: STSv1\nmode: none\nmax_age: 60\n".utf8).mode == .none)
    }

    @Test(arguments: [
        "", "hello", "mode: enforce\nmx: a.example\nmax_age: 1",
        "version: STSv2\nmode: enforce\nmx: a.example\nmax_age: 1",
        "version: STSv1\nmode: Enforce\nmx: a.example\nmax_age: 1", "version: STSv1\nmode: enforce\nmax_age: 1",
        "version: STSv1\nmode: enforce\nmx: a.example", "version: STSv1\nmode: enforce\nmx: a.example\nmax_age: -1",
        "version: STSv1\nmode: enforce\nmx: a.example\nmax_age: 1e3",
        "version: STSv1\nmode: enforce\nmx: *\nmax_age: 1",
        "version: STSv1\nmode: enforce\nmx: a.*.example\nmax_age: 1",
        "version: STSv1\nmode: enforce\nmx: .example\nmax_age: 1",
        "version: STSv1\nmode: enforce\nmx: a.example\nmax_age: 12345678901",
        "version: STSv1\nmode: enforce\nmx: a.example\nmax_age: 1\n\u{0}\u{1}",
    ])
    func `No policy`(_ text: String) {
        #expect(throws: STSPolicy.Malformed.self) { try STSPolicy(text.utf8) }
    }

    @Test(
        "S8461-4.1-01: a wildcard is one label",
        arguments: [
            ("mail.example.com", true), ("MAIL.example.com.", true), ("a.example.net", true), ("example.net", false),
            ("a.b.example.net", false), (".example.net", false), ("mail.example.com.evil.test", false), ("", false),
            ("example.com", false),
        ]
    )
    func hosts(_ host: String, _ isAllowed: Bool) throws {
        #expect(try STSPolicy(Self.good.utf8).allows(host) == isAllowed)
    }
}
