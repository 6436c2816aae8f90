import InternetMessage
import Logging
package import MailHubPlugin
import MailQueue
package import NIOCore
import SASL
package import SMTP
import TransportSecurity

/// One connected client (RFC 5321 section 2.3.7), on its channel's event loop: decoder, state machine and session share one
/// thread.
///
/// Input is carried out by `advance()` as far as that needs no waiting, straight from the channel's callback. What must wait
/// (a hook, a commit, a large content) is `Work` for the session's one task, `run()`; meanwhile nothing is read.
package actor SMTPSession {
    private nonisolated let executor: EventLoopActorExecutor
    package nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe self.executor.asUnownedSerialExecutor() }
    nonisolated var eventLoop: any EventLoop { self.executor.eventLoop }

    /// Something that has to be awaited.
    enum Work: Sendable {
        /// The rest of a command, and what comes behind that.
        case rest(@Sendable (isolated SMTPSession) async -> Work?)
        /// The content in memory has to be written out before more is read.
        case spool
        case endOfContent
        case verify(Mailbox, isExpand: Bool)
        /// The handshake.
        case startTLS
        /// What a client claims has to be looked into.
        case authenticate(AuthenticationClaimed)
    }

    /// What the next octets of the input are.
    enum InputMode {
        case commands
        case data(DataDecoder)
        /// A chunk of BDAT; with a reply, its octets are dropped and the reply is sent at its end.
        case chunk(remaining: Int, isLast: Bool, discardedWith: Reply?)
        /// Responses of an authentication.
        case authentication(SASLServer, CommandLineFraming)
    }

    let channel: any Channel
    let listener: ListenerSettings
    let settings: ReceptionSettings
    let services: ReceptionServices
    let clientAddress: IPAddress
    /// What the client did on its other connections.
    let rates: ClientRates
    let identifier: String
    let runner: HookRunner
    var logger: Logger { didSet { self.lastContext = nil } }
    package nonisolated let facts = Facts()
    let isRelayClient: Bool

    var sequence: CommandSequence
    var framing: CommandLineFraming
    var mode = InputMode.commands
    var input = ByteBuffer()
    var output = ByteBuffer()
    var transaction: MailTransaction?
    /// Spools of dropped transactions.
    var leftovers: [ContentSpool] = []
    var errors = 0
    var messages = 0
    /// Octets of refused chunks.
    var droppedOctets = 0

    var tlsHandler: TLSHandler?
    /// What the handshake has agreed on; `nil` in the clear.
    var security: TLSParameters? { didSet { self.lastContext = nil } }
    /// Why a plugin does not want the encrypted connection.
    var tlsRefusal: Reply?
    /// Made when plugins were last asked; `nil` once something that they see has changed.
    private var lastContext: SessionContext?
    /// Whom the client has proved to be (RFC 4954).
    var identity: String? { didSet { self.lastContext = nil } }
    /// What the directory knows as the client's addresses.
    var ownAddresses: [String] = []
    /// The session's task, while the handshake goes on.
    var handshakeWaiter: CheckedContinuation<TLSParameters?, Never>?

    /// Somebody who guesses is kept waiting.
    var isPausing = false

    /// The session's task, while it has nothing to do.
    private var waiter: CheckedContinuation<Work?, Never>?
    private var isAttached = false
    /// The greeting has been sent.
    private var isGreeted = false
    /// The last reply has been written; nothing more is read.
    var isClosing = false
    var isDisconnected = false
    /// The client sends no more, and commands of it are left.
    var hasInputEnded = false
    /// The hub shuts down: 421 as soon as no transaction is open.
    private var isDraining = false
    var isReadRequested = false
    /// A command has ended: the time for the next begins.
    var waitsAnew = true
    /// Commands since the last message that brought none nearer: NOOP, RSET, HELP, VRFY, EHLO.
    var idleCommands = 0
    var lastActivity: NIODeadline
    var timer: Scheduled<Void>?

    /// Makes the session of an accepted connection; it is silent until `run()`.
    ///
    /// - Parameter executor: of the channel's event loop; its task executor is what the task that serves the session prefers.
    package init(
        channel: any Channel,
        clientAddress: IPAddress,
        listener: ListenerSettings,
        settings: ReceptionSettings,
        services: ReceptionServices,
        rates: ClientRates,
        executor: EventLoopActorExecutor
    ) {
        self.channel = channel
        self.executor = executor
        self.lastActivity = channel.eventLoop.now
        self.clientAddress = clientAddress
        self.listener = listener
        self.framing = CommandLineFraming(limit: listener.longestLine)
        self.settings = settings
        self.services = services
        self.rates = rates
        self.identifier = QueueID.make(at: services.clock.now).description
        var logger = services.logger
        logger[metadataKey: "session"] = "\(self.identifier)"
        logger[metadataKey: "peer"] = "\(clientAddress)"
        self.logger = logger
        self.runner = HookRunner(eventLoop: channel.eventLoop, executor: executor.taskExecutor, logger: logger)
        self.isRelayClient = settings.relayNetworks.contains { $0.contains(clientAddress) }
        self.sequence = CommandSequence(
            isLMTP: listener.role == .lmtp,
            maximumRecipients: max(listener.limits.recipients, 1)
        )
    }

    /// Puts the session between the channel and its client.
    ///
    /// - Returns: whether the client is still there.
    package func attach() -> Bool {
        self.isAttached = true
        do {
            let pipeline = self.channel.pipeline.syncOperations
            if let handler = try? pipeline.handler(type: SessionChannelHandler.self) {
                self.input = handler.earlyInput
                self.hasInputEnded = handler.hasEarlyEnd
                handler.attach(self)
            } else {
                let handler = SessionChannelHandler()
                handler.attach(self)
                try pipeline.addHandler(handler)
            }
            // In TLS nothing was said yet that could be answered.
            if self.hasInputEnded, self.input.readableBytes == 0 || self.listener.tls?.mode == .implicit {
                return false
            }
        } catch {
            return false
        }
        self.isDisconnected = !self.channel.isActive
        return self.channel.isActive
    }

    /// Serves the client until it is gone; attaches the session first, unless somebody has.
    package func run() async {
        guard self.isAttached || self.attach() else { return self.channel.close(promise: nil) }
        self.logger.debug("client connected", metadata: ["listener": "\(self.listener.name)"])
        self.tell(.connected)
        self.startTimer()
        await self.beginImplicitTLS()
        if !self.isDisconnected, !self.isClosing { await self.greet() }
        while let work = await self.nextWork() {
            var next = await self.perform(work)
            while let work = next { next = await self.perform(work) }
            self.waitsAnew = true
            if !self.leftovers.isEmpty { await self.discardLeftovers() }
        }
        self.timer?.cancel()
        self.transactionWasReset()
        await self.discardLeftovers()
        self.tell(.disconnected)
        await self.tellDisconnected()
        self.logger.debug("client disconnected", metadata: ["messages": "\(self.messages)"])
    }

    /// Whether the session waits for its client.
    package var isIdle: Bool { self.waiter != nil }

    /// Whether nothing goes on before something comes from elsewhere: input, a plugin's answer, or the end of a time limit.
    package var isWaiting: Bool {
        self.isIdle || self.isPausing || self.runner.isWaiting || self.handshakeWaiter != nil
    }

    /// What must be awaited next; `nil` when the session is over.
    private func nextWork() async -> Work? {
        if let work = self.advance() { return work }
        self.flush()
        self.closeAfterInput()
        guard !self.isDisconnected else { return nil }
        return await withCheckedContinuation { continuation in
            self.waiter = continuation
            // The way here may have given up the event loop: what has come meanwhile found nobody to wake.
            self.inputArrived()
        }
    }

    /// Input has come, or the connection has gone: carries it out, waking the task only where it is needed.
    func inputArrived() {
        guard self.waiter != nil else { return }  // the task is at work and will look for itself
        let work = self.advance()
        self.flush()  // may close the channel, which calls us again: then the task has been woken already
        if work != nil || self.isDisconnected {
            self.waiter.take()?.resume(returning: work)
        } else {
            self.closeAfterInput()
            self.requestRead()
        }
    }

    /// Closes when all is carried out that a client had to say which says no more.
    private func closeAfterInput() {
        if self.hasInputEnded, !self.isDisconnected { self.channel.close(promise: nil) }
    }

    /// The hub shuts down: the client gets 421 now, or when its transaction has ended (RFC 5321 section 3.8).
    package func shutDown() {
        self.isDraining = true
        if self.handshakeWaiter != nil { self.channel.close(promise: nil) }
        if self.isGreeted { self.inputArrived() }
    }

    /// Carries out what the input holds, until something has to be awaited or the input is used up.
    private func advance() -> Work? {
        while !self.isClosing, !self.isDisconnected {
            if self.isDraining, self.isBetweenCommands, self.sequence.envelope == nil {
                self.end(with: .shuttingDown(hostname: self.settings.hostname))
                return nil
            }
            switch self.mode {
            case .commands:
                switch self.framing.next(in: &self.input) {
                case .incomplete: return nil
                case .line(let length): if let work = self.commandLine(length: length) { return work }
                case .tooLong: self.refuse(.lineTooLong)
                case .bareLineEnd: self.refuse(.bareLineEnd)
                }
            case .authentication(let exchange, let framing):
                switch self.response(exchange, framing) {
                case .incomplete: return nil
                case .goOn: continue
                case .work(let work): return work
                }
            case .data, .chunk:
                guard self.input.readableBytes > 0 || self.isChunkComplete else { return nil }
                if let work = self.receiveContent() { return work }
            }
        }
        return nil
    }

    /// Whether neither content nor a hook's answer is being waited for.
    var isBetweenCommands: Bool {
        switch self.mode {
        case .commands, .authentication: true
        case .data, .chunk: false
        }
    }

    private func commandLine(length: Int) -> Work? {
        let parsed = self.command(length: length, in: self.input)
        self.input.moveReaderIndex(forwardBy: length + 2)
        self.waitsAnew = true
        switch parsed {
        case .success(let command):
            self.logger.trace("command", metadata: ["command": "\(command.withoutSecrets)"])
            return self.carryOut(command)
        case .failure(let error):
            self.logger.trace("malformed command", metadata: ["error": "\(error)"])
            self.refuse(self.sequence.passive(Reply(error)))
            return nil
        }
    }

    /// The command in the first octets of a buffer.
    func command(length: Int, in buffer: ByteBuffer) -> Result<Command, CommandError> {
        let isInternationalized = self.sequence.envelope?.isInternationalized ?? false
        return unsafe buffer.withUnsafeReadableBytes { bytes in
            Result { () throws(CommandError) in
                try unsafe CommandParser.parse(
                    UnsafeRawBufferPointer(rebasing: bytes[..<length]),
                    isInternationalized: isInternationalized
                )
            }
        }
    }

    /// Such commands in a row that a client is granted: more than anybody who keeps a connection open needs.
    private static let mostIdleCommands = 1000

    /// Counts commands that bring no message nearer; too many end the session (RFC 5321 section 7.8).
    private func isIdle(_ command: Command) -> Bool {
        switch command {
        case .noop, .rset, .help, .vrfy, .expn, .helo, .ehlo, .lhlo: self.idleCommands += 1
        case .mail, .rcpt, .data, .bdat, .quit, .starttls, .auth, .notImplemented, .foreign: break
        }
        return self.idleCommands > Self.mostIdleCommands
    }

    private func carryOut(_ command: Command) -> Work? {
        guard !self.isIdle(command) else {
            self.logger.info("too many commands without a message")
            self.end(with: .tooManyErrors(hostname: self.settings.hostname))
            return nil
        }
        guard !self.waitsForTLS(command), !self.waitsForAuthentication(command) else { return nil }
        switch command {
        case .helo(let name): return self.hello(.init(kind: .helo, name: name))
        case .ehlo(let name): return self.hello(.init(kind: .ehlo, name: name))
        case .lhlo(let name): return self.hello(.init(kind: .lhlo, name: name))
        case .mail(let path, let parameters): return self.mail(path, parameters)
        case .rcpt(let path, let parameters): return self.recipient(path, parameters)
        case .data: return self.data()
        case .bdat(let size, let isLast): return self.chunk(size: size, isLast: isLast)
        case .rset: self.reset()
        case .noop: self.reply(self.sequence.passive(.ok))
        case .quit: self.quit()
        case .help: self.reply(self.sequence.passive(.helpText))
        case .vrfy(let argument): return self.verify(argument, isExpand: false)
        case .expn(let argument): return self.verify(argument, isExpand: true)
        case .starttls: return self.startTLS()
        case .auth(let mechanism, let initial): return self.authenticate(mechanism, initial)
        case .notImplemented: self.refuse(self.sequence.passive(.notImplemented))
        case .foreign:
            self.logger.info("client speaks another protocol")
            self.end(with: .foreignProtocol(hostname: self.settings.hostname))
        }
        return nil
    }

    private func perform(_ work: Work) async -> Work? {
        switch work {
        case .rest(let rest): return await rest(self)
        case .spool: await self.writeOutContent()
        case .endOfContent: await self.endOfContent()
        case .startTLS: await self.negotiateTLS()
        case .authenticate(let claim): await self.look(into: claim)
        case .verify(let mailbox, let isExpand): await self.askResolvers(about: mailbox, isExpand: isExpand)
        }
        return nil
    }

    /// Asks the plugins of a stage: here and now where they answer at once, else the rest is work for the session's task.
    func ask<Question: StageQuestion>(
        _ question: Question,
        _ hooks: [Hooked<Question.Hook>],
        _ state: Question.State,
        then: @escaping @Sendable (isolated SMTPSession, ChainResult<Question.State, Question.Outcome>) -> Work?
    ) -> Work? {
        switch self.runner.start(question, hooks, state) {
        case .over(let result): return then(self, result)
        case .waiting(let chain):
            return .rest { session in
                session.flush()  // replies to earlier commands do not wait for a plugin
                return then(session, await session.runner.result(of: chain))
            }
        }
    }

    /// Asks the plugins of a stage who change nothing.
    func ask<Question: StageQuestion>(
        _ question: Question,
        _ hooks: [Hooked<Question.Hook>],
        then: @escaping @Sendable (isolated SMTPSession, ChainResult<Void, Question.Outcome>) -> Work?
    ) -> Work? where Question.State == Void { self.ask(question, hooks, (), then: then) }

    /// Something that plugins see of the session has changed: its properties below notice by themselves, the client's name does not.
    func contextChanged() { self.lastContext = nil }

    /// What plugins see of the session.
    var context: SessionContext {
        if let context = self.lastContext { return context }
        let context = SessionContext(
            identifier: self.identifier,
            clientAddress: self.clientAddress,
            listener: self.listener.name,
            role: self.listener.role,
            helloName: self.sequence.hello?.name,
            isRelayClient: self.isRelayClient,
            tls: self.security.map { TLSFacts($0) },
            authenticatedIdentity: self.identity,
            facts: self.facts,
            logger: self.logger
        )
        self.lastContext = context
        return context
    }

    private func greet() async {
        if self.isExhausted(self.listener.limits.errorsPerClient, .error) {
            self.isGreeted = true
            self.logger.info("too many errors of this client")
            return self.end(with: .tooManyErrors(hostname: self.settings.hostname))
        }
        var refusal = self.tlsRefusal
        if refusal == nil, !self.settings.hooks.connect.isEmpty {
            switch await self.runner.run(ConnectQuestion(session: self.context), self.settings.hooks.connect) {
            case .passed, .decided(.next, _), .decided(.accept, _): break
            case .decided(.reject(let reply), _): refusal = reply.withClass(.permanentFailure, else: .sessionRefused)
            case .decided(.defer(let reply), _):
                self.isGreeted = true
                let text = "\(self.settings.hostname) \(reply.text)"
                return self.end(with: Reply(421, reply.enhanced ?? .init(7, 0), text))
            case .failed:
                self.isGreeted = true
                return self.end(with: .internalFault(hostname: self.settings.hostname))
            }
        }
        self.sequence.connected(isRefused: refusal != nil)
        if let refusal {
            self.reply(Reply(554, "\(self.settings.hostname) \(refusal.text)"))
        } else {
            self.reply(.greeting(hostname: self.settings.hostname))
        }
        self.isGreeted = true
    }

    private func tellDisconnected() async {
        guard !self.settings.hooks.disconnect.isEmpty else { return }
        await self.runner.tell(DisconnectNews(session: self.context), self.settings.hooks.disconnect)
    }
}

private struct ConnectQuestion: StageQuestion {
    let session: SessionContext

    func ask(_ hook: any ConnectHook, _: inout Void) async throws -> ChainStep<ConnectOutcome> {
        switch try await hook.connected(self.session) {
        case .next: .next
        case let outcome: .decided(outcome)
        }
    }
}

private struct DisconnectNews: StageQuestion {
    let session: SessionContext

    func ask(_ hook: any DisconnectHook, _: inout Void) async throws -> ChainStep<Never> {
        try await hook.disconnected(self.session)
        return .next
    }
}
