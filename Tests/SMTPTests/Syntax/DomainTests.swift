import SMTP
import Testing

@Suite("RFC 5321 section 4.1.2, RFC 5891 section 5: domain names")
struct DomainTests {
    @Test(
        "S5891-5-01, S5321-2.4-03: names compare in A-label form, whatever their case",
        arguments: [
            ("example.org", "EXAMPLE.Org", true), ("b\u{FC}cher.example", "xn--bcher-kva.example", true),
            ("b\u{FC}cher.example", "XN--BCHER-KVA.example", true), ("example.org", "example.com", false),
            ("bucher.example", "b\u{FC}cher.example", false),
        ]
    )
    func equality(_ first: String, _ second: String, _ isEqual: Bool) throws {
        let (one, other) = (try #require(Domain(first)), try #require(Domain(second)))
        #expect((one == other) == isEqual)
        #expect(one.text == first, "the spelling is kept")
    }

    @Test(
        "S5321-4.1.2-07, S5321-4.5.3.1.2-01: what is no domain name",
        arguments: [
            "", ".", "a.", ".a", "a..b", "-a.example", "a-.example", "a_b.example", "a b.example", "a\0.example",
            String(repeating: "a", count: 64) + ".example",
            [String](repeating: "abcdefg", count: 33).joined(separator: "."),
            "#12345", "[192.0.2.1]", "a\u{2028}b.example",
        ]
    )
    func malformed(_ text: String) { #expect(Domain(text) == nil) }
}
