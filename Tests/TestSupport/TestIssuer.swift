import Foundation

/// An identity provider of a test's own: keys and tokens (RFC 7515, RFC 7517), made with the `openssl` command.
public final class TestIssuer: Sendable {
    /// How it signs.
    public enum Algorithm: String, Sendable, CaseIterable { case rs256 = "RS256", es256 = "ES256" }
    /// The name of its key.
    public let keyIdentifier: String
    private let algorithm: Algorithm
    private let folder: URL
    private let openssl: Peer

    /// Makes a key; `nil` where there is no openssl command.
    public init?(folder: URL, _ algorithm: Algorithm, keyIdentifier: String = "k1") throws {
        guard let openssl = try Peer.find("openssl") else { return nil }
        self.openssl = openssl
        self.algorithm = algorithm
        self.keyIdentifier = keyIdentifier
        self.folder = folder.appending(path: "issuer-\(keyIdentifier)-\(algorithm.rawValue)")
        try FileManager.default.createDirectory(at: self.folder, withIntermediateDirectories: true)
        let kind =
            algorithm == .rs256
            ? ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"]
            : ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]
        try self.run(["genpkey", "-out", "key.pem"] + kind)
    }

    /// Its public key (RFC 7517 section 4).
    public func publicKey() throws -> [String: String] {
        var key = ["kid": self.keyIdentifier, "use": "sig", "alg": self.algorithm.rawValue]
        switch self.algorithm {
        case .rs256:
            let text = try self.run(["rsa", "-in", "key.pem", "-noout", "-modulus"])
            let digits = text.drop { $0 != "=" }.dropFirst().filter(\.isHexDigit)
            key.merge(["kty": "RSA", "n": Self.base64URL(Self.octets(String(digits))), "e": "AQAB"]) { $1 }
        case .es256:
            try self.run(["pkey", "-in", "key.pem", "-pubout", "-outform", "DER", "-out", "public.der"])
            let point = try Data(contentsOf: self.folder.appending(path: "public.der")).suffix(64)
            key.merge(
                [
                    "kty": "EC", "crv": "P-256", "x": Self.base64URL(point.prefix(32)),
                    "y": Self.base64URL(point.suffix(32)),
                ]
            ) { $1 }
        }
        return key
    }

    /// A JWK Set with the public keys of some issuers.
    public static func keySet(_ issuers: [TestIssuer]) throws -> Data {
        try JSONSerialization.data(withJSONObject: ["keys": try issuers.map { try $0.publicKey() }])
    }

    /// A token (RFC 7519).
    ///
    /// - Parameter header: replaces parts of its header.
    public func token(_ claims: [String: Any], header more: [String: Any] = [:]) throws -> String {
        var header: [String: Any] = ["typ": "JWT", "alg": self.algorithm.rawValue, "kid": self.keyIdentifier]
        header.merge(more) { $1 }
        let parts = try [header, claims].map { Self.base64URL(try JSONSerialization.data(withJSONObject: $0)) }
        let signed = parts.joined(separator: ".")
        let (input, output) = (
            self.folder.appending(path: "\(UUID()).in"), self.folder.appending(path: "\(UUID()).out")
        )
        try Data(signed.utf8).write(to: input)
        try self.run(["dgst", "-sha256", "-sign", "key.pem", "-out", output.path, input.path])
        let signature = try Data(contentsOf: output)
        return signed + "." + Self.base64URL(self.algorithm == .rs256 ? signature : Self.raw(signature))
    }

    /// The two numbers of an ECDSA signature, without ASN.1 (RFC 7518 section 3.4).
    private static func raw(_ signature: Data) -> Data {
        var rest = Array(signature.dropFirst(2))[...]
        var result = Data()
        for _ in 0..<2 {
            let length = Int(rest.dropFirst().first ?? 0)
            let number = rest.dropFirst(2).prefix(length).drop { $0 == 0 }
            result += Data(repeating: 0, count: 32 - number.count) + number
            rest = rest.dropFirst(2 + length)
        }
        return result
    }

    private static func octets(_ digits: String) -> Data {
        var result = Data()
        var rest = digits[...]
        while rest.count >= 2 {
            result.append(UInt8(rest.prefix(2), radix: 16) ?? 0)
            rest = rest.dropFirst(2)
        }
        return result
    }

    private static func base64URL(_ data: Data) -> String {
        data.base64EncodedString().replacing("+", with: "-").replacing("/", with: "_").replacing("=", with: "")
    }

    @discardableResult
    private func run(_ arguments: [String]) throws -> String {
        let ending = try Ending.of(self.openssl.executable, arguments, folder: self.folder, together: false)
        guard ending.status == 0 else { throw PeerFailure("openssl \(arguments): \(ending.complaints)") }
        return ending.output
    }
}
