import Foundation
import OAuth
import SASL
import TestSupport
import Testing

@Suite("RFC 7519: which tokens are taken")
struct TokenTests {
    /// Changes to the claims of a right token, and what is said of it; `nil` for the user.
    struct Row: Sendable, CustomTestStringConvertible {
        let testDescription: String
        var claims: [String: Claim] = [:]
        var refusal: String?
        var user = "ann@example.org"

        init(_ name: String, _ claims: [String: Claim] = [:], refusal: String? = nil, user: String = "ann@example.org")
        {
            self.testDescription = name
            self.claims = claims
            self.refusal = refusal
            self.user = user
        }
    }
    enum Claim: Sendable {
        case text(String), number(Double), texts([String]), absent
        var value: Any? {
            switch self {
            case .text(let text): text
            case .number(let number): number
            case .texts(let texts): texts
            case .absent: nil
            }
        }
    }
    private static let now = 1_800_000_000.0

    static let rows = [
        Row("right"), Row("several audiences", ["aud": .texts(["web", "mailhub"])]),
        Row("no audience", ["aud": .absent], refusal: "for somebody else"),
        Row("another audience", ["aud": .text("mailhub2")], refusal: "for somebody else"),
        Row("another issuer", ["iss": .text("https://evil.example")], refusal: "another issuer"),
        Row("no issuer", ["iss": .absent], refusal: "another issuer"),
        Row("expired", ["exp": .number(Self.now - 61)], refusal: "expired"),
        Row("expired just now: clocks differ", ["exp": .number(Self.now - 59)]),
        Row("no end", ["exp": .absent], refusal: "no end"),
        Row("the end is text", ["exp": .text("x")], refusal: "no end"),
        Row("not valid yet", ["nbf": .number(Self.now + 61)], refusal: "not valid yet"),
        Row("valid now", ["nbf": .number(Self.now + 59)]),
        Row("no scope", ["scope": .absent], refusal: "something else"),
        Row("another scope", ["scope": .text("smtp2 imap")], refusal: "something else"),
        Row("scope as Azure has it", ["scope": .absent, "scp": .texts(["imap", "smtp"])]),
        Row("no user", ["email": .absent], refusal: "no claim email"),
        Row("two users", ["email": .texts(["a", "b"])], refusal: "no claim email"),
        Row("a user that is none", ["email": .text("a\u{0}b")], refusal: "no claim email"),
        Row("another user", ["email": .text("bob@example.org")], user: "bob@example.org"),
    ]

    private static func claims(_ changes: [String: Claim] = [:]) -> [String: Any] {
        var claims: [String: Any] = [
            "iss": "https://idp.example.org", "aud": "mailhub", "exp": Self.now + 600, "sub": "1234",
            "email": "ann@example.org", "scope": "openid smtp", "nested": ["a": [1]],
        ]
        for (name, claim) in changes { claims[name] = claim.value }
        return claims
    }

    private static func verifier(_ issuers: [TestIssuer]) throws -> TokenVerifier {
        let settings = TokenSettings(
            issuer: "https://idp.example.org",
            audience: "mailhub",
            userClaim: "email",
            scope: "smtp",
            keysPath: "keys.json"
        )
        return TokenVerifier(settings, keys: try KeySet([UInt8](try TestIssuer.keySet(issuers))))
    }

    @Test("claims", arguments: TestIssuer.Algorithm.allCases)
    func claims(_ algorithm: TestIssuer.Algorithm) async throws {
        let directory = try TemporaryDirectory()
        guard let issuer = try TestIssuer(folder: directory.url, algorithm) else { return }
        let verifier = try Self.verifier([issuer])
        for row in Self.rows {
            let token = try issuer.token(Self.claims(row.claims))
            let verdict = await verifier.verify(token, now: Self.now)
            switch (verdict, row.refusal) {
            case (.valid(let user), nil): #expect(user == row.user, "\(row.testDescription)")
            case (.invalid(let reason), let refusal?):
                #expect(reason.contains(refusal), "\(row.testDescription): \(reason)")
            default: Issue.record("\(row.testDescription): \(verdict)")
            }
        }
    }

    @Test("forged tokens")
    func forged() async throws {
        let directory = try TemporaryDirectory()
        guard let issuer = try TestIssuer(folder: directory.url, .rs256),
            let second = try TestIssuer(folder: directory.url, .es256, keyIdentifier: "k2"),
            let stranger = try TestIssuer(folder: directory.url, .rs256, keyIdentifier: "k1x")
        else { return }
        let verifier = try Self.verifier([issuer, second])
        let right = try issuer.token(Self.claims())
        #expect(await verifier.verify(right, now: Self.now) == .valid(user: "ann@example.org"))
        #expect(
            await verifier.verify(try second.token(Self.claims()), now: Self.now) == .valid(user: "ann@example.org")
        )
        let parts = right.split(separator: ".").map(String.init)
        let other = try issuer.token(Self.claims(["email": .text("bob@example.org")])).split(separator: ".").map(
            String.init
        )
        let none = Data(#"{"alg":"none","typ":"JWT"}"#.utf8).base64EncodedString().replacing("=", with: "")
        let forgeries = [
            "", "x", "..", "a.b.c", parts[0] + "." + parts[1], parts[0] + "." + parts[1] + ".",
            parts[0] + "." + other[1] + "." + parts[2], none + "." + parts[1] + ".",
            none + "." + parts[1] + "." + parts[2],
            try stranger.token(Self.claims()), try stranger.token(Self.claims(), header: ["kid": "k1"]),
            try issuer.token(Self.claims(), header: ["kid": "k2"]),
            try issuer.token(Self.claims(), header: ["alg": "HS256"]),
            try issuer.token(Self.claims(), header: ["alg": "none"]), right + "." + parts[2],
            try issuer.token(Self.claims(), header: ["crit": ["exp"]]),
            try issuer.token(Self.claims(), header: ["crit": 1]),
            String(repeating: "a", count: 5000),
        ]
        for forgery in forgeries {
            guard case .invalid = await verifier.verify(forgery, now: Self.now) else {
                Issue.record("taken: \(forgery)")
                continue
            }
        }
        // Keys may be replaced while tokens are checked.
        await verifier.replace(with: try KeySet([UInt8](try TestIssuer.keySet([second]))), stamp: nil)
        guard case .invalid = await verifier.verify(right, now: Self.now) else {
            Issue.record("a key that is gone")
            return
        }
    }

    @Test("keys that do not say their algorithm, as Entra ID has them: a forged token does not tie them to another one")
    func withoutAlgorithm() async throws {
        let directory = try TemporaryDirectory()
        guard let issuer = try TestIssuer(folder: directory.url, .rs256) else { return }
        var key = try issuer.publicKey()
        key["alg"] = nil
        let keys = try KeySet([UInt8](try JSONSerialization.data(withJSONObject: ["keys": [key]])))
        let settings = TokenSettings(
            issuer: "https://idp.example.org",
            audience: "mailhub",
            userClaim: "email",
            keysPath: "keys.json"
        )
        let verifier = TokenVerifier(settings, keys: keys)
        for algorithm in ["PS256", "RS512", "ES256", "EdDSA"] {
            let forged = try issuer.token(Self.claims(), header: ["alg": algorithm])
            guard case .invalid = await verifier.verify(forged, now: Self.now) else {
                Issue.record("\(algorithm) is taken")
                continue
            }
        }
        let token = try issuer.token(Self.claims())
        #expect(await verifier.verify(token, now: Self.now) == .valid(user: "ann@example.org"))
    }

    @Test(
        "files that are no key sets",
        arguments: [
            "", "[]", "{}", #"{"keys":[]}"#, #"{"keys":[{"kty":"oct","kid":"a","alg":"HS256"}]}"#,
            #"{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB"}]}"#, #"{"keys":[{"kty":"RSA","kid":"a","use":"enc"}]}"#,
            #"{"keys":[{"kty":"EC","kid":"a","crv":"P-256","x":"AA","y":"AA","d":"AA"}]}"#,
            #"{"keys":[{"kty":"RSA","kid":"a","alg":"RS256"}]}"#,
            #"{"keys":[{"kty":"RSA","kid":"a","n":"AQAB","e":"AQAB"}]}"#,
            #"{"keys":[{"kty":"EC","kid":"a","crv":"P-256","x":"AA","y":"AA"}]}"#,
            #"{"keys":[{"kty":"EC","kid":"a"}]}"#,
            #"{"keys":[{"kty":"OKP","kid":"a","crv":"Ed25519"}]}"#,
            #"{"keys":[{"kty":"OKP","kid":"a","crv":"X25519","x":"AA"}]}"#,
        ]
    )
    func keySets(_ text: String) { #expect(throws: KeySet.Problem.self) { try KeySet(Array(text.utf8)) } }
}
