import SMTP
import Testing

@Suite("RFC 3461 section 4: xtext")
struct XtextTests {
    @Test(arguments: [
        ["", ""], ["QQ314159", "QQ314159"], ["a+b=c", "a+2Bb+3Dc"], ["two words", "two+20words"],
        ["tab\tü", "tab+09+C3+BC"], ["!~", "!~"], ["\u{7F}\r\n", "+7F+0D+0A"],
    ])
    func roundTrip(_ row: [String]) {
        #expect(Xtext.encode(row[0]) == row[1])
        #expect(Xtext.decode(row[1]) == row[0])
    }

    @Test("What is no xtext has no meaning", arguments: ["+", "+2", "+2G", "a=b", "a b", "ü", "+ 2"])
    func malformed(_ text: String) { #expect(Xtext.decode(text) == nil) }

    @Test("Lower-case digits are taken, and odd octets replaced")
    func lenient() {
        #expect(Xtext.decode("+2b") == "+")
        #expect(Xtext.decode("+FF") == "\u{FFFD}")
    }
}
