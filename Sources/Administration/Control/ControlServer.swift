package import Logging
package import NIOCore
import NIOPosix
import Synchronization

/// Lets the operator's commands in: a Unix-domain socket for the hub's own user and root, one request a connection.
///
/// A request is one line of JSON (`ControlRequest`); the answer is lines of JSON (`ControlResponse`), written as the client
/// reads them, so that a listing of any length takes the memory of one page.
package final class ControlServer: Sendable {
    /// The most entries that are asked of the handler at once.
    package static let pageSize = 200

    private let file: ControlSocketFile
    private let handler: any ControlHandler
    private let limits: ControlLimits
    private let group: any EventLoopGroup
    private let logger: Logger
    private let connections = Mutex(0)

    /// - Parameters:
    ///   - path: of the socket: up to 107 octets. Its folder is made when it is missing.
    ///   - handler: does what is asked.
    ///   - limits: what one operator may ask.
    ///   - group: the event loops to use.
    package init(
        path: String,
        handler: any ControlHandler,
        limits: ControlLimits = ControlLimits(),
        group: any EventLoopGroup,
        logger: Logger
    ) {
        self.file = ControlSocketFile(path: path)
        self.handler = handler
        self.limits = limits
        self.group = group
        self.logger = logger
    }

    /// Serves until cancelled, then removes the socket.
    ///
    /// - Parameter onListening: called once, when clients can connect.
    /// - Throws: `ControlSocketError` when the socket cannot be made.
    package func run(onListening: @Sendable () -> Void = {}) async throws {
        try await self.file.prepare(on: self.group)
        let server = try await self.bind()
        try await server.executeThenClose { clients in
            // Between bind and this the socket has the mode of the umask; credentials are checked all the same.
            let identity = try self.file.restrict()
            defer { self.file.remove(identity) }
            self.logger.debug("control socket is open", metadata: ["path": "\(self.file.path)"])
            onListening()
            do {
                try await withThrowingDiscardingTaskGroup { group in
                    for try await client in clients {
                        group.addTask { await self.serve(client) }
                    }
                }
            } catch is CancellationError {
                // How this ends.
            }
        }
    }

    private func bind() async throws -> NIOAsyncChannel<NIOAsyncChannel<ByteBuffer, ByteBuffer>, Never> {
        do {
            return try await ServerBootstrap(group: self.group)
                // A client such as `nc -U` may close its side after the request and still read the answer.
                .childChannelOption(.allowRemoteHalfClosure, value: true)
                .bind(unixDomainSocketPath: self.file.path) { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try NIOAsyncChannel(wrappingChannelSynchronously: channel)
                    }
                }
        } catch let error as IOError {
            throw ControlSocketError.system(call: "bind", path: self.file.path, errno: error.errnoCode)
        }
    }

    /// Serves one client; whatever becomes of it is no concern of the others.
    private func serve(_ client: NIOAsyncChannel<ByteBuffer, ByteBuffer>) async {
        let isWelcome = self.connections.withLock { count in
            count += 1
            return count <= self.limits.connections
        }
        defer { self.connections.withLock { $0 -= 1 } }
        let end = client.channel.eventLoop.scheduleTask(in: TimeAmount(self.limits.connectionTime)) {
            client.channel.close(promise: nil)
        }
        defer { end.cancel() }
        do {
            try await client.executeThenClose { inbound, outbound in
                let session = ControlSession(handler: self.handler, limits: self.limits, output: outbound)
                if isWelcome {
                    try await self.serve(session, inbound, of: client.channel)
                } else {
                    try await session.refuse(.busy, "too many operators at once")
                }
                try await Self.drain(client.channel)
            }
        } catch {
            // The operator is gone, or has used up the time: nobody is left to be told.
            self.logger.debug("control connection broke", metadata: ["error": "\(error)"])
        }
    }
    private func serve(
        _ session: ControlSession,
        _ inbound: NIOAsyncChannelInboundStream<ByteBuffer>,
        of channel: any Channel
    ) async throws {
        // Without credentials the client is gone already: another hub that asked whether anybody answers here.
        guard let peer = await PeerCredentials.peer(of: channel) else { return }
        guard peer.mayOperate else {
            self.logger.warning("control request refused", metadata: ["user": "\(peer.user)"])
            return try await session.refuse(.notPermitted, "only root and the user of the hub may operate it")
        }
        guard let request = try await session.request(from: inbound, of: channel) else { return }
        self.logger.log(
            level: request.changesSomething ? .notice : .debug,
            "control request",
            metadata: ["request": "\(request)", "user": "\(peer.user)", "process": "\(peer.process)"]
        )
        try await session.answer(request)
    }

    /// Waits until the client has been sent everything: closing would drop what it is slow to read.
    private static func drain(_ channel: any Channel) async throws {
        try await withTaskCancellationHandler {
            try await channel.writeAndFlush(ByteBuffer()).get()
        } onCancel: {
            channel.close(promise: nil)
        }
    }
}
