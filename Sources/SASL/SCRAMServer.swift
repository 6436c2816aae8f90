import TransportSecurity

/// What SCRAM can be bound to: values of the TLS connection that no one in the middle has (RFC 5802 section 6).
package struct SCRAMBinding: Hashable, Sendable {
    /// By the names of RFC 5929 and 9266, `tls-exporter` and `tls-server-end-point`; each of several is as good as the others.
    package var values: [String: [[UInt8]]]
    /// Whether the server has offered SCRAM-SHA-256-PLUS: a client that says otherwise was lied to.
    package var isOffered: Bool

    package init(values: [String: [[UInt8]]] = [:], isOffered: Bool = false) {
        self.values = values
        self.isOffered = isOffered
    }
}

/// One SCRAM exchange, seen from the server (RFC 5802, 7677).
struct SCRAMServer: Sendable {
    /// What the client's proof is.
    enum Verdict {
        /// It is right; this is the server's own.
        case right([UInt8])
        case wrong
        case malformed
    }
    let user: String
    let authorization: String?
    /// `false` where the client believes that the server offers no channel binding although it does: somebody has changed what it
    /// was told (RFC 5802 section 6).
    let isHonest: Bool
    /// `gs2-header`, and behind it what the connection is bound to: what the client must repeat.
    private let expectedBindings: [[UInt8]]
    private let clientFirstBare: [UInt8]
    private let nonce: [UInt8]
    private var serverFirst: [UInt8] = []
    private var keys: SCRAMKeys?

    /// Reads `client-first-message`; `nil` where it is none, or asks for what cannot be had.
    init?(first: [UInt8], isBound: Bool, binding: SCRAMBinding, nonce: [UInt8]) {
        let parts = first.split(separator: UInt8(ascii: ","), maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count == 3 else { return nil }
        var bound: [[UInt8]] = [[]]
        switch String(decoding: parts[0], as: UTF8.self) {
        case "n":
            guard !isBound else { return nil }
            self.isHonest = true
        case "y":
            guard !isBound else { return nil }
            self.isHonest = !binding.isOffered
        case let flag:
            guard isBound, flag.hasPrefix("p="), let values = binding.values[String(flag.dropFirst(2))]
            else {
                return nil
            }
            bound = values
            self.isHonest = true
        }
        if parts[1].isEmpty {
            self.authorization = nil
        } else {
            guard let name = SCRAMSyntax.attribute("a", parts[1]), let authorization = SCRAMSyntax.name(name) else {
                return nil
            }
            self.authorization = authorization
        }
        // `m=` is an extension that must be understood: there is none (section 5.1).
        let bare = Array(parts[2])
        let attributes = bare.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false)
        guard attributes.count >= 2, let name = SCRAMSyntax.attribute("n", attributes[0]),
            let user = SCRAMSyntax.name(name),
            let clientNonce = SCRAMSyntax.attribute("r", attributes[1]), (8...1024).contains(clientNonce.count),
            clientNonce.allSatisfy({ (0x21...0x7E).contains($0) })
        else { return nil }
        self.user = user
        self.clientFirstBare = bare
        self.nonce = Array(clientNonce) + nonce
        let header = Array(first.prefix(parts[0].count + 1 + parts[1].count + 1))
        self.expectedBindings = bound.map { header + $0 }
    }

    /// `server-first-message`.
    mutating func challenge(_ keys: SCRAMKeys) -> [UInt8] {
        let salt = Base64.encode(keys.salt)
        self.serverFirst = Array("r=".utf8) + self.nonce + Array(",s=\(salt),i=\(keys.iterations)".utf8)
        self.keys = keys
        return self.serverFirst
    }

    /// Checks `client-final-message`.
    func finish(_ final: [UInt8]) -> Verdict {
        let attributes = final.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false)
        guard let keys = self.keys, attributes.count >= 3, let last = attributes.last,
            let binding = SCRAMSyntax.attribute("c", attributes[0]).flatMap({ Base64.decode($0) }),
            let nonce = SCRAMSyntax.attribute("r", attributes[1]),
            let proof = SCRAMSyntax.attribute("p", last).flatMap({ Base64.decode($0) }), proof.count == Digest.size
        else { return .malformed }
        let withoutProof = final.prefix(final.count - last.count - 1)
        let comma = [UInt8(ascii: ",")]
        let message = self.clientFirstBare + comma + self.serverFirst + comma + withoutProof
        do {
            let signature = try Digest.hmacSHA256(key: keys.storedKey, message)
            let clientKey = zip(proof, signature).map { $0 ^ $1 }
            let isRight = Digest.areEqual(try Digest.sha256(clientKey), keys.storedKey)
            let isBound = self.expectedBindings.contains { Digest.areEqual(binding, $0) }
            guard isRight, isBound, Digest.areEqual(Array(nonce), self.nonce)
            else { return .wrong }
            let own = try Digest.hmacSHA256(key: keys.serverKey, message)
            return .right(Array("v=\(Base64.encode(own))".utf8))
        } catch {
            return .wrong
        }
    }
}
