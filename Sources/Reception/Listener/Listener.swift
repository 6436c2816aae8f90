import Logging
import MailHubPlugin
package import NIOCore
import NIOPosix
import SMTP
import Synchronization

/// Accepts connections on one address and serves each with a session (RFC 5321 section 4.5.4.2).
package final class Listener: Sendable {
    private let currentListener: Mutex<ListenerSettings>
    private let channel: NIOAsyncChannel<any Channel, Never>
    private let current: @Sendable () -> ReceptionSettings
    private let services: ReceptionServices
    private let counts = ConnectionCounts()
    private let rates = ClientRates()
    private let sessions = Mutex<[ObjectIdentifier: SMTPSession]>([:])
    private let isClosing = Mutex(false)

    /// What new sessions go by; address and port are those that it was bound to.
    package var settings: ListenerSettings { self.currentListener.withLock { $0 } }

    /// Gives new sessions other limits, another name or another role.
    package func update(_ settings: ListenerSettings) { self.currentListener.withLock { $0 = settings } }

    /// The port listened on: the configured one, or the one that the system chose for 0.
    package var port: Int { self.channel.channel.localAddress?.port ?? self.settings.port }

    /// Opens the listening socket.
    ///
    /// - Parameter current: the settings for new sessions; may give others after a reload.
    /// - Throws: where the address cannot be bound.
    package static func bind(
        _ settings: ListenerSettings,
        group: any EventLoopGroup,
        current: @escaping @Sendable () -> ReceptionSettings,
        services: ReceptionServices
    ) async throws -> Listener {
        let channel = try await ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: 1024)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .bind(
                host: settings.address,
                port: settings.port,
                serverBackPressureStrategy: .init(lowWatermark: 16, highWatermark: 256)
            ) { child in
                child.eventLoop.makeCompletedFuture {
                    try Self.prepare(child)
                    return child
                }
            }
        return Listener(settings, channel: channel, current: current, services: services)
    }

    /// Sets a connection up, without the futures that the options of a bootstrap go through.
    private static func prepare(_ connection: any Channel) throws {
        guard let options = connection.syncOptions else { throw ChannelError.operationUnsupported }
        try options.setOption(.autoRead, value: false)
        try options.setOption(.allowRemoteHalfClosure, value: true)
        try options.setOption(.tcpOption(.tcp_nodelay), value: 1)
        let allocator = AdaptiveRecvByteBufferAllocator(minimum: 512, initial: 1024, maximum: 65536)
        try options.setOption(.recvAllocator, value: allocator)
        try connection.pipeline.syncOperations.addHandler(SessionChannelHandler())
    }

    private init(
        _ settings: ListenerSettings,
        channel: NIOAsyncChannel<any Channel, Never>,
        current: @escaping @Sendable () -> ReceptionSettings,
        services: ReceptionServices
    ) {
        self.currentListener = Mutex(settings)
        self.channel = channel
        self.current = current
        self.services = services
    }

    /// Serves until `shutDown()` or cancellation; returns when the last client is gone.
    package func run() async throws {
        // On the loop that accepts: a hop to another thread costs each connection two changes of threads.
        try await withTaskExecutorPreference(EventLoopTaskExecutor(self.channel.channel.eventLoop)) {
            try await self.accept()
        }
    }

    private func accept() async throws {
        try await self.channel.executeThenClose { connections, _ in
            try await withThrowingDiscardingTaskGroup { clients in
                for try await connection in connections {
                    guard let client = connection.remoteAddress.flatMap({ IPAddress($0) }) else {
                        connection.close(promise: nil)
                        continue
                    }
                    guard !self.isClosing.withLock({ $0 }), self.admit(client) else {
                        self.turnAway(connection, client)
                        continue
                    }
                    let executor = EventLoopActorExecutor(connection.eventLoop)
                    // With the loop as preference the task starts there, and what belongs to no actor stays there: measured,
                    // a tenth less CPU a message than without.
                    clients.addTask(executorPreference: executor.taskExecutor) {
                        // Never throws: one client cannot end the others.
                        await self.serve(connection, client, executor)
                        self.counts.release(client)
                        self.services.budget.giveBack()
                    }
                }
            }
        }
    }

    /// Counts a client in: by the listener's limits, and by what the process can bear.
    private func admit(_ client: IPAddress) -> Bool {
        guard self.services.budget.take() else { return false }
        guard self.counts.admit(client, limits: self.settings.limits) else {
            self.services.budget.giveBack()
            return false
        }
        return true
    }

    private func serve(_ connection: any Channel, _ client: IPAddress, _ executor: EventLoopActorExecutor) async {
        let session = SMTPSession(
            channel: connection,
            clientAddress: client,
            listener: self.settings,
            settings: self.current(),
            services: self.services,
            rates: self.rates,
            executor: executor
        )
        self.sessions.withLock { $0[ObjectIdentifier(session)] = session }
        if self.isClosing.withLock({ $0 }) { await session.shutDown() }
        await withTaskCancellationHandler {
            await session.run()
        } onCancel: {
            connection.close(promise: nil)
        }
        self.sessions.withLock { _ = $0.removeValue(forKey: ObjectIdentifier(session)) }
        connection.close(promise: nil)
    }

    private func turnAway(_ connection: any Channel, _ client: IPAddress) {
        self.services.logger.info(
            "connection refused: too many",
            metadata: ["listener": "\(self.settings.name)", "peer": "\(client)"]
        )
        // A client that speaks TLS from the start would not understand a reply.
        guard self.settings.tls?.mode != .implicit else { return connection.close(promise: nil) }
        var buffer = ByteBuffer()
        Reply.tooManyConnections(hostname: self.current().hostname).write(to: &buffer)
        connection.writeAndFlush(buffer).whenComplete { _ in connection.close(promise: nil) }
    }

    /// Stops accepting; idle clients get 421 now, others when their transaction has ended (RFC 5321 section 3.8).
    package func shutDown() async {
        self.isClosing.withLock { $0 = true }
        self.channel.channel.close(promise: nil)
        for session in self.sessions.withLock({ Array($0.values) }) { await session.shutDown() }
    }

    /// Sessions at present.
    package var sessionCount: Int { self.counts.total }
}
