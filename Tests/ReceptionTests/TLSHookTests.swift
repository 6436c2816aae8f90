import Foundation
import Logging
import MailHubPlugin
import MailHubPluginTesting
import NIOPosix
import SMTP
import Synchronization
import TestSupport
import Testing
import TransportSecurity

@testable import Reception

@Suite("RFC 3207 section 4.1 (S3207-4.1-02): what the hub makes of an encrypted connection is for plugins to say")
struct TLSHookTests {
    /// Answers as it is told, and keeps what it saw.
    final class Doorman: HubPlugin, TLSHook, HelloHook {
        let outcome: TLSOutcome
        let seen = Mutex<[TLSFacts?]>([])

        init(_ outcome: TLSOutcome) { self.outcome = outcome }
        init(configuration: ConfigurationSection, services: PluginServices) { self.outcome = .next }

        func encrypted(_ tls: TLSFacts, _ session: SessionContext) async throws -> TLSOutcome {
            self.seen.withLock { $0 += [tls, session.tls] }
            return self.outcome
        }
        func hello(_ name: String, _ session: SessionContext) async throws -> HelloOutcome {
            self.seen.withLock { $0.append(session.tls) }
            return .next
        }
    }

    struct Row: CustomTestStringConvertible {
        let mode: ListenerTLS.Mode
        let outcome: TLSOutcome
        /// What the client is told when it has TLS.
        let reply: String
        var testDescription: String { "\(self.mode): \(self.outcome)" }
    }

    static let rows = [
        Row(mode: .implicit, outcome: .next, reply: "220 hub.example.org"),
        Row(mode: .implicit, outcome: .accept, reply: "220 hub.example.org"),
        Row(
            mode: .implicit,
            outcome: .reject(Reply(550, .init(7, 1), "Not you")),
            reply: "554 hub.example.org Not you"
        ),
        Row(
            mode: .implicit,
            outcome: .disconnect(Reply(421, .init(7, 0), "Go")),
            reply: "421 4.7.0 hub.example.org Go"
        ),
        Row(mode: .startTLS, outcome: .next, reply: "250-hub.example.org greets c.example"),
        Row(mode: .startTLS, outcome: .reject(Reply(550, .init(7, 1), "Not you")), reply: "554 5.7.1 Not you"),
        Row(mode: .startTLS, outcome: .disconnect(Reply(554, .init(7, 0), "Go")), reply: "554 5.7.0 Go"),
    ]

    @Test(arguments: Self.rows)
    func outcome(_ row: Row) async throws {
        let folder = try TemporaryDirectory()
        guard let openssl = try Peer.find("openssl"), let authority = try TestAuthority(folder: folder.url) else {
            return
        }
        let files = try authority.issue("hub", names: ["DNS:hub.example.org"])
        let client = try authority.issue("client", names: ["DNS:client.example"])
        var settings = ServerTLSSettings(certificates: [CertificateFiles(chain: files.chain, key: files.key)])
        settings.clientCertificates = .request
        settings.clientAuthorities = authority.certificate
        let host = try #require(Domain("hub.example.org"))
        let postmaster = try #require(Mailbox("postmaster@example.org"))
        let doorman = Doorman(row.outcome)
        let reception = ReceptionSettings(
            host: host,
            servedDomains: [],
            relayNetworks: [],
            postmaster: postmaster,
            hooks: HookChains([
                ConfiguredPlugin(name: "doorman", plugin: doorman, timeLimit: .seconds(10), onFailure: .defer)
            ])
        )
        let listener = try await Listener.bind(
            ListenerSettings(
                name: "mx",
                address: "127.0.0.1",
                port: 0,
                role: .mx,
                tls: ListenerTLS(mode: row.mode, server: ServerTLS(settings))
            ),
            group: MultiThreadedEventLoopGroup.singleton,
            current: { reception },
            services: ReceptionServices(
                intake: RecordingIntake(),
                clock: FrozenClock(),
                logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
            )
        )
        let serving = Task { try await listener.run() }
        let port = listener.port
        let start = row.mode == .implicit ? [] : ["-starttls", "smtp"]
        let arguments =
            ["s_client", "-quiet", "-connect", "127.0.0.1:\(port)", "-cert", client.chain, "-key", client.key] + start
        let (_, output) = try await onThread {
            try openssl.run(arguments, input: Data("EHLO c.example\r\nQUIT\r\n".utf8))
        }
        #expect(output.contains(row.reply), "\(output)")
        let seen = doorman.seen.withLock { $0 }
        let encrypted = seen.compactMap(\.self)
        #expect(encrypted.count >= 2)
        #expect(
            encrypted.allSatisfy {
                $0.version == "TLSv1.3" && $0.cipher == "TLS_AES_128_GCM_SHA256" && $0.clientName == "client.example"
                    && $0.clientSubject == "CN=client"
            }
        )
        if row.mode == .startTLS { #expect(seen.first == .some(nil), "the first EHLO was in the clear") }
        await listener.shutDown()
        try await serving.value
    }
}
