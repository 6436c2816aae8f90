import Foundation
import JWTKit
package import SASL

/// Which tokens a site takes.
package struct TokenSettings: Hashable, Sendable {
    /// Who must have issued it: `iss`.
    package var issuer: String
    /// Whom it must be for: one of `aud`.
    package var audience: String
    /// The claim that names the user.
    package var userClaim: String
    /// What it must allow: one of the words of `scope` or `scp`; `nil` for whatever it allows.
    package var scope: String?
    /// Where the issuer's keys are.
    package var keysPath: String

    package init(issuer: String, audience: String, userClaim: String, scope: String? = nil, keysPath: String) {
        self.issuer = issuer
        self.audience = audience
        self.userClaim = userClaim
        self.scope = scope
        self.keysPath = keysPath
    }
}

/// Checks tokens (JWT, RFC 7519) with the keys of their issuer; the keys may change under way.
package actor TokenVerifier {
    package nonisolated let settings: TokenSettings
    private var keys: KeySet
    /// Made of the keys when it is first needed.
    private var collection: JWTKeyCollection?

    /// With a public key (RFC 7518 section 3.1, RFC 8037).
    private static let algorithms: Set = [
        "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA",
    ]
    /// How far clocks may be apart, in seconds.
    private static let leeway = 60.0

    package init(_ settings: TokenSettings, keys: KeySet) {
        self.settings = settings
        self.keys = keys
    }

    /// Takes other keys into use.
    package func replace(with keys: KeySet) {
        self.keys = keys
        self.collection = nil
    }

    /// Says whom a token is for.
    ///
    /// - Parameter now: seconds since 1970.
    package func verify(_ token: String, now: Double) async -> TokenVerdict {
        let claims: Claims
        do {
            // The library goes by the key alone; a header that says otherwise is nobody's mistake (RFC 8725 section 3.1).
            let header = try DefaultJWTParser().parse(Array(token.utf8), as: Claims.self).header
            guard Self.algorithms.contains(header.alg ?? "") else { return .invalid("an algorithm that is not taken") }
            claims = try await self.signers().verify(token, as: Claims.self)
        } catch {
            return .invalid("not signed with one of the issuer's keys")
        }
        guard let expires = claims.number("exp") else { return .invalid("the token has no end") }
        guard expires > now - Self.leeway else { return .invalid("the token has expired") }
        if let begins = claims.number("nbf"), begins > now + Self.leeway {
            return .invalid("the token is not valid yet")
        }
        guard claims.texts("iss") == [self.settings.issuer] else { return .invalid("another issuer's token") }
        guard claims.texts("aud").contains(self.settings.audience) else { return .invalid("a token for somebody else") }
        if let scope = self.settings.scope {
            let words = (claims.texts("scope") + claims.texts("scp")).flatMap { $0.split(separator: " ") }
            guard words.contains(scope[...]) else { return .invalid("a token for something else") }
        }
        let names = claims.texts(self.settings.userClaim)
        guard names.count == 1, let name = names.first, let user = Prepared.text(name) else {
            return .invalid("no claim \(self.settings.userClaim)")
        }
        return .valid(user: user)
    }

    private func signers() async -> JWTKeyCollection {
        if let collection = self.collection { return collection }
        let collection = JWTKeyCollection()
        for key in self.keys.keys { _ = try? await collection.add(jwk: key) }
        self.collection = collection
        return collection
    }
}

/// What a token says, as far as it is text or numbers.
private struct Claims: JWTPayload {
    private enum Value {
        case number(Double)
        case texts([String])
    }
    private struct Name: CodingKey {
        let stringValue: String
        var intValue: Int? { nil }
        init(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }
    private var values: [String: Value] = [:]

    init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: Name.self)
        for name in container.allKeys {
            if let text = try? container.decode(String.self, forKey: name) {
                self.values[name.stringValue] = .texts([text])
            } else if let number = try? container.decode(Double.self, forKey: name) {
                self.values[name.stringValue] = .number(number)
            } else if let texts = try? container.decode([String].self, forKey: name) {
                self.values[name.stringValue] = .texts(texts)
            }
        }
    }

    func encode(to encoder: any Encoder) throws {
        throw EncodingError.invalidValue(self, .init(codingPath: [], debugDescription: "tokens are only read"))
    }

    /// The claims are looked at by the verifier, which knows the time.
    func verify(using algorithm: some JWTAlgorithm) async throws {}

    func number(_ name: String) -> Double? {
        guard case .number(let value) = self.values[name], value.isFinite else { return nil }
        return value
    }

    /// The texts of a claim; none where it has no text.
    func texts(_ name: String) -> [String] {
        guard case .texts(let texts) = self.values[name] else { return [] }
        return texts
    }
}
