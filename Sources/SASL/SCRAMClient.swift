package import TransportSecurity

/// What a client's exchange is tied to (RFC 5802 section 6).
package enum SCRAMClientBinding: Hashable, Sendable {
    /// To nothing: this side has nothing to bind it to.
    case none
    /// To nothing, because the server has not offered it; it is told so, that nobody in between can have taken the offer away.
    case notOffered
    /// To the TLS connection.
    case bound(ChannelBinding, [UInt8])

    /// `gs2-header`, without another identity.
    fileprivate var header: [UInt8] {
        switch self {
        case .none: Array("n,,".utf8)
        case .notOffered: Array("y,,".utf8)
        case .bound(let kind, _): Array("p=\(kind.rawValue),,".utf8)
        }
    }

    fileprivate var data: [UInt8] { if case .bound(_, let data) = self { data } else { [] } }
}

/// One exchange of SCRAM-SHA-256 or SCRAM-SHA-256-PLUS, seen from the client (RFC 5802, 7677).
package struct SCRAMClient: Sendable {
    /// The server says what it must not, or does not know the password either.
    package struct Refused: Error, Hashable, CustomStringConvertible {
        package let description: String
    }
    private let binding: SCRAMClientBinding
    private let firstBare: [UInt8]
    private let nonce: [UInt8]
    private var serverFirst: [UInt8] = []
    private var wholeNonce: [UInt8] = []
    private var serverSignature: [UInt8] = []

    /// - Parameters:
    ///   - user: prepared, as `Prepared.text` gives it.
    ///   - nonce: printable ASCII without commas, fresh for each exchange.
    package init(user: String, nonce: [UInt8], binding: SCRAMClientBinding = .none) {
        self.binding = binding
        self.nonce = nonce
        self.firstBare = Array("n=\(SCRAMSyntax.escaped(user)),r=".utf8) + nonce
    }

    /// What the exchange is called.
    package var mechanism: SASLMechanism { if case .bound = self.binding { .scramSHA256Plus } else { .scramSHA256 } }

    /// `client-first-message`.
    package var first: [UInt8] { self.binding.header + self.firstBare }

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
        let bound = Base64.encode(self.binding.header + self.binding.data)
        let withoutProof = Array("c=\(bound),r=".utf8) + self.wholeNonce
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
