package import TransportSecurity

/// One exchange of SCRAM-SHA-256, seen from the client, which is bound to no channel (RFC 5802, 7677).
package struct SCRAMClient: Sendable {
    /// The server says what it must not, or does not know the password either.
    package struct Refused: Error, Hashable, CustomStringConvertible {
        package let description: String
    }
    private let firstBare: [UInt8]
    private let nonce: [UInt8]
    private var serverFirst: [UInt8] = []
    private var wholeNonce: [UInt8] = []
    private var serverSignature: [UInt8] = []

    /// `gs2-header`: no channel binding, no other identity.
    private static let header = Array("n,,".utf8)

    /// - Parameters:
    ///   - user: prepared, as `Prepared.text` gives it.
    ///   - nonce: printable ASCII without commas, fresh for each exchange.
    package init(user: String, nonce: [UInt8]) {
        self.nonce = nonce
        self.firstBare = Array("n=\(SCRAMSyntax.escaped(user)),r=".utf8) + nonce
    }

    /// `client-first-message`.
    package var first: [UInt8] { Self.header + self.firstBare }

    /// Takes `server-first-message`.
    ///
    /// - Returns: with what the password is to be salted.
    package mutating func challenged(by octets: [UInt8]) throws(Refused) -> (salt: [UInt8], iterations: Int) {
        let parts = octets.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false)
        guard parts.count >= 3, let nonce = SCRAMSyntax.attribute("r", parts[0]),
            let salt = SCRAMSyntax.attribute("s", parts[1]).flatMap({ Base64.decode($0) }), !salt.isEmpty,
            let iterations = SCRAMSyntax.attribute("i", parts[2]).flatMap({ Int(String(decoding: $0, as: UTF8.self)) })
        else { throw Refused(description: "malformed SCRAM challenge") }
        guard nonce.starts(with: self.nonce), nonce.count > self.nonce.count else {
            throw Refused(description: "the SCRAM challenge is for somebody else")
        }
        // Few make the password easy to guess for whoever pretends to be the server; many would keep us busy.
        guard SCRAMKeys.iterationRange.contains(iterations) else {
            throw Refused(description: "SCRAM with \(iterations) iterations")
        }
        self.serverFirst = octets
        self.wholeNonce = Array(nonce)
        return (salt, iterations)
    }

    /// `client-final-message`.
    ///
    /// - Parameter salted: what PBKDF2 makes of the password, as the challenge wants it.
    package mutating func answer(salted: [UInt8]) throws(Digest.Failure) -> [UInt8] {
        let withoutProof = Array("c=\(Base64.encode(Self.header)),r=".utf8) + self.wholeNonce
        let comma = [UInt8(ascii: ",")]
        let message = self.firstBare + comma + self.serverFirst + comma + withoutProof
        let clientKey = try Digest.hmacSHA256(key: salted, Array("Client Key".utf8))
        let signature = try Digest.hmacSHA256(key: try Digest.sha256(clientKey), message)
        let serverKey = try Digest.hmacSHA256(key: salted, Array("Server Key".utf8))
        self.serverSignature = try Digest.hmacSHA256(key: serverKey, message)
        let proof = zip(clientKey, signature).map { $0 ^ $1 }
        return withoutProof + Array(",p=\(Base64.encode(proof))".utf8)
    }

    /// Takes `server-final-message`: the server has to show that it knows the password, too.
    package func concluded(by octets: [UInt8]) throws(Refused) {
        let first = octets.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false).first ?? []
        guard let signature = SCRAMSyntax.attribute("v", first).flatMap({ Base64.decode($0) }),
            !self.serverSignature.isEmpty,
            Digest.areEqual(signature, self.serverSignature)
        else { throw Refused(description: "the server does not know the password") }
    }
}
