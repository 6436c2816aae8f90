import MailHubPlugin
import NIOCore
import NIOPosix
import SMTP
import TransportSecurity

/// Why a connection is of no more use.
enum ConnectionFailure: Error, CustomStringConvertible {
    /// The peer has closed, or the network has failed.
    case closed
    case timedOut
    /// The peer does not speak SMTP.
    case protocolError

    var description: String {
        switch self {
        case .closed: "the connection was closed"
        case .timedOut: "no answer in time"
        case .protocolError: "the server's answer is no SMTP reply"
        }
    }
}

/// A connection to a server, on its event loop: octets out, replies in.
actor SMTPClientConnection {
    private nonisolated let executor: EventLoopActorExecutor
    nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe self.executor.asUnownedSerialExecutor() }
    private nonisolated var eventLoop: any EventLoop { self.executor.eventLoop }
    private let channel: any Channel
    private var parser = ReplyParser()
    private var input = ByteBuffer()
    private var replies: [Reply] = []
    /// Octets that came since the last reply that was waited for was taken.
    private var untaken = 0
    private var failure: ConnectionFailure?
    private var waiter: CheckedContinuation<Result<Reply, ConnectionFailure>, Never>?
    private var timer: Scheduled<Void>?
    /// How the handshake has ended, where nobody has waited for it yet.
    private var handshakeResult: Result<TLSParameters, TLSFailure>?
    private var handshakeWaiter: CheckedContinuation<Result<TLSParameters, TLSFailure>, Never>?

    private init(_ channel: any Channel, _ executor: EventLoopActorExecutor) {
        self.channel = channel
        self.executor = executor
    }

    /// Connects.
    ///
    /// - Parameter executor: what the connection lives on; the caller's task had better prefer its task executor.
    static func connect(
        to hop: NextHop,
        on executor: EventLoopActorExecutor,
        limit: Duration
    ) async throws(ConnectionFailure) -> SMTPClientConnection {
        let bootstrap = ClientBootstrap(group: executor.eventLoop)
            .connectTimeout(TimeAmount(limit))
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let connection = SMTPClientConnection(channel, executor)
                    try channel.pipeline.syncOperations.addHandler(ClientChannelHandler(connection))
                }
            }
        do {
            let channel: any Channel
            switch hop.address {
            case .ip(let address, let port):
                channel = try await bootstrap.connect(host: address.description, port: port).get()
            case .unixSocket(let path):
                channel = try await bootstrap.connect(unixDomainSocketPath: path).get()
            }
            return try await channel.eventLoop.submit {
                try channel.pipeline.syncOperations.handler(type: ClientChannelHandler.self).connection
            }.get()
        } catch {
            throw error is ChannelError ? .timedOut : .closed
        }
    }

    // MARK: Called on the event loop

    /// What a server may say ahead of its being asked: far more than all replies to a group of commands.
    private static let mostUntaken = 4 << 20

    fileprivate func received(_ buffer: inout ByteBuffer) {
        guard self.failure == nil else { return }
        self.untaken += buffer.readableBytes
        self.input.writeBuffer(&buffer)
        do {
            while let reply = try self.parser.next(in: &self.input) { self.replies.append(reply) }
            guard self.untaken <= Self.mostUntaken else { throw ReplySyntaxError.tooLong }
        } catch {
            // Nothing more can be understood: no memory is spent on it.
            self.input = ByteBuffer()
            self.fail(.protocolError)
            self.channel.close(promise: nil)
        }
        if self.input.readableBytes == 0 { self.input.clear() }
        self.serve()
    }

    fileprivate func fail(_ failure: ConnectionFailure) {
        if self.failure == nil { self.failure = failure }
        self.handshakeEnded(.failure(.closedInHandshake))
        self.serve()
    }

    fileprivate func handshakeEnded(_ result: Result<TLSParameters, TLSFailure>) {
        guard let waiter = self.handshakeWaiter.take() else {
            self.handshakeResult = result
            return
        }
        waiter.resume(returning: result)
    }

    private func serve() {
        guard self.waiter != nil else { return }
        let result: Result<Reply, ConnectionFailure>
        if let reply = self.takeReply() {
            result = .success(reply)
        } else if let failure = self.failure {
            result = .failure(failure)
        } else {
            return
        }
        self.timer?.cancel()
        self.waiter.take()?.resume(returning: result)
    }

    private func takeReply() -> Reply? {
        guard !self.replies.isEmpty else { return nil }
        let reply = self.replies.removeFirst()
        if self.replies.isEmpty { self.untaken = self.input.readableBytes }
        return reply
    }

    // MARK: For the transaction

    /// Our side of the connection; `nil` where it has no address.
    nonisolated var ownAddress: IPAddress? { self.channel.localAddress?.ipAddress.flatMap { IPAddress($0) } }

    /// Whether the peer has neither closed nor said anything unasked.
    var isQuiet: Bool { self.failure == nil && self.replies.isEmpty && self.channel.isActive }

    /// A reply that has arrived and not been taken yet.
    var pendingReply: Reply? { self.replies.first }

    /// Sends octets; returns when they are handed to the channel, which sends them in order.
    func send(_ buffer: ByteBuffer) { self.channel.writeAndFlush(buffer, promise: nil) }

    /// Sends octets, and waits until the network has taken them: so that a large content does not pile up in memory.
    func sendAndDrain(_ buffer: ByteBuffer, limit: Duration) async throws(ConnectionFailure) {
        let timer = self.eventLoop.scheduleTask(in: TimeAmount(limit)) { self.assumeIsolated { $0.giveUp() } }
        defer { timer.cancel() }
        do {
            try await self.channel.writeAndFlush(buffer).get()
        } catch {
            throw self.failure ?? .closed
        }
    }

    /// The next reply; the same connection must not be asked by two tasks.
    func reply(within limit: Duration) async throws(ConnectionFailure) -> Reply {
        if let reply = self.takeReply() { return reply }
        if let failure = self.failure { throw failure }
        self.timer = self.eventLoop.scheduleTask(in: TimeAmount(limit)) { self.assumeIsolated { $0.giveUp() } }
        return try await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                self.waiter = continuation
                // The way here may have given up the event loop: a reply that has come meanwhile found nobody to wake.
                self.serve()
            }
        } onCancel: {
            self.channel.close(promise: nil)  // ends the wait
        }.get()
    }

    /// Does the handshake: called when the server has answered STARTTLS with 220.
    func startTLS(
        _ client: ClientTLS,
        expecting expectation: TLSExpectation,
        limit: Duration
    ) async throws -> TLSParameters {
        // Whatever has come behind the reply came in the clear: an attacker's words are not taken for the server's.
        guard self.isQuiet, self.input.readableBytes == 0 else {
            throw TLSFailure.protocolError("octets in the clear behind the reply to STARTTLS")
        }
        let handler = try TLSHandler(client: client, expecting: expectation, handshakeTime: limit)
        try self.channel.pipeline.syncOperations.addHandler(handler, position: .first)
        return try await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                // The way here may have given up the event loop: a handshake that has ended meanwhile found nobody to wake.
                guard let result = self.handshakeResult.take() else {
                    self.handshakeWaiter = continuation
                    return
                }
                continuation.resume(returning: result)
            }
        } onCancel: {
            self.channel.close(promise: nil)  // ends the wait
        }.get()
    }

    /// What the server has shown in the handshake, its own certificate first.
    func peerCertificates() -> [CertificateFacts] {
        self.tlsHandler?.peerCertificates ?? []
    }

    /// What ties an authentication to the TLS connection; `nil` where there is no such thing.
    func channelBinding(_ kind: ChannelBinding) -> [UInt8]? {
        self.tlsHandler?.channelBindings(kind).first
    }

    private var tlsHandler: TLSHandler? { try? self.channel.pipeline.syncOperations.handler(type: TLSHandler.self) }

    private func giveUp() {
        self.fail(.timedOut)
        self.channel.close(promise: nil)
    }

    /// Closes.
    func close() async { try? await self.channel.close() }
}

/// Brings the channel's events to the connection; both live on the same event loop.
private final class ClientChannelHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    let connection: SMTPClientConnection

    init(_ connection: SMTPClientConnection) { self.connection = connection }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let buffer = self.unwrapInboundIn(data)
        self.connection.assumeIsolated { connection in
            var buffer = buffer
            connection.received(&buffer)
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.connection.assumeIsolated { $0.fail(.closed) }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard case .established(let facts) = event as? TLSEvent else { return }
        self.connection.assumeIsolated { $0.handshakeEnded(.success(facts)) }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if let failure = error as? TLSFailure {
            self.connection.assumeIsolated { $0.handshakeEnded(.failure(failure)) }
        }
        context.close(promise: nil)
    }
}
