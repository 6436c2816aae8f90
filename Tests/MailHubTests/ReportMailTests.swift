import DKIM
import Foundation
import Logging
import MailHubPlugin
import MailQueue
import NIOCore
import NIOPosix
import SMTP
import Testing
import TransportSecurity

@testable import MailHub

@Suite("Reports on TLS, on their way out")
struct ReportMailTests {
    private struct Noon: WallClock {
        var now: Timestamp { Timestamp(milliseconds: 1_800_000_000_000) }
    }

    @Test(
        "S8460-3-01: they are queued signed without a length, and go out whatever TLS says",
        arguments: [true, false]
    )
    func signed(_ isSigned: Bool) async throws {
        let contact = try #require(Mailbox("tls@example.org"))
        var settings = TLSReportsConfiguration(
            organization: "Example",
            contact: contact,
            client: try ClientTLS(authorities: nil)
        )
        if isSigned {
            settings.signer = DKIMSigner(
                domain: try #require(Domain("example.org")),
                selector: try #require(Domain("2026")),
                key: try SigningKey(path: signingKey)
            )
        }
        let store = MemoryQueueStore(content: ContentDirectory(path: "/nonexistent", pool: .singleton))
        let queue = MailQueue(
            store: store,
            settings: QueueSettings(),
            clock: Noon(),
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
            route: { _ in Destination(route: "internet", domain: "example.net") },
            composer: nil
        )
        let outlet = TLSReportOutlet(
            settings,
            queue: queue,
            resolver: NoResolver(),
            eventLoops: MultiThreadedEventLoopGroup.singleton,
            clock: Noon()
        )
        let report = "From: tls@example.org\r\nTLS-Required: No\r\n\r\nreport\r\n"
        try await outlet.mail(Array(report.utf8), from: contact, to: try #require(Mailbox("reports@example.net")))
        let due = try await store.due(DueQuery(until: Noon().now, limit: 10))
        let id = try #require(due.recipients.first?.key.id)
        let loaded = try #require(try await store.load(id, positions: nil, withContent: true))
        #expect(loaded.envelope.tlsRequirement == .optional)
        guard case .inline(let content) = loaded.content else {
            Issue.record("not inline")
            return
        }
        let text = String(buffer: content)
        #expect(text.hasSuffix(report))
        #expect(text.hasPrefix("DKIM-Signature: v=1; a=ed25519-sha256;") == isSigned)
        #expect(!text.contains("l="))
    }
}
