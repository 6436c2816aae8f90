import Foundation
import NIOCore
import NIOPosix
import Synchronization
import TestSupport
import Testing
import TransportSecurity

@Suite("RFC 8446: with the openssl command at the other end")
struct OpenSSLPeerTests {
    /// A server that says what it gets, and what happened to it.
    final class EchoServer: Sendable {
        final class Handler: ChannelInboundHandler, Sendable {
            typealias InboundIn = ByteBuffer
            typealias OutboundOut = ByteBuffer
            let log: Log
            init(_ log: Log) { self.log = log }

            func channelRead(context: ChannelHandlerContext, data: NIOAny) {
                context.writeAndFlush(data, promise: nil)
            }
            func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
                switch event as? TLSEvent {
                case .established(let facts):
                    self.log.add(
                        "\(facts.version) \(facts.cipherSuite) resumed:\(facts.isResumed) client:\(facts.peer?.name ?? "-") \(facts.verification)"
                    )
                case .closed(let isClean): self.log.add("closed \(isClean)")
                case nil: break
                }
            }
            func errorCaught(context: ChannelHandlerContext, error: any Error) { self.log.add("error \(error)") }
        }
        final class Log: Sendable {
            private let lines = Mutex<[String]>([])
            func add(_ line: String) { self.lines.withLock { $0.append(line) } }
            var all: [String] { self.lines.withLock { $0 } }

            /// Waits for a line, at most ten seconds.
            func wait(for text: String) async throws -> Bool {
                for _ in 0..<1000 where !self.all.contains(where: { $0.contains(text) }) {
                    try await Task.sleep(for: .milliseconds(10))
                }
                return self.all.contains { $0.contains(text) }
            }
        }
        let channel: any Channel
        let log: Log
        var port: Int { self.channel.localAddress?.port ?? 0 }

        init(_ tls: ServerTLS) async throws {
            let log = Log()
            self.log = log
            self.channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .childChannelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.addHandler(TLSHandler(server: tls))
                        try channel.pipeline.syncOperations.addHandler(Handler(log))
                    }
                }
                .bind(host: "127.0.0.1", port: 0).get()
        }

        func close() async throws { try await self.channel.close() }
    }

    /// What s_client is told to do, and what it says.
    struct Dialogue: CustomTestStringConvertible {
        let testDescription: String
        let arguments: [String]
        var input = "hello\n"
        let output: String
        /// What the server has noted.
        let noted: String
    }

    static let dialogues = [
        Dialogue(
            testDescription: "TLS 1.3, ECDSA",
            arguments: ["-tls1_3", "-servername", "a.example"],
            output: "Verify return code: 0 (ok)",
            noted: "TLSv1.3 TLS_AES_128_GCM_SHA256"
        ),
        Dialogue(
            testDescription: "TLS 1.2, ECDSA",
            arguments: ["-tls1_2", "-servername", "a.example"],
            output: "ECDHE-ECDSA",
            noted: "TLSv1.2 TLS_ECDHE_ECDSA_WITH"
        ),
        Dialogue(
            testDescription: "TLS 1.2, RSA beside ECDSA",
            arguments: ["-tls1_2", "-servername", "a.example", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256"],
            output: "ECDHE-RSA",
            noted: "TLSv1.2 TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"
        ),
        Dialogue(
            testDescription: "TLS 1.3, RSA beside ECDSA",
            arguments: ["-tls1_3", "-servername", "a.example", "-sigalgs", "rsa_pss_rsae_sha256"],
            output: "Verify return code: 0 (ok)",
            noted: "TLSv1.3"
        ),
        Dialogue(
            testDescription: "ALPN is passed over",
            arguments: ["-alpn", "h2,smtp"],
            output: "No ALPN negotiated",
            noted: "TLSv1.3"
        ),
        Dialogue(
            testDescription: "TLS 1.1",
            arguments: ["-tls1_1", "-cipher", "ALL@SECLEVEL=0"],
            output: "alert",
            noted: "error TLS failed"
        ),
        Dialogue(
            testDescription: "no cipher in common",
            arguments: ["-tls1_2", "-cipher", "AES128-SHA"],
            output: "handshake failure",
            noted: "no shared cipher"
        ),
    ]

    @Test("s_client", arguments: Self.dialogues)
    func client(_ dialogue: Dialogue) async throws {
        guard let certificates = try await TestCertificates.make(), let openssl = try Peer.find("openssl") else {
            return
        }
        let server = try await EchoServer(ServerTLS(certificates.ecdsa, certificates.rsa, certificates.other))
        let arguments =
            ["s_client", "-connect", "127.0.0.1:\(server.port)", "-CAfile", certificates.authority.certificate]
            + dialogue.arguments
        let input = Data(dialogue.input.utf8)
        let (_, output) = try await onThread { try openssl.run(arguments, input: input) }
        #expect(output.contains(dialogue.output))
        #expect(try await server.log.wait(for: dialogue.noted), "\(server.log.all)")
        try await server.close()
    }

    @Test("renegotiation is refused, and the server serves on")
    func renegotiation() async throws {
        guard let certificates = try await TestCertificates.make(), let openssl = try Peer.find("openssl") else {
            return
        }
        let server = try await EchoServer(ServerTLS(certificates.ecdsa))
        let port = server.port
        for _ in 0..<2 {
            let (_, output) = try await onThread {
                try openssl.run(["s_client", "-connect", "127.0.0.1:\(port)", "-tls1_2"], input: Data("R\n".utf8))
            }
            #expect(output.contains("RENEGOTIATING"))
            #expect(output.contains("no renegotiation"))
        }
        #expect(server.log.all.filter { $0.hasPrefix("TLSv1.2") }.count == 2)
        try await server.close()
    }

    @Test("sessions are resumed", arguments: ["-tls1_2", "-tls1_3"])
    func resumption(version: String) async throws {
        guard let certificates = try await TestCertificates.make(), let openssl = try Peer.find("openssl") else {
            return
        }
        let server = try await EchoServer(ServerTLS(certificates.ecdsa, certificates.other))
        let folder = try TemporaryDirectory()
        let session = folder.url.appending(path: "session").path
        let shell = try #require(try Peer.find("sh"))
        for option in ["-sess_out", "-sess_in"] {
            // Its input stays open until it has seen the ticket.
            let command = """
                i=0; while [ ! -s \(session) ] && [ $i -lt 300 ]; do sleep 0.1; i=$((i + 1)); done |
                \(openssl.executable.path) s_client -connect 127.0.0.1:\(server.port) \(version) \\
                -servername b.example \(option) \(session)
                """
            _ = try await onThread { try shell.run(["-c", command]) }
        }
        #expect(try await server.log.wait(for: "resumed:true"), "\(server.log.all)")
        #expect(server.log.all.contains { $0.contains("resumed:false") })
        try await server.close()
    }

    @Test("client certificates: asked for and trusted, asked for and unknown, required and missing")
    func clientCertificates() async throws {
        guard let certificates = try await TestCertificates.make(), let openssl = try Peer.find("openssl") else {
            return
        }
        let rows: [(ServerTLSSettings.ClientCertificates, TestAuthority.Files?, String)] = [
            (.request, certificates.client, "client:client.example verified"),
            (.request, certificates.unknown, "client:a.example failed"),
            (.request, nil, "client:- noCertificate"),
            (.require, certificates.client, "client:client.example verified"),
            (.require, certificates.unknown, "error the certificate is not trusted"),
            (.require, nil, "error TLS failed: peer did not return a certificate"),
        ]
        for (mode, files, noted) in rows {
            let server = try await EchoServer(
                ServerTLS(certificates.ecdsa) {
                    $0.clientCertificates = mode
                    $0.clientAuthorities = certificates.authority.certificate
                }
            )
            let arguments =
                ["s_client", "-connect", "127.0.0.1:\(server.port)"]
                + (files.map { ["-cert", $0.chain, "-key", $0.key] } ?? [])
            _ = try await onThread { try openssl.run(arguments, input: Data("hello\n".utf8)) }
            #expect(try await server.log.wait(for: noted), "\(mode) \(server.log.all)")
            try await server.close()
        }
    }

    /// What collects at the client's end.
    final class ClientHandler: ChannelInboundHandler, Sendable {
        typealias InboundIn = ByteBuffer
        let log: EchoServer.Log
        init(_ log: EchoServer.Log) { self.log = log }
        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            self.log.add("read \(String(buffer: self.unwrapInboundIn(data)).prefix(200))")
        }
        func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
            switch event as? TLSEvent {
            case .established(let facts): self.log.add("\(facts.version) \(facts.verification)")
            case .closed(let isClean): self.log.add("closed \(isClean)")
            case nil: break
            }
        }
        func errorCaught(context: ChannelHandlerContext, error: any Error) { self.log.add("error \(error)") }
    }

    @Test(
        "s_server",
        arguments: [
            (["-tls1_3"], "a.example", "TLSv1.3 verified"), (["-tls1_2"], "a.example", "TLSv1.2 verified"),
            (["-tls1_3"], "b.example", "error the certificate is not trusted: hostname mismatch"),
            (["-tls1_1", "-cipher", "ALL@SECLEVEL=0"], "a.example", "error TLS failed"),
        ]
    )
    func server(options: [String], name: String, noted: String) async throws {
        guard let certificates = try await TestCertificates.make(), let openssl = try Peer.find("openssl") else {
            return
        }
        let folder = try TemporaryDirectory()
        let place = folder.url
        let port = try freePort()
        let files = certificates.ecdsa
        let arguments =
            ["s_server", "-accept", "127.0.0.1:\(port)", "-cert", files.chain, "-key", files.key, "-www"] + options
        let server = try await onThread { try UncheckedBox(openssl.start(arguments, folder: place, port: port)) }
        let log = EchoServer.Log()
        let client = try ClientTLS(authorities: certificates.authority.certificate)
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(
                        TLSHandler(client: client, expecting: .name(name), handshakeTime: .seconds(10))
                    )
                    try channel.pipeline.syncOperations.addHandler(ClientHandler(log))
                }
            }
            .connect(host: "127.0.0.1", port: port).get()
        try? await channel.writeAndFlush(ByteBuffer(string: "GET / HTTP/1.0\r\n\r\n"))
        #expect(try await log.wait(for: noted), "\(log.all)")
        if !noted.hasPrefix("error") { #expect(try await log.wait(for: "read HTTP/1.0 200"), "\(log.all)") }
        try? await channel.close()
        try await onThread { server.value.stop() }
        withExtendedLifetime(folder) {}
    }
}

/// Carries a peer between threads that use it one after the other.
final class UncheckedBox<Value>: @unchecked Sendable {
    let value: Value
    init(_ value: Value) { self.value = value }
}
