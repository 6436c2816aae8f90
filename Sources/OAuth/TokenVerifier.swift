import Foundation
import JWTKit
package import SASL
package import TransportSecurity

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
    /// The file's, when the keys were read.
    package private(set) var stamp: FileStamp?
    /// How often the keys were replaced.
    private var generation = 0
    /// The keys as the library wants them, made when an algorithm is first asked for.
    private var signers: [String: JWTKeyCollection] = [:]

    /// With a public key (RFC 7518 section 3.1, RFC 8037), and the kind of that.
    private static let algorithms: [String: JWK.KeyType] = [
        "RS256": .rsa, "RS384": .rsa, "RS512": .rsa, "PS256": .rsa, "PS384": .rsa, "PS512": .rsa,
        "ES256": .ecdsa, "ES384": .ecdsa, "ES512": .ecdsa, "EdDSA": .octetKeyPair,
    ]
    /// How far clocks may be apart, in seconds.
    private static let leeway = 60.0

    /// - Parameter stamp: the file's, taken before the keys were read; `nil` where it is no matter whether that changes.
    package init(_ settings: TokenSettings, keys: KeySet, stamp: FileStamp? = nil) {
        self.settings = settings
        self.keys = keys
        self.stamp = stamp
    }

    /// Takes over the keys of another one: sessions that know this one go by them, too.
    package func replace(with other: TokenVerifier) async {
        let (keys, stamp) = await (other.keys, other.stamp)
        self.replace(with: keys, stamp: stamp)
    }

    /// Takes other keys into use.
    package func replace(with keys: KeySet, stamp: FileStamp?) {
        self.keys = keys
        self.stamp = stamp
        self.generation += 1
        self.signers = [:]
    }

    /// Says whom a token is for.
    ///
    /// - Parameter now: seconds since 1970.
    package func verify(_ token: String, now: Double) async -> TokenVerdict {
        let claims: Claims
        do {
            let header = try DefaultJWTParser().parse(Array(token.utf8), as: Claims.self).header
            guard let algorithm = header.alg, let kind = Self.algorithms[algorithm] else {
                return .invalid("an algorithm that is not taken")
            }
            // What must be understood, and is not (RFC 7515 section 4.1.11).
            guard header.fields["crit"] == nil else { return .invalid("an extension that is not known") }
            let keys = self.keys(algorithm, kind)
            // For a key that it does not know, the library takes another one.
            guard header.kid == nil || keys.contains(where: { $0.keyIdentifier?.string == header.kid }) else {
                return .invalid("signed with a key that the issuer does not have")
            }
            claims = try await self.signers(algorithm, keys).verify(token, as: Claims.self)
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

    /// The keys that may sign with an algorithm (RFC 8725 section 3.1).
    private func keys(_ algorithm: String, _ kind: JWK.KeyType) -> [JWK] {
        self.keys.keys.filter {
            $0.keyType == kind && ($0.algorithm == nil || $0.algorithm?.rawValue == algorithm)
        }
    }

    /// The keys for an algorithm, as the library wants them.
    ///
    /// The library ties a key that does not say its algorithm to that of the first token it sees, a forged one, too; so each
    /// algorithm has keys of its own.
    private func signers(_ algorithm: String, _ keys: [JWK]) async -> JWTKeyCollection {
        if let known = self.signers[algorithm] { return known }
        let (collection, generation) = (JWTKeyCollection(), self.generation)
        for var key in keys {
            key.algorithm = JWK.Algorithm(rawValue: algorithm)
            _ = try? await collection.add(jwk: key)
        }
        // The keys may have been replaced meanwhile: then this serves the present token alone.
        if generation == self.generation { self.signers[algorithm] = collection }
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
