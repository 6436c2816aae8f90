import SASL
import Testing

@Suite("RFC 7628: OAUTHBEARER, and XOAUTH2")
struct TokenResponseTests {
    private static func step(_ mechanism: SASLMechanism, _ text: String) -> SASLStep {
        var server = SASLServer(mechanism, binding: SCRAMBinding(), nonce: [])
        return server.start(Array(text.replacing("^", with: "\u{1}").utf8))
    }

    @Test(
        "responses",
        arguments: [
            (
                SASLMechanism.oauthBearer,
                "n,a=user@example.com,^host=server.example.com^port=143^auth=Bearer vF9dft4qmT==^^",
                "user@example.com" as String?, "vF9dft4qmT=="
            ),
            (.oauthBearer, "n,,^auth=bearer a.b-c_d~e+f/^^", nil, "a.b-c_d~e+f/"),
            (.oauthBearer, "y,a=u=2Cs=3Der,^auth=Bearer x^^", "u,s=er", "x"),
            (.xoauth2, "user=ann@example.org^auth=Bearer ya29.vF9^^", "ann@example.org", "ya29.vF9"),
        ]
    )
    func responses(_ mechanism: SASLMechanism, _ text: String, _ user: String?, _ token: String) {
        guard case .checkToken(let claim) = Self.step(mechanism, text) else {
            Issue.record("\(Self.step(mechanism, text))")
            return
        }
        #expect(claim.user == user && claim.token == token)
    }

    @Test(
        "what is none",
        arguments: [
            "", "^", "^^", "n,,^^", "n,,^auth=Bearer x^", "n,,^auth=Bearer x", "p=tls-exporter,,^auth=Bearer x^^",
            "n,b=c,^auth=Bearer x^^", "n,,^auth=Basic x^^", "n,,^auth=Bearer^^", "n,,^auth=Bearer x y^^",
            "n,,^auth=Bearer x^auth=Bearer y^^", "n,,^auth=Bearer é^^", "n,^auth=Bearer x^^",
            "user=ann^auth=Bearer x^^",
            "n,a=,^auth=Bearer x^^",
        ]
    )
    func malformed(_ text: String) {
        guard case .malformed = Self.step(.oauthBearer, text) else {
            Issue.record("\(Self.step(.oauthBearer, text))")
            return
        }
    }

    @Test("S7628-3.2.3-01: a token that is refused: the client is told, and answers, whatever it is")
    func refused() {
        for answer in [[UInt8(1)], [], Array("anything".utf8)] {
            var server = SASLServer(.xoauth2, binding: SCRAMBinding(), nonce: [])
            #expect(server.start(nil) == .challenge([]))
            guard case .checkToken = server.respond(Array("user=ann\u{1}auth=Bearer x\u{1}\u{1}".utf8)) else {
                Issue.record("no token")
                return
            }
            guard case .challenge(let told) = server.tokenRefused() else {
                Issue.record("not told")
                return
            }
            #expect(String(decoding: told, as: UTF8.self).contains(#""status":"invalid_token""#))
            #expect(server.respond(answer) == .tokenEnded)
            guard case .malformed = server.respond(answer) else {
                Issue.record("not over")
                return
            }
        }
    }
}
