import Foundation
import JWTKit

/// The public keys of an identity provider: a JWK Set (RFC 7517 section 5).
package struct KeySet: Sendable {
    /// Why a file is none.
    package struct Problem: Error, Hashable, CustomStringConvertible {
        package let description: String

        package init(description: String) { self.description = description }
    }
    let keys: [JWK]
    /// How many there are.
    package var count: Int { self.keys.count }

    private static let mostKeys = 100

    /// Reads a set; keys of other kinds, and those that are for something else, are passed over (RFC 7517 section 5).
    package init(_ json: [UInt8]) throws(Problem) {
        guard let object = try? JSONSerialization.jsonObject(with: Data(json)) as? [String: Any],
            let entries = object["keys"] as? [[String: Any]]
        else { throw Problem(description: "is no JWK Set: an object with an array \"keys\"") }
        guard entries.count <= Self.mostKeys else { throw Problem(description: "has more than \(Self.mostKeys) keys") }
        var keys: [JWK] = []
        for entry in entries where Self.isForSignatures(entry) {
            // A key that the provider signs with and keeps to itself has no place here.
            guard entry["d"] == nil, entry["k"] == nil else {
                throw Problem(description: "holds a secret key: it must hold public keys alone")
            }
            guard let data = try? JSONSerialization.data(withJSONObject: entry),
                let key = try? JSONDecoder().decode(JWK.self, from: data), key.keyIdentifier != nil,
                Self.isUsable(key)
            else { continue }
            keys.append(key)
        }
        guard !keys.isEmpty else {
            throw Problem(
                description: "has no whole RSA (from 2048 bits), EC or Ed25519 key for signatures with a \"kid\""
            )
        }
        self.keys = keys
    }

    private static func isForSignatures(_ entry: [String: Any]) -> Bool {
        (entry["use"] as? String ?? "sig") == "sig" && ["RSA", "EC", "OKP"].contains(entry["kty"] as? String)
    }

    /// Whether a key has the members of its kind, with values that can be (RFC 7518 section 6, RFC 8037 section 2).
    private static func isUsable(_ key: JWK) -> Bool {
        switch key.keyType {
        case .rsa:
            guard let modulus = key.modulus, let exponent = key.exponent else { return false }
            return (try? Insecure.RSA.PublicKey(modulus: modulus, exponent: exponent)) != nil
        case .ecdsa:
            guard let x = key.x, let y = key.y else { return false }
            return switch key.curve?.rawValue {
            case "P-256": (try? ES256PublicKey(parameters: (x, y))) != nil
            case "P-384": (try? ES384PublicKey(parameters: (x, y))) != nil
            case "P-521": (try? ES512PublicKey(parameters: (x, y))) != nil
            default: false
            }
        case .octetKeyPair:
            guard let x = key.x, key.curve?.rawValue == EdDSACurve.ed25519.rawValue else { return false }
            return (try? EdDSA.PublicKey(x: x, curve: .ed25519)) != nil
        default: return false
        }
    }
}
