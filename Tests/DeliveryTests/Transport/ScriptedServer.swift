@testable import Delivery
import MailHubPlugin
import MailQueue
import NIOCore
import NIOPosix
import SMTP
import Synchronization

/// What a scripted server does at one place of the dialogue.
enum Answer: ExpressibleByStringLiteral, Sendable {
    /// Lines, sent with CRLF behind them.
    case reply(String)
    /// Octets as they are.
    case raw(String)
    /// Sends the lines, and closes.
    case replyAndClose(String)
    /// Closes.
    case close
    /// Says nothing, now and from then on.
    case silence
    /// The first time the first, and so on; the last one from then on.
    case inTurn([Answer])

    init(stringLiteral value: String) { self = .reply(value) }
}

/// A server that answers by the first rule whose text the line begins with.
///
/// The greeting is the line `CONNECT`, the end of the content the line `.`.
struct Script: Sendable {
    var features: [String] = []
    var rules: [(prefix: String, answer: Answer)] = []

    init(_ features: [String] = [], _ rules: KeyValuePairs<String, Answer> = [:]) {
        self.features = features
        self.rules = rules.map { ($0.key, $0.value) }
    }

    /// The rule for a line, by its number; `nil` for the answer of a friendly server.
    fileprivate func rule(for line: String) -> Int? { self.rules.firstIndex { line.hasPrefix($0.prefix) } }

    fileprivate func friendly(_ line: String) -> Answer {
        switch line.prefix(4).uppercased() {
        case "CONN": return "220 mx.example ESMTP"
        case "EHLO", "LHLO":
            let lines = ["mx.example"] + self.features
            return .reply(
                lines.enumerated().map { index, line in "250\(index == lines.count - 1 ? " " : "-")\(line)" }
                    .joined(separator: "\r\n")
            )
        case "DATA": return "354 Go on"
        case "QUIT": return .replyAndClose("221 Bye")
        case ".": return "250 2.0.0 Taken"
        default: return "250 2.1.0 Fine"
        }
    }
}

/// An SMTP server on loopback that says what a script tells it to, and remembers what it heard.
final class ScriptedServer: Sendable {
    struct Memory: Sendable {
        /// Command lines, and `.` for each content, of all connections.
        var lines: [String] = []
        /// Contents, dot-stuffing undone.
        var contents: [[UInt8]] = []
        var connections = 0
        /// Whether a client without PIPELINING has sent something before it had its reply.
        var wasRushed = false
        fileprivate var uses: [Int: Int] = [:]
    }
    fileprivate let script: Script
    fileprivate let memory = Mutex(Memory())
    private let channel: any Channel

    var port: Int { self.channel.localAddress?.port ?? 0 }
    var heard: Memory { self.memory.withLock { $0 } }

    private init(_ script: Script, channel: any Channel) {
        self.script = script
        self.channel = channel
    }

    /// Serves while the body runs.
    static func run(_ script: Script, _ body: (ScriptedServer) async throws -> Void) async throws {
        let holder = Holder()
        let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    guard let server = holder.server.withLock({ $0 }) else { throw MalformedFixture() }
                    try channel.pipeline.syncOperations.addHandler(ScriptedConnection(server))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        let server = ScriptedServer(script, channel: channel)
        holder.server.withLock { $0 = server }
        do { try await body(server) } catch {
            try? await channel.close()
            throw error
        }
        try? await channel.close()
    }

    private final class Holder: Sendable {
        let server = Mutex<ScriptedServer?>(nil)
    }

    fileprivate func answer(to line: String, isEarly: Bool) -> Answer {
        self.memory.withLock { memory in
            memory.lines.append(line)
            if line == "CONNECT" { memory.connections += 1 }
            if isEarly, !self.script.features.contains("PIPELINING") { memory.wasRushed = true }
            guard let rule = self.script.rule(for: line) else { return self.script.friendly(line) }
            let use = memory.uses[rule, default: 0]
            memory.uses[rule] = use + 1
            guard case .inTurn(let answers) = self.script.rules[rule].answer else {
                return self.script.rules[rule].answer
            }
            return answers[min(use, answers.count - 1)]
        }
    }

    fileprivate func took(_ content: [UInt8]) { self.memory.withLock { $0.contents.append(content) } }
}

private final class ScriptedConnection: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private enum State {
        case commands
        case data
        case chunk(Int)
    }
    private let server: ScriptedServer
    private var state = State.commands
    private var input = ByteBuffer()
    private var isMute = false

    init(_ server: ScriptedServer) { self.server = server }

    func channelActive(context: ChannelHandlerContext) {
        self.answer("CONNECT", context)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var buffer = self.unwrapInboundIn(data)
        self.input.writeBuffer(&buffer)
        while self.step(context) {}
    }

    private func step(_ context: ChannelHandlerContext) -> Bool {
        switch self.state {
        case .commands:
            let view = self.input.readableBytesView
            guard let end = view.firstIndex(of: 0x0A),
                let line = self.input.readString(length: end - view.startIndex + 1)
            else { return false }
            let text = String(line.dropLast(1))  // CRLF is one character
            if text.hasPrefix("BDAT ") {
                let size = text.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
                if self.server.script.rule(for: text) == nil {
                    self.server.note(text)
                } else {
                    self.answer(text, context)
                }
                self.state = .chunk(size)
                return true
            }
            self.answer(text, context)
            return true
        case .data:
            let all = Array(self.input.readableBytesView)
            let end = Array("\r\n.\r\n".utf8)
            let isEmpty = all.starts(with: Array(".\r\n".utf8))
            let found = isEmpty ? nil : all.firstRange(of: end)
            guard isEmpty || found != nil else { return false }
            let content = found.map { Array(all[..<($0.lowerBound + 2)]) } ?? []
            self.input.moveReaderIndex(forwardBy: found.map(\.upperBound) ?? 3)
            self.state = .commands
            self.server.took(Self.unstuffed(content))
            self.answer(".", context)
            return true
        case .chunk(let size):
            guard let bytes = self.input.readBytes(length: size) else { return false }
            self.state = .commands
            self.server.took(bytes)
            self.answer(".", context)
            return true
        }
    }

    private static func unstuffed(_ content: [UInt8]) -> [UInt8] {
        var result: [UInt8] = []
        var isLineStart = true
        for byte in content {
            if isLineStart, byte == UInt8(ascii: ".") {
                isLineStart = false
                continue
            }
            isLineStart = byte == 0x0A
            result.append(byte)
        }
        return result
    }

    private func answer(_ line: String, _ context: ChannelHandlerContext) {
        guard !self.isMute else { return }
        let answer = self.server.answer(to: line, isEarly: self.input.readableBytes > 0)
        switch answer {
        case .reply(let text):
            if line == "DATA", text.hasPrefix("354") || text.contains("\r\n354") { self.state = .data }
            self.write(text + "\r\n", context)
        case .raw(let text): self.write(text, context)
        case .replyAndClose(let text):
            self.write(text + "\r\n", context)
            context.close(promise: nil)
        case .close: context.close(promise: nil)
        case .silence: self.isMute = true
        case .inTurn: break
        }
    }

    private func write(_ text: String, _ context: ChannelHandlerContext) {
        context.writeAndFlush(self.wrapOutboundOut(ByteBuffer(string: text)), promise: nil)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}

extension ScriptedServer {
    fileprivate func note(_ line: String) { self.memory.withLock { $0.lines.append(line) } }

    /// A transport to the server.
    func transport(
        _ dialect: SMTPTransport.Dialect = .smtp,
        folder: Folder = Folder(),
        timeouts: ClientTimeouts = ClientTimeouts(),
        messagesPerConnection: Int = 1000
    ) -> SMTPTransport {
        var settings = SMTPTransport.Settings(hostname: "hub.example.org", dialect: dialect)
        settings.timeouts = timeouts
        settings.messagesPerConnection = messagesPerConnection
        return SMTPTransport(
            settings: settings,
            resolver: FixedNextHop(.host("127.0.0.1", port: self.port), resolver: ScriptedResolver()),
            published: .none,
            content: ContentDirectory(path: folder.path, pool: .singleton),
            logger: .quiet
        )
    }

    /// Delivers one job over a connection of its own.
    func deliver(_ job: DeliveryJob, over transport: SMTPTransport) async throws -> [RecipientReport] {
        let session = try await transport.open(
            .store,
            on: EventLoopActorExecutor(MultiThreadedEventLoopGroup.singleton.any())
        )
        let reports = await session.deliver(job)
        await session.close()
        return reports
    }
}

extension ClientTimeouts {
    /// For a server that says nothing at one step: short there, so that the test need not wait, and long elsewhere, so that a
    /// busy machine is not taken for a silent server.
    static func short(at step: String) -> ClientTimeouts {
        var result = ClientTimeouts()
        let parts: [WritableKeyPath<ClientTimeouts, Duration>] =
            switch step {
            case "CONNECT": [\.greeting]
            case "EHLO": [\.hello]
            case "MAIL", "RCPT TO:<b": [\.mail, \.recipient]
            case "DATA": [\.data, \.mail, \.recipient]  // DATA may be at the end of a group
            case ".": [\.endOfData]
            default: []
            }
        for part in parts { result[keyPath: part] = .seconds(1) }
        result.quit = .seconds(1)
        return result
    }
}
