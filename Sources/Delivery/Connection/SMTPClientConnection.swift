import NIOCore
import NIOPosix
import SMTP

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
    nonisolated let eventLoop: any EventLoop
    nonisolated var unownedExecutor: UnownedSerialExecutor {
        unsafe self.eventLoop.executor.asUnownedSerialExecutor()
    }
    private let channel: any Channel
    private var parser = ReplyParser()
    private var input = ByteBuffer()
    private var replies: [Reply] = []
    private var failure: ConnectionFailure?
    private var waiter: CheckedContinuation<Result<Reply, ConnectionFailure>, Never>?
    private var timer: Scheduled<Void>?

    private init(_ channel: any Channel) {
        self.channel = channel
        self.eventLoop = channel.eventLoop
    }

    /// Connects.
    static func connect(
        to hop: NextHop,
        on eventLoop: any EventLoop,
        limit: Duration
    ) async throws(ConnectionFailure) -> SMTPClientConnection {
        let bootstrap = ClientBootstrap(group: eventLoop)
            .connectTimeout(TimeAmount(limit))
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let connection = SMTPClientConnection(channel)
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

    fileprivate func received(_ buffer: inout ByteBuffer) {
        self.input.writeBuffer(&buffer)
        do {
            while let reply = try self.parser.next(in: &self.input) { self.replies.append(reply) }
            if self.replies.count > 10_000 { self.fail(.protocolError) }
        } catch {
            self.fail(.protocolError)
        }
        if self.input.readableBytes == 0 { self.input.clear() }
        self.serve()
    }

    fileprivate func fail(_ failure: ConnectionFailure) {
        if self.failure == nil { self.failure = failure }
        self.serve()
    }

    private func serve() {
        guard self.waiter != nil else { return }
        let result: Result<Reply, ConnectionFailure>
        if !self.replies.isEmpty {
            result = .success(self.replies.removeFirst())
        } else if let failure = self.failure {
            result = .failure(failure)
        } else {
            return
        }
        self.timer?.cancel()
        self.waiter.take()?.resume(returning: result)
    }

    // MARK: For the transaction

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
        if !self.replies.isEmpty { return self.replies.removeFirst() }
        if let failure = self.failure { throw failure }
        self.timer = self.eventLoop.scheduleTask(in: TimeAmount(limit)) { self.assumeIsolated { $0.giveUp() } }
        return try await withTaskCancellationHandler {
            await withCheckedContinuation { self.waiter = $0 }
        } onCancel: {
            self.channel.close(promise: nil)  // ends the wait
        }.get()
    }

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

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }
}
