import MailHubPlugin
import NIOCore
import SMTP
package import TransportSecurity

/// How a listener's connections are encrypted.
package struct ListenerTLS: Hashable, Sendable {
    /// When the handshake is.
    package enum Mode: Hashable, Sendable {
        /// When the client asks for it (RFC 3207).
        case startTLS
        /// The same, and nothing else is answered before (RFC 3207 section 4).
        case startTLSRequired
        /// At once (RFC 8314 section 3).
        case implicit
    }
    package let mode: Mode
    package let server: ServerTLS

    package init(mode: Mode, server: ServerTLS) {
        self.mode = mode
        self.server = server
    }

    /// Whether both say the same; the certificates themselves may differ, as files change.
    package static func == (left: ListenerTLS, right: ListenerTLS) -> Bool {
        left.mode == right.mode && left.server.settings == right.server.settings
    }

    package func hash(into hasher: inout Hasher) {
        hasher.combine(self.mode)
        hasher.combine(self.server.settings)
    }
}

/// STARTTLS (RFC 3207), and TLS from the start (RFC 8314).
extension SMTPSession {
    /// Whether EHLO names STARTTLS: not inside TLS (RFC 3207 section 4.2).
    var offersTLS: Bool { self.listener.tls != nil && self.security == nil }

    /// Whether a command has to wait until TLS is there; then it has been answered (RFC 3207 section 4).
    func waitsForTLS(_ command: Command) -> Bool {
        guard self.security == nil, self.listener.tls?.mode == .startTLSRequired else { return false }
        switch command {
        case .ehlo, .lhlo, .starttls, .noop, .quit, .foreign:
            return false
        case .auth:
            self.refuse(self.sequence.passive(.startTLSFirst))
        case .bdat(let size, let isLast):
            self.mode = .chunk(remaining: size, isLast: isLast, discardedWith: .startTLSFirst)
        case .helo, .mail, .rcpt, .data, .rset, .help, .vrfy, .expn, .notImplemented:
            self.refuse(self.sequence.passive(.startTLSFirst))
        }
        return true
    }

    func startTLS() -> Work? {
        guard let tls = self.listener.tls else {
            self.refuse(self.sequence.passive(.notImplemented))
            return nil
        }
        guard self.security == nil else {
            self.refuse(self.sequence.passive(.tlsAlready))
            return nil
        }
        let handler: TLSHandler
        do {
            handler = try TLSHandler(server: tls.server)
        } catch {
            self.logger.error("TLS is not available", metadata: ["error": "\(error)"])
            self.refuse(self.sequence.passive(.tlsUnavailable))
            return nil
        }
        if let refusal = self.sequence.startTLS() {
            self.refuse(refusal)
            return nil
        }
        self.contextChanged()
        self.tlsHandler = handler
        return .startTLS
    }

    /// Answers STARTTLS and does the handshake; then the session is as after the greeting (RFC 3207 section 4.2).
    func negotiateTLS() async {
        guard let handler = self.tlsHandler else { return }
        self.reply(.readyForTLS)
        self.flush()
        if self.input.readableBytes > 0 {
            // An attacker may have put commands behind the client's STARTTLS; nobody is to take them for encrypted ones.
            self.logger.notice(
                "octets in the clear behind STARTTLS dropped",
                metadata: ["count": "\(self.input.readableBytes)"]
            )
        }
        self.input = ByteBuffer()
        self.framing = CommandLineFraming(limit: self.listener.longestLine)
        self.transactionWasReset()
        self.identity = nil
        self.ownAddresses = []
        guard await self.secure(with: handler) else { return }
        await self.askAboutTLS()
        guard !self.isClosing else { return }
        guard let refusal = self.tlsRefusal else { return self.sequence.connected(isRefused: false) }
        // RFC 3207 section 4.1: there is no greeting to say it in, so each command but QUIT is told.
        let reply = Reply(554, refusal.enhanced ?? .init(7, 0), refusal.text)
        self.sequence.connected(isRefused: true, with: reply)
    }

    /// The handshake of a listener with implicit TLS, before the greeting.
    func beginImplicitTLS() async {
        guard let tls = self.listener.tls, tls.mode == .implicit else { return }
        do {
            let handler = try TLSHandler(server: tls.server)
            self.tlsHandler = handler
            if await self.secure(with: handler) { await self.askAboutTLS() }
        } catch {
            self.logger.error("TLS is not available", metadata: ["error": "\(error)"])
            self.channel.close(promise: nil)
        }
    }

    private func secure(with handler: TLSHandler) async -> Bool {
        guard !self.isDisconnected else { return false }
        do {
            try self.channel.pipeline.syncOperations.addHandler(handler, position: .first)
        } catch {
            self.channel.close(promise: nil)
            return false
        }
        guard let facts = await withCheckedContinuation({ self.handshakeWaiter = $0 }) else { return false }
        self.security = facts
        self.logger[metadataKey: "tls"] = "\(facts.version) \(facts.cipherSuite)"
        self.logger.debug(
            "TLS established",
            metadata: [
                "resumed": "\(facts.isResumed)", "server-name": "\(facts.serverName ?? "")",
                "client-certificate": "\(facts.peer?.name ?? "")",
            ]
        )
        self.tell(.encrypted(TLSFacts(facts)))
        return true
    }

    /// The plugins' say; what they answer to a client with implicit TLS becomes its greeting.
    private func askAboutTLS() async {
        guard let parameters = self.security, !self.settings.hooks.tls.isEmpty else { return }
        let question = TLSQuestion(facts: TLSFacts(parameters), session: self.context)
        let result = await self.runner.run(question, self.settings.hooks.tls)
        switch result {
        case .passed, .decided(.next, _), .decided(.accept, _): break
        case .decided(.reject(let reply), _):
            self.tlsRefusal = reply.withClass(.permanentFailure, else: .sessionRefused)
        case .decided(.disconnect(let reply), _): self.disconnect(with: reply)
        case .failed: self.end(with: .internalFault(hostname: self.settings.hostname))
        }
    }

    // MARK: Called by the channel handler, on the event loop

    func tlsEvent(_ event: TLSEvent) {
        switch event {
        case .established(let facts):
            self.handshakeWaiter.take()?.resume(returning: facts)
        case .closed(isClean: true):
            break
        case .closed(isClean: false):
            // What was being received is dropped with the connection: nobody knows how much of it is missing.
            self.logger.debug("client closed the connection without saying so in TLS")
        }
    }

    func tlsFailed(_ failure: TLSFailure) {
        self.logger.info("TLS failed", metadata: ["error": "\(failure)"])
        self.handshakeWaiter.take()?.resume(returning: nil)
    }
}

extension TLSFacts {
    /// What plugins are told: who the client is only where its certificate was verified.
    init(_ parameters: TLSParameters) {
        let client = parameters.verification == .verified ? parameters.peer : nil
        self.init(
            version: parameters.version,
            cipher: parameters.cipherSuite,
            serverName: parameters.serverName,
            clientSubject: client?.subject,
            clientName: client?.name
        )
    }
}

extension Reply {
    static let readyForTLS = Reply(220, .init(0, 0), "Ready to start TLS")
    static let startTLSFirst = Reply(530, .init(7, 0), "Send STARTTLS first")
    static let tlsAlready = Reply(503, .init(5, 1), "TLS is active already")
    static let tlsUnavailable = Reply(454, .init(7, 0), "TLS is not available now")
}

private struct TLSQuestion: StageQuestion {
    let facts: TLSFacts
    let session: SessionContext

    func ask(_ hook: any TLSHook, _: inout Void) async throws -> ChainStep<TLSOutcome> {
        switch try await hook.encrypted(self.facts, self.session) {
        case .next: .next
        case let outcome: .decided(outcome)
        }
    }
}
