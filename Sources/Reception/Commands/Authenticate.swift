import MailHubPlugin
import NIOCore
import SASL
import SMTP
import TransportSecurity

/// What a client claims about itself, once its mechanism has come to an end.
enum AuthenticationClaimed: Sendable {
    case password(SASLMechanism, PasswordClaim)
    /// A token is to speak for it; where it does not, the exchange goes on.
    case token(TokenClaim, SASLServer)
    /// Its certificate is to speak for it; with whom it wants to act as.
    case certificate(authorization: String?)
    /// The exchange is to look at its proof, the last response but one of SCRAM.
    case proof([UInt8], SASLServer)
    /// SCRAM has shown it.
    case proved(SASLMechanism, user: String, authorization: String?)
    /// It is wrong: the exchange has shown that.
    case wrong(user: String)

    /// Whose account it is about; `nil` where that is not said.
    var user: String? {
        switch self {
        case .password(_, let claim): claim.user
        case .token(let claim, _): claim.user
        case .certificate: nil
        case .proof(_, let exchange): exchange.proving
        case .proved(_, let user, _), .wrong(let user): user
        }
    }
}

/// AUTH (RFC 4954).
extension SMTPSession {
    /// Whether a command has to wait until the client has authenticated; then it has been answered (RFC 6409 section 4.3).
    func waitsForAuthentication(_ command: Command) -> Bool {
        guard self.listener.role == .submission, self.identity == nil else { return false }
        switch command {
        case .mail, .vrfy, .expn:
            self.refuse(self.sequence.passive(.authenticationRequired))
            return true
        case .helo, .ehlo, .lhlo, .rcpt, .data, .bdat, .rset, .noop, .quit, .help, .starttls, .auth, .notImplemented,
            .foreign:
            return false
        }
    }

    /// Whether the client may send to any domain: its network, or itself, is the site's own.
    var mayRelay: Bool { self.listener.role == .submission ? self.identity != nil : self.isRelayClient }

    /// `AUTH` with the mechanisms that may be used now, for EHLO; `nil` where there are none.
    var authenticationOffer: String? {
        let mechanisms = self.offeredMechanisms
        guard self.identity == nil, !mechanisms.isEmpty else { return nil }
        return (["AUTH"] + mechanisms.map(\.rawValue)).joined(separator: " ")
    }

    private var offeredMechanisms: [SASLMechanism] {
        guard self.listener.role == .submission else { return [] }
        let settings = self.settings.authentication
        let isProtected = self.security != nil || settings.allowsClearText
        let takesPasswords =
            settings.accounts != nil || settings.directory != nil || !self.settings.hooks.authentication.isEmpty
        return settings.mechanisms.filter { mechanism in
            switch mechanism {
            case .plain, .login: isProtected && takesPasswords
            case .oauthBearer, .xoauth2: isProtected && settings.tokens != nil
            case .scramSHA256: settings.accounts != nil
            case .scramSHA256Plus: settings.accounts != nil && !self.bindings.isEmpty
            case .external: self.certificateIdentity != nil
            }
        }
    }

    /// Whom the client's verified certificate names.
    private var certificateIdentity: String? {
        guard let security = self.security, security.verification == .verified else { return nil }
        return security.peer?.name
    }

    private var bindings: [String: [[UInt8]]] {
        var values: [String: [[UInt8]]] = [:]
        for kind in [ChannelBinding.exporter, .serverEndPoint] {
            guard let found = self.tlsHandler?.channelBindings(kind), !found.isEmpty else { continue }
            values[kind.rawValue] = found
        }
        return values
    }

    // MARK: The dialogue

    func authenticate(_ name: String, _ initial: String?) -> Work? {
        guard self.listener.role == .submission else {
            self.refuse(self.sequence.passive(.notImplemented))
            return nil
        }
        if let refusal = self.authenticationRefusal(name) {
            self.refuse(refusal)
            return nil
        }
        let offered = self.offeredMechanisms
        guard let mechanism = SASLMechanism(rawValue: name), offered.contains(mechanism) else {
            self.refuse(.unknownMechanism)
            return nil
        }
        guard let nonce = try? Digest.random(18) else {
            self.refuse(.authenticationUnavailable)
            return nil
        }
        if self.services.failures.areTooMany(of: self.clientAddress, at: self.services.clock.now) {
            self.logger.notice("too many failed authentications of this client")
            self.refuse(.authenticationLocked)
            return nil
        }
        var exchange = SASLServer(
            mechanism,
            binding: SCRAMBinding(values: self.bindings, isOffered: offered.contains(.scramSHA256Plus)),
            nonce: Array(Base64.encode(nonce).utf8)
        )
        guard let initial else { return self.goOn(exchange.start(nil), exchange) }
        guard let octets = initial == "=" ? [] : Base64.decode(initial.utf8) else {
            self.refuse(.malformedBase64)
            return nil
        }
        return self.goOn(exchange.start(octets), exchange)
    }

    /// What is wrong with AUTH here and now (RFC 4954 section 4).
    private func authenticationRefusal(_ name: String) -> Reply? {
        if let refusal = self.sequence.authenticate() { return refusal }
        guard self.identity == nil else { return .authenticatedAlready }
        let isPossible = self.settings.authentication.mechanisms.contains { $0.rawValue == name }
        let needsTLS = SASLMechanism(rawValue: name)?.sendsSecret ?? false
        if isPossible, needsTLS, self.security == nil, !self.settings.authentication.allowsClearText {
            return .encryptionRequired
        }
        return nil
    }

    /// What came of looking for a response in the input.
    enum ResponseProgress {
        case incomplete
        case goOn
        case work(Work)
    }

    /// Takes the client's response, if it has come as a whole.
    func response(_ exchange: SASLServer, _ given: CommandLineFraming) -> ResponseProgress {
        var (exchange, framing) = (exchange, given)
        switch framing.next(in: &self.input) {
        case .incomplete:
            self.mode = .authentication(exchange, framing)
            return .incomplete
        case .tooLong:
            self.mode = .commands
            self.refuse(.responseTooLong)
            return .goOn
        case .bareLineEnd:
            self.mode = .commands
            self.refuse(.malformedBase64)
            return .goOn
        case .line(let length):
            self.waitsAnew = true
            let line = self.input.readBytes(length: length) ?? []
            self.input.moveReaderIndex(forwardBy: min(2, self.input.readableBytes))
            self.mode = .commands
            guard line != [UInt8(ascii: "*")] else {
                self.refuse(.authenticationCancelled)
                return .goOn
            }
            guard let octets = Base64.decode(line) else {
                self.refuse(.malformedBase64)
                return .goOn
            }
            guard exchange.proving == nil else { return .work(.authenticate(.proof(octets, exchange))) }
            return self.goOn(exchange.respond(octets), exchange).map { .work($0) } ?? .goOn
        }
    }

    private func goOn(_ step: SASLStep, _ given: SASLServer) -> Work? {
        var exchange = given
        switch step {
        case .challenge(let octets):
            self.mode = .authentication(exchange, CommandLineFraming(limit: CommandLineFraming.longestResponse))
            self.reply(Reply(334, Base64.encode(octets)))
            return nil
        case .findKeys(let user):
            // Before the server's signature tells a guesser that the password was right.
            guard !self.services.failures.areTooMany(of: user, from: self.clientAddress, at: self.services.clock.now)
            else {
                self.logger.notice("too many failed authentications", metadata: ["user-claimed": "\(user)"])
                self.refuse(.authenticationLocked)
                return nil
            }
            guard let accounts = self.settings.authentication.accounts,
                let keys = try? accounts.keys(of: user, decoy: self.services.decoySecret)
            else {
                self.refuse(.authenticationUnavailable)
                return nil
            }
            return self.goOn(exchange.keys(keys), exchange)
        case .checkToken(let claim): return .authenticate(.token(claim, exchange))
        case .checkPassword(let claim): return .authenticate(.password(exchange.mechanism, claim))
        case .proved(let user, let authorization):
            return .authenticate(.proved(exchange.mechanism, user: user, authorization: authorization))
        case .checkCertificate(let authorization): return .authenticate(.certificate(authorization: authorization))
        case .failed(let user): return .authenticate(.wrong(user: user))
        case .tokenEnded:
            self.refuse(.authenticationFailed)
            return nil
        case .malformed(let reason):
            self.refuse(Reply(501, .init(5, 2), "Malformed response: \(reason)"))
            return nil
        }
    }

    // MARK: The verdict

    /// What became of a claim.
    private enum Verdict {
        case accepted(identity: String)
        case wrong(String)
        case unavailable(String)
        /// Nothing is decided yet.
        case goOn(SASLStep, SASLServer)
        /// The client is told why, and then that it is wrong.
        case tokenRefused(SASLServer, reason: String)
    }

    /// Looks into a claim, and answers AUTH.
    func look(into claim: AuthenticationClaimed) async {
        let (user, failures) = (claim.user, self.services.failures)
        guard let attempt = await failures.admit(user, from: self.clientAddress, clock: self.services.clock) else {
            self.logger.notice("too many failed authentications", metadata: ["user-claimed": "\(user ?? "")"])
            self.refuse(.authenticationLocked)
            return
        }
        let verdict: Verdict? = self.isDisconnected ? nil : await self.verdict(on: claim)
        let delay = self.count(verdict, user)
        failures.release(attempt)
        if delay > .zero, !self.isDisconnected { await self.pause(for: delay) }
        guard let verdict, !self.isDisconnected else { return }
        switch verdict {
        case .accepted(let identity):
            self.identity = identity
            self.logger[metadataKey: "user"] = "\(identity)"
            self.logger.info("client authenticated")
            self.reply(.authenticated)
        case .wrong: self.refuse(.authenticationFailed)
        case .tokenRefused(let exchange, _): _ = self.goOn(exchange.tokenRefused(), exchange)
        case .goOn(let step, let exchange): _ = self.goOn(step, exchange)
        case .unavailable(let reason):
            self.logger.warning("authentication is not possible now", metadata: ["error": "\(reason)"])
            self.reply(.authenticationUnavailable)
        }
    }

    /// Remembers success and failure, also of clients that have not waited for it.
    ///
    /// - Returns: how long the client is to wait for its answer.
    private func count(_ verdict: Verdict?, _ user: String?) -> Duration {
        let now = self.services.clock.now
        switch verdict {
        case .accepted(let identity):
            self.services.failures.succeeded(user ?? identity, from: self.clientAddress, at: now)
            return .zero
        case .wrong(let reason), .tokenRefused(_, let reason):
            self.logger.notice(
                "authentication failed",
                metadata: ["user-claimed": "\(user ?? "")", "error": "\(reason)"]
            )
            return self.services.failures.failed(user, from: self.clientAddress, at: now)
        case .goOn, .unavailable, nil: return .zero
        }
    }

    /// Keeps somebody waiting who guesses.
    private func pause(for delay: Duration) async {
        self.flush()
        await withCheckedContinuation { continuation in
            self.isPausing = true
            _ = self.eventLoop.scheduleTask(in: TimeAmount(delay)) { continuation.resume() }
        }
        self.isPausing = false
    }

    private func verdict(on claim: AuthenticationClaimed) async -> Verdict {
        switch claim {
        case .wrong: return .wrong("wrong credentials")
        case .proof(let octets, var exchange):
            switch exchange.respond(octets) {
            case .failed: return .wrong("wrong proof")
            case let step: return .goOn(step, exchange)
            }
        case .token(let claim, let exchange): return await self.verdict(on: claim, exchange)
        case .certificate(let authorization):
            guard let identity = self.certificateIdentity else { return .wrong("no verified certificate") }
            return await self.verdict(onShown: identity, authorization, .external)
        case .proved(let mechanism, let user, let authorization):
            return await self.verdict(onShown: user, authorization, mechanism)
        case .password(let mechanism, let claim): return await self.verdict(on: claim, mechanism)
        }
    }

    /// Asks the plugins about a client that has shown who it is.
    private func verdict(
        onShown user: String,
        _ authorization: String?,
        _ mechanism: SASLMechanism
    ) async -> Verdict {
        let claim = AuthenticationClaim(
            mechanism: mechanism.rawValue,
            authenticationIdentity: user,
            authorizationIdentity: authorization,
            password: nil
        )
        return await self.answer(to: claim) ?? Self.verdict(user, authorization)
    }

    /// What the plugins say to a claim; `nil` where they leave it to others.
    private func answer(to claim: AuthenticationClaim) async -> Verdict? {
        let question = AuthenticationQuestion(claim: claim, session: self.context)
        return switch await self.runner.run(question, self.settings.hooks.authentication) {
        case .decided(.accept(let identity), _): .accepted(identity: identity)
        case .decided(.reject(let reason), _): .wrong(reason)
        case .decided(.unavailable(let reason), _): .unavailable(reason)
        case .failed(let plugin): .unavailable("plugin \(plugin) failed")
        case .passed, .decided(.next, _): nil
        }
    }

    /// Nobody acts as somebody else, unless a plugin has said so.
    private static func verdict(_ user: String, _ authorization: String?) -> Verdict {
        guard let authorization, authorization != user else { return .accepted(identity: user) }
        return .wrong("may not act as \(authorization)")
    }

    private func verdict(on claim: TokenClaim, _ exchange: SASLServer) async -> Verdict {
        guard let check = self.settings.authentication.tokens else { return .unavailable("no tokens are known") }
        switch await check(claim.token) {
        case .valid(let user) where claim.user == nil || claim.user == user:
            return await self.verdict(onShown: user, nil, exchange.mechanism)
        case .valid(let user): return .tokenRefused(exchange, reason: "the token is for \(user)")
        case .invalid(let reason): return .tokenRefused(exchange, reason: reason)
        }
    }

    /// Asks the plugins, then the file of users, then the directory.
    private func verdict(on claim: PasswordClaim, _ mechanism: SASLMechanism) async -> Verdict {
        let told = AuthenticationClaim(
            mechanism: mechanism.rawValue,
            authenticationIdentity: claim.user,
            authorizationIdentity: claim.authorization,
            password: claim.password
        )
        if let answer = await self.answer(to: told) { return answer }
        let settings = self.settings.authentication
        if let ask = settings.directory, settings.accounts?[claim.user] == nil {
            switch await ask(claim) {
            case .found(let addresses):
                self.ownAddresses = addresses
                return Self.verdict(claim.user, claim.authorization)
            case .notFound: return .wrong("the directory does not know the user, or not this password")
            case .unavailable(let reason): return .unavailable(reason)
            }
        }
        guard let accounts = settings.accounts else { return .wrong("no plugin knows the user") }
        switch await self.services.passwords.check(claim, in: accounts) {
        case true: return Self.verdict(claim.user, claim.authorization)
        case false: return .wrong(accounts[claim.user] == nil ? "no such user" : "wrong password")
        case nil: return .unavailable("passwords cannot be checked now")
        }
    }

    // MARK: Senders

    /// Why the client may not use a reverse-path (RFC 6409 sections 6.1 and 8.1).
    func senderRefusal(_ path: ReversePath) -> Reply? {
        guard self.listener.role == .submission, let identity = self.identity, case .mailbox(let sender) = path else {
            return nil
        }
        guard sender.domain?.isFullyQualified ?? true else { return .senderNotQualified }
        let settings = self.settings.authentication
        let isAllowed =
            switch settings.senders {
            case .any: true
            case .domains: sender.domain.map(self.settings.servedDomains.contains) ?? false
            case .own:
                settings.isOwn(
                    sender,
                    of: identity,
                    addresses: self.ownAddresses,
                    servedDomains: self.settings.servedDomains
                )
            }
        return isAllowed ? nil : .senderNotYours
    }
}

extension ListenerSettings {
    /// The longest command line: AUTH with its initial response may be as long as any response (RFC 4954 section 4).
    var longestLine: Int {
        self.role == .submission ? CommandLineFraming.longestResponse : CommandLineFraming.longestLine
    }
}

extension Reply {
    static let authenticationRequired = Reply(530, .init(7, 0), "Authentication required")
    static let authenticated = Reply(235, .init(7, 0), "Authentication successful")
    static let authenticationFailed = Reply(535, .init(7, 8), "Authentication credentials invalid")
    static let authenticationUnavailable = Reply(454, .init(7, 0), "Temporary authentication failure, try again later")
    static let authenticationLocked = Reply(454, .init(7, 0), "Too many failed authentications, try again later")
    static let authenticationCancelled = Reply(501, .init(0, 0), "Authentication cancelled")
    static let authenticatedAlready = Reply(503, .init(5, 1), "You are authenticated already")
    static let unknownMechanism = Reply(504, .init(5, 4), "Mechanism not supported")
    static let encryptionRequired = Reply(538, .init(7, 11), "Encryption required for this mechanism: send STARTTLS")
    static let malformedBase64 = Reply(501, .init(5, 2), "Cannot decode base64")
    static let responseTooLong = Reply(500, .init(5, 6), "Authentication exchange line is too long")
    static let senderNotYours = Reply(553, .init(7, 1), "You may not send as this address")
    static let senderNotQualified = Reply(553, .init(1, 7), "The sender's domain is not fully qualified")
}

private struct AuthenticationQuestion: StageQuestion {
    let claim: AuthenticationClaim
    let session: SessionContext

    func ask(
        _ hook: any AuthenticationHook,
        _: inout Void
    ) async throws -> ChainStep<AuthenticationOutcome> {
        switch try await hook.authenticate(self.claim, self.session) {
        case .next: .next
        case let outcome: .decided(outcome)
        }
    }
}
