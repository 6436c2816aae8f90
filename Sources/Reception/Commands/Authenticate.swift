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
    /// SCRAM has shown it.
    case proved(user: String, authorization: String?)
    /// It is wrong: the exchange has shown that.
    case wrong(user: String?)
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

    private var bindings: [String: [UInt8]] {
        var values: [String: [UInt8]] = [:]
        for kind in [ChannelBinding.exporter, .serverEndPoint] {
            values[kind.rawValue] = self.tlsHandler?.channelBinding(kind)
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
            guard let accounts = self.settings.authentication.accounts, let keys = try? accounts.keys(of: user) else {
                self.refuse(.authenticationUnavailable)
                return nil
            }
            return self.goOn(exchange.keys(keys), exchange)
        case .checkToken(let claim): return .authenticate(.token(claim, exchange))
        case .checkPassword(let claim): return .authenticate(.password(exchange.mechanism, claim))
        case .proved(let user, let authorization):
            return .authenticate(.proved(user: user, authorization: authorization))
        case .checkCertificate(let authorization): return .authenticate(.certificate(authorization: authorization))
        case .failed(let user): return .authenticate(.wrong(user: user))
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
        case locked
        case unavailable(String)
        /// The client is told why, and then that it is wrong.
        case goOn(SASLStep, SASLServer, reason: String)
    }

    /// Looks into a claim, and answers AUTH.
    func look(into claim: AuthenticationClaimed) async {
        let user: String? =
            switch claim {
            case .password(_, let claim): claim.user
            case .proved(let user, _): user
            case .token(let claim, _): claim.user
            case .wrong(let user): user
            case .certificate: nil
            }
        let verdict = await self.verdict(on: claim, user)
        guard !self.isDisconnected else { return }
        switch verdict {
        case .accepted(let identity):
            self.services.failures.succeeded(user ?? identity, from: self.clientAddress, at: self.services.clock.now)
            self.identity = identity
            self.logger[metadataKey: "user"] = "\(identity)"
            self.logger.info("client authenticated")
            self.reply(.authenticated)
        case .wrong(let reason):
            let delay = self.services.failures.failed(user, from: self.clientAddress, at: self.services.clock.now)
            self.logger.notice(
                "authentication failed",
                metadata: ["user-claimed": "\(user ?? "")", "error": "\(reason)"]
            )
            if delay > .zero { await self.pause(for: delay) }
            self.refuse(.authenticationFailed)
        case .goOn(let step, let exchange, let reason):
            self.logger.notice("token refused", metadata: ["user-claimed": "\(user ?? "")", "error": "\(reason)"])
            _ = self.goOn(step, exchange)
        case .locked:
            self.logger.notice("too many failed authentications", metadata: ["user-claimed": "\(user ?? "")"])
            self.refuse(.authenticationLocked)
        case .unavailable(let reason):
            self.logger.warning("authentication is not possible now", metadata: ["error": "\(reason)"])
            self.reply(.authenticationUnavailable)
        }
    }

    private func verdict(on claim: AuthenticationClaimed, _ user: String?) async -> Verdict {
        if let user, self.services.failures.areTooMany(of: user, from: self.clientAddress, at: self.services.clock.now)
        {
            return .locked
        }
        switch claim {
        case .wrong: return .wrong("wrong credentials")
        case .token(let claim, let exchange): return await self.verdict(on: claim, exchange)
        case .certificate(let authorization):
            guard let identity = self.certificateIdentity else { return .wrong("no verified certificate") }
            return Self.verdict(identity, authorization)
        case .proved(let user, let authorization): return Self.verdict(user, authorization)
        case .password(let mechanism, let claim): return await self.verdict(on: claim, mechanism)
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
        case .valid(let user) where claim.user == nil || claim.user == user: return .accepted(identity: user)
        case .valid(let user):
            return .goOn(exchange.tokenRefused(), exchange, reason: "the token is for \(user)")
        case .invalid(let reason): return .goOn(exchange.tokenRefused(), exchange, reason: reason)
        }
    }

    /// Asks the plugins, then the file of users, then the directory.
    private func verdict(on claim: PasswordClaim, _ mechanism: SASLMechanism) async -> Verdict {
        let context = self.context
        let told = AuthenticationClaim(
            mechanism: mechanism.rawValue,
            authenticationIdentity: claim.user,
            authorizationIdentity: claim.authorization,
            password: claim.password
        )
        let result = await self.runner.run(self.settings.hooks.authentication, true) {
            hook,
            _ -> ChainStep<AuthenticationOutcome> in
            switch try await hook.authenticate(told, context) {
            case .next: .next
            case let outcome: .decided(outcome)
            }
        }
        switch result {
        case .decided(.accept(let identity), _): return .accepted(identity: identity)
        case .decided(.reject(let reason), _): return .wrong(reason)
        case .decided(.unavailable(let reason), _): return .unavailable(reason)
        case .failed(let plugin): return .unavailable("plugin \(plugin) failed")
        case .passed, .decided(.next, _): break
        }
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

    /// Keeps somebody waiting who guesses.
    private func pause(for delay: Duration) async {
        self.flush()
        await withCheckedContinuation { continuation in
            self.isPausing = true
            _ = self.eventLoop.scheduleTask(in: TimeAmount(delay)) { continuation.resume() }
        }
        self.isPausing = false
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
