/// What the server does next in an exchange.
package enum SASLStep: Hashable, Sendable {
    /// Send this: 334 (RFC 4954 section 4).
    case challenge([UInt8])
    /// A password is to be checked; the answer ends the exchange.
    case checkPassword(PasswordClaim)
    /// A token is to be checked; where it is not right, `tokenRefused()` goes on, else the exchange is over.
    case checkToken(TokenClaim)
    /// Find the user's keys, and go on with `keys(_:)`.
    case findKeys(user: String)
    /// The client has proved to be the user by itself: SCRAM.
    case proved(user: String, authorization: String?)
    /// The client wants to be known by its certificate, as this identity; `nil` for the certificate's own.
    case checkCertificate(authorization: String?)
    /// Wrong credentials, of this user: 535.
    case failed(user: String)
    /// The client has taken note that its token is wrong: 535.
    case tokenEnded
    /// Not what the mechanism allows: 501.
    case malformed(String)
}

/// Somebody says a name and a password.
package struct PasswordClaim: Hashable, Sendable {
    package let user: String
    /// Whom the client wants to act as; `nil` for the user itself.
    package let authorization: String?
    package let password: String
}

/// Somebody shows a token.
package struct TokenClaim: Hashable, Sendable {
    /// Whom the client says it is, or wants to act as; `nil` where the token is to say.
    package let user: String?
    package let token: String
}

/// The server's side of one exchange (RFC 4422): octets in, steps out; no I/O, no clock.
package struct SASLServer: Sendable {
    private enum State {
        case ready
        case plain
        case loginUser
        case loginPassword(user: String)
        case external
        case token
        /// The client has been told what is wrong, and has yet to take note of it.
        case tokenEnd
        case scramFirst
        case scramKeys(SCRAMServer)
        case scramFinal(SCRAMServer)
        /// The client has yet to take note of the server's signature.
        case scramEnd(user: String, authorization: String?)
        case ended
    }
    package let mechanism: SASLMechanism
    private let binding: SCRAMBinding
    private let nonce: [UInt8]
    private var state = State.ready

    /// Octets of a response at most, decoded: longer ones are no credentials.
    package static let longestResponse = 8192

    /// - Parameters:
    ///   - binding: what SCRAM can be bound to; empty without TLS.
    ///   - nonce: printable ASCII without commas, fresh for each exchange.
    package init(_ mechanism: SASLMechanism, binding: SCRAMBinding, nonce: [UInt8]) {
        self.mechanism = mechanism
        self.binding = binding
        self.nonce = nonce
    }

    /// Whose proof the next response is; `nil` where it is none, so that nothing is decided by it.
    package var proving: String? {
        guard case .scramFinal(let scram) = self.state else { return nil }
        return scram.user
    }

    /// Begins.
    ///
    /// - Parameter initial: the initial response; `nil` where the client sent none.
    package mutating func start(_ initial: [UInt8]?) -> SASLStep {
        switch self.mechanism {
        case .plain: self.state = .plain
        case .external: self.state = .external
        case .oauthBearer, .xoauth2: self.state = .token
        case .scramSHA256, .scramSHA256Plus: self.state = .scramFirst
        case .login:
            self.state = .loginUser
            guard initial != nil else { return .challenge(Array("Username:".utf8)) }
        }
        guard let initial else { return .challenge([]) }
        return self.respond(initial)
    }

    /// The client's response.
    package mutating func respond(_ octets: [UInt8]) -> SASLStep {
        let state = self.state
        self.state = .ended
        guard octets.count <= Self.longestResponse else { return .malformed("the response is too long") }
        switch state {
        case .plain: return Self.plain(octets)
        case .loginUser:
            guard let user = Self.prepared(octets[...]) else { return .malformed("a user name is needed") }
            self.state = .loginPassword(user: user)
            return .challenge(Array("Password:".utf8))
        case .loginPassword(let user):
            guard let password = Self.prepared(octets[...]) else { return .malformed("a password is needed") }
            return .checkPassword(PasswordClaim(user: user, authorization: nil, password: password))
        case .external:
            guard !octets.isEmpty else { return .checkCertificate(authorization: nil) }
            guard let name = Self.prepared(octets[...]) else { return .malformed("malformed identity") }
            return .checkCertificate(authorization: name)
        case .token:
            guard let claim = TokenResponse.read(octets, self.mechanism) else {
                return .malformed("\(self.mechanism.rawValue) takes a user and \"auth=Bearer\" with a token")
            }
            self.state = .tokenEnd
            return .checkToken(claim)
        case .tokenEnd: return .tokenEnded
        case .scramFirst:
            guard
                let scram = SCRAMServer(
                    first: octets,
                    isBound: self.mechanism == .scramSHA256Plus,
                    binding: self.binding,
                    nonce: self.nonce
                )
            else { return .malformed("malformed first SCRAM message") }
            guard scram.isHonest else { return .failed(user: scram.user) }
            self.state = .scramKeys(scram)
            return .findKeys(user: scram.user)
        case .scramFinal(let scram):
            switch scram.finish(octets) {
            case .right(let signature):
                self.state = .scramEnd(user: scram.user, authorization: scram.authorization)
                return .challenge(signature)
            case .wrong: return .failed(user: scram.user)
            case .malformed: return .malformed("malformed final SCRAM message")
            }
        case .scramEnd(let user, let authorization):
            guard octets.isEmpty else { return .malformed("an empty response is needed") }
            return .proved(user: user, authorization: authorization)
        case .ready, .scramKeys, .ended:
            return .malformed("no response was asked for")
        }
    }

    /// The keys of the user that `findKeys` named; for one that does not exist, such as nobody can tell from others'.
    package mutating func keys(_ keys: SCRAMKeys) -> SASLStep {
        guard case .scramKeys(var scram) = self.state else { return .malformed("no keys were asked for") }
        let challenge = scram.challenge(keys)
        self.state = .scramFinal(scram)
        return .challenge(challenge)
    }

    /// The token is not right: tells the client, whose answer ends the exchange (RFC 7628 section 3.2.2).
    package func tokenRefused() -> SASLStep {
        .challenge(Array(#"{"status":"invalid_token","schemes":"bearer"}"#.utf8))
    }

    /// `[authzid] NUL authcid NUL passwd` (RFC 4616 section 2).
    private static func plain(_ octets: [UInt8]) -> SASLStep {
        let parts = octets.split(separator: 0, maxSplits: 3, omittingEmptySubsequences: false)
        guard parts.count == 3, let user = self.prepared(parts[1]), let password = self.prepared(parts[2]) else {
            return .malformed("PLAIN takes an identity, a user name and a password, with NUL between them")
        }
        guard !parts[0].isEmpty else {
            return .checkPassword(PasswordClaim(user: user, authorization: nil, password: password))
        }
        guard let authorization = self.prepared(parts[0]) else { return .malformed("malformed identity") }
        return .checkPassword(PasswordClaim(user: user, authorization: authorization, password: password))
    }

    private static func prepared(_ octets: ArraySlice<UInt8>) -> String? {
        String(validating: octets, as: UTF8.self).flatMap { Prepared.text($0) }
    }
}
