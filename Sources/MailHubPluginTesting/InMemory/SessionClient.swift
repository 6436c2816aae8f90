package import Logging
package import MailHubPlugin
import MailQueue
import NIOCore
package import NIOEmbedded
package import Reception
package import SMTP
import Synchronization

/// A clock that stands still.
package struct FrozenClock: WallClock {
    package let now = Timestamp(milliseconds: 1_800_000_000_000)

    package init() {}
}

/// A client of one session over an in-memory channel; time on the event loop is moved by hand.
package final class SessionClient: Sendable {
    package struct Silence: Error, CustomStringConvertible {
        let received: String
        package var description: String { "no reply within the time limit; before: \(self.received)" }
    }

    package let channel: NIOAsyncTestingChannel
    package let session: SMTPSession
    private let isFinished: Finish
    private let output = Mutex(Output())

    private struct Output {
        var pending = ByteBuffer()
        var all = ""
    }

    private final class Finish: Sendable {
        private let flag = Mutex(false)
        var value: Bool { self.flag.withLock { $0 } }
        func set() { self.flag.withLock { $0 = true } }
    }

    package var loop: NIOAsyncTestingEventLoop { self.channel.testingEventLoop }

    /// What a client is connected to.
    package struct Server: Sendable {
        package var listener: ListenerSettings
        package var settings: ReceptionSettings
        package var services: ReceptionServices
        package var rates: ClientRates
        package var client: IPAddress

        package init(
            listener: ListenerSettings = ListenerSettings(name: "mx", address: "127.0.0.1", port: 25, role: .mx),
            settings: ReceptionSettings,
            intake: any MessageIntake,
            rates: ClientRates = ClientRates(),
            client: IPAddress = .ipv4(0xC000_0207),
            clock: any WallClock = FrozenClock(),
            logger: Logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        ) {
            self.init(
                listener: listener,
                settings: settings,
                services: ReceptionServices(intake: intake, clock: clock, logger: logger),
                rates: rates,
                client: client
            )
        }

        /// For several clients of one hub: what sessions share is in the services.
        package init(
            listener: ListenerSettings,
            settings: ReceptionSettings,
            services: ReceptionServices,
            rates: ClientRates,
            client: IPAddress
        ) {
            self.listener = listener
            self.settings = settings
            self.services = services
            self.rates = rates
            self.client = client
        }

        /// Serves example.org and example.com.
        package static func standard(
            _ intake: any MessageIntake,
            plugins: [ConfiguredPlugin] = []
        ) throws -> Server {
            guard let host = Domain("hub.example.org"), let first = Domain("example.org"),
                let second = Domain("example.com"), let postmaster = Mailbox("postmaster@example.org")
            else { throw Silence(received: "") }
            return Server(
                settings: ReceptionSettings(
                    host: host,
                    servedDomains: [first, second],
                    relayNetworks: [],
                    postmaster: postmaster,
                    hooks: HookChains(plugins)
                ),
                intake: intake
            )
        }
    }

    /// Connects a client and begins the session.
    ///
    /// - Parameter loop: the event loop; several clients may share one, and with it the time.
    package static func connect(
        to server: Server,
        on loop: NIOAsyncTestingEventLoop = .init(),
        prepare: (NIOAsyncTestingChannel) async throws -> Void = { _ in }
    ) async throws -> SessionClient {
        let channel = NIOAsyncTestingChannel(loop: loop)
        try await channel.connect(to: SocketAddress(ipAddress: server.client.description, port: 40_000)).get()
        channel.localAddress = try SocketAddress(ipAddress: "192.0.2.25", port: 25)
        try await prepare(channel)
        let client = SessionClient(server, channel)
        let session = client.session
        let finish = client.isFinished
        _ = await session.attach()
        // Ends when the channel is closed; `disconnected(within:)` waits for it.
        Task {
            await session.run()
            try? await channel.close()
            finish.set()
        }
        return client
    }

    private init(_ server: Server, _ channel: NIOAsyncTestingChannel) {
        self.channel = channel
        self.session = SMTPSession(
            channel: channel,
            clientAddress: server.client,
            listener: server.listener,
            settings: server.settings,
            services: server.services,
            rates: server.rates,
            executor: EventLoopActorExecutor(channel.eventLoop)
        )
        self.isFinished = Finish()
    }

    // MARK: To the server

    /// One read of the server's gets these octets.
    package func send(_ octets: some Collection<UInt8>) async { await self.send(reads: [octets]) }

    /// Each of the reads is carried out, as far as nothing has to be awaited, before the next one comes.
    package func send(reads: some Sequence<some Collection<UInt8>>) async {
        let channel = self.channel
        for read in reads {
            let buffer = ByteBuffer(bytes: read)
            channel.eventLoop.execute {
                channel.pipeline.syncOperations.fireChannelRead(NIOAny(buffer))
                channel.pipeline.syncOperations.fireChannelReadComplete()
            }
        }
        await self.settle()
    }

    package func send(_ line: String) async { await self.send(Array("\(line)\r\n".utf8)) }

    /// Moves the time, once the session waits for its client or for a plugin: a limit that does not run yet would not end.
    package func advance(seconds: Int) async throws {
        for _ in 0..<60_000 {
            await self.settle()
            let isWaiting = await self.session.isWaiting
            if isWaiting || self.isFinished.value { return await self.advanceAtOnce(seconds: seconds) }
            try await Task.sleep(for: .milliseconds(1))
        }
        throw Silence(received: self.transcript)
    }

    /// Moves the time, whatever the session is at.
    package func advanceAtOnce(seconds: Int) async {
        await self.settle()
        await self.loop.advanceTime(by: .seconds(Int64(seconds)))
        await self.settle()
    }

    package func disconnect() async {
        await self.settle()
        try? await self.channel.close()
    }

    /// Lets the loop do what there is to do at once.
    package func settle() async { for _ in 0..<3 { await self.loop.run() } }

    // MARK: From the server

    /// The next line of a reply without its CRLF; `nil` when the server has closed the connection.
    package func line() async throws -> String? {
        for _ in 0..<60_000 {
            let isClosed = !self.channel.isActive
            try await self.collect()
            if let line = self.takeLine() { return line }
            if isClosed { return nil }
            try await Task.sleep(for: .milliseconds(1))
        }
        throw Silence(received: self.output.withLock { $0.all })
    }

    /// The next whole reply, its lines joined by `\n`; `nil` when the server has closed the connection.
    package func reply() async throws -> String? {
        var lines: [String] = []
        while let line = try await self.line() {
            lines.append(line)
            if line.dropFirst(3).first != "-" { return lines.joined(separator: "\n") }
        }
        return nil
    }

    /// What has come and was not taken yet.
    package func rest() async throws -> String {
        await self.settle()
        try await self.collect()
        return self.output.withLock { String(buffer: $0.pending) }
    }

    /// Waits until the session has nothing under way: it asks for input, or has ended.
    package func quiet() async throws {
        for _ in 0..<60_000 {
            await self.settle()
            let isIdle = await self.session.isIdle
            if isIdle || self.isFinished.value {
                try await self.collect()
                return
            }
            try await Task.sleep(for: .milliseconds(1))
        }
        throw Silence(received: self.transcript)
    }

    /// Everything that the server has said.
    package var transcript: String { self.output.withLock { $0.all } }

    /// Waits until the session is over.
    package func finished() async throws {
        for _ in 0..<60_000 {
            if self.isFinished.value { return }
            await self.settle()
            try await Task.sleep(for: .milliseconds(1))
        }
        throw Silence(received: self.transcript)
    }

    private func collect() async throws {
        while let buffer = try await self.channel.readOutbound(as: ByteBuffer.self) {
            self.output.withLock { output in
                output.pending.writeImmutableBuffer(buffer)
                output.all += String(buffer: buffer)
            }
        }
    }

    private func takeLine() -> String? {
        self.output.withLock { output in
            let view = output.pending.readableBytesView
            guard let end = view.firstIndex(of: 0x0A) else { return nil }
            let line = output.pending.readString(length: end - view.startIndex + 1) ?? ""
            return line.hasSuffix("\r\n") ? String(line.dropLast()) : "\(line) (no CRLF)"
        }
    }
}
