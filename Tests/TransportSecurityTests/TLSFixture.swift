import Foundation
import NIOCore
import NIOEmbedded
import TestSupport
import TransportSecurity

/// The certificates that the tests use, made once for all of them.
final class TestCertificates: Sendable {
    let authority: TestAuthority
    let otherAuthority: TestAuthority
    let ecdsa: TestAuthority.Files
    let rsa: TestAuthority.Files
    let other: TestAuthority.Files
    let wildcard: TestAuthority.Files
    let expired: TestAuthority.Files
    let client: TestAuthority.Files
    /// For a.example, by an authority that nobody trusts.
    let unknown: TestAuthority.Files

    private init?() throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "mailhub-certificates-\(UUID().uuidString)")
        guard let authority = try TestAuthority(folder: folder.appending(path: "a")),
            let otherAuthority = try TestAuthority(folder: folder.appending(path: "b"), name: "Unknown authority")
        else { return nil }
        self.authority = authority
        self.otherAuthority = otherAuthority
        self.ecdsa = try authority.issue("ecdsa", names: ["DNS:a.example", "IP:127.0.0.1"])
        self.rsa = try authority.issue("rsa", names: ["DNS:a.example"], algorithm: .rsa)
        self.other = try authority.issue("other", names: ["DNS:b.example"])
        self.wildcard = try authority.issue("wildcard", names: ["DNS:*.c.example"])
        self.expired = try authority.issue("expired", names: ["DNS:a.example"], isExpired: true)
        self.client = try authority.issue("client", names: ["DNS:client.example", "email:ann@client.example"])
        self.unknown = try otherAuthority.issue("unknown", names: ["DNS:a.example"])
    }

    deinit { try? FileManager.default.removeItem(at: self.authority.folder.deletingLastPathComponent()) }

    private static let task = Task { try await onThread { try TestCertificates() } }

    /// `nil` where there is no openssl command: the test is skipped, and has said so.
    static func make() async throws -> TestCertificates? { try await self.task.value }
}

extension CertificateFiles {
    init(_ files: TestAuthority.Files) { self.init(chain: files.chain, key: files.key) }
}

extension ServerTLS {
    /// Of certificates, the first for all unknown names.
    convenience init(_ files: TestAuthority.Files..., configure: (inout ServerTLSSettings) -> Void = { _ in }) throws {
        var settings = ServerTLSSettings(certificates: files.map { CertificateFiles($0) })
        configure(&settings)
        try self.init(settings)
    }
}

extension TLSExpectation {
    /// Of a server with a name that must be verified, or is only looked at.
    static func name(_ name: String, isVerified: Bool = true) -> TLSExpectation {
        TLSExpectation(serverName: name, identities: [name], isVerified: isVerified, sessionKey: name)
    }
}

/// What arrives behind a TLS handler.
final class TLSRecorder: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    var received = ByteBuffer()
    var facts: TLSParameters?
    var failure: TLSFailure?
    /// Whether the end came with close_notify; `nil` before it.
    var isClosedCleanly: Bool?
    var isInactive = false
    /// Whether it asks for more input by itself.
    var isReading = true

    func channelActive(context: ChannelHandlerContext) { if self.isReading { context.read() } }
    func channelReadComplete(context: ChannelHandlerContext) { if self.isReading { context.read() } }
    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var buffer = self.unwrapInboundIn(data)
        self.received.writeBuffer(&buffer)
    }
    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        switch event as? TLSEvent {
        case .established(let facts): self.facts = facts
        case .closed(let isClean): self.isClosedCleanly = isClean
        case nil: break
        }
    }
    func errorCaught(context: ChannelHandlerContext, error: any Error) { self.failure = error as? TLSFailure }
    func channelInactive(context: ChannelHandlerContext) { self.isInactive = true }
}

/// One end of a connection in memory.
final class TLSEnd {
    let channel = EmbeddedChannel()
    let handler: TLSHandler
    let recorder = TLSRecorder()

    init(_ handler: TLSHandler) throws {
        self.handler = handler
        try self.channel.pipeline.syncOperations.addHandlers([handler, self.recorder])
    }

    convenience init(server: ServerTLS) throws { try self.init(TLSHandler(server: server)) }

    convenience init(client: ClientTLS, _ expectation: TLSExpectation) throws {
        try self.init(TLSHandler(client: client, expecting: expectation, handshakeTime: .seconds(10)))
    }

    func connect() throws {
        try self.channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
    }

    func send(_ text: String) { self.channel.writeAndFlush(ByteBuffer(string: text), promise: nil) }

    var text: String { String(buffer: self.recorder.received) }
}

/// Two ends, joined by hand.
struct TLSPair {
    let server: TLSEnd
    let client: TLSEnd

    init(_ server: ServerTLS, _ client: ClientTLS, _ expectation: TLSExpectation) throws {
        self.server = try TLSEnd(server: server)
        self.client = try TLSEnd(client: client, expectation)
    }

    /// Connects both and lets them do their handshake.
    func connect() throws {
        try self.server.connect()
        try self.client.connect()
        try self.pump()
    }

    /// Carries octets to and fro until both are silent.
    func pump(pieces: Int = .max) throws {
        var hasMoved = true
        while hasMoved {
            hasMoved = false
            for (from, to) in [(self.client, self.server), (self.server, self.client)] {
                while var buffer = try from.channel.readOutbound(as: ByteBuffer.self) {
                    hasMoved = true
                    while let piece = buffer.readSlice(length: min(pieces, buffer.readableBytes)),
                        piece.readableBytes > 0
                    {
                        guard to.channel.isActive else { break }
                        try to.channel.writeInbound(piece)
                    }
                }
            }
        }
    }
}
