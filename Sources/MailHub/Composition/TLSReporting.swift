import Administration
import DKIM
import HTTPSClient
import Logging
import MailHubPlugin
import MailQueue
import NIOCore
import SMTP
import ServiceLifecycle
import TLSReports

/// Collects results, and sends reports when they are due.
struct TLSReportService: Service {
    let reporter: TLSReporter
    let outlet: any ReportOutlet
    /// How often is looked whether something is due.
    private static let interval = Duration.seconds(600)

    func run() async throws {
        await cancelWhenGracefulShutdown {
            await withDiscardingTaskGroup { group in
                group.addTask { await self.reporter.collect() }
                while !Task.isCancelled {
                    await self.reporter.sendDue(through: self.outlet)
                    try? await Task.sleep(for: Self.interval)
                }
                group.cancelAll()
            }
        }
    }
}

/// Sends reports through the queue, or over HTTPS.
struct TLSReportOutlet: ReportOutlet {
    private let queue: MailQueue
    private let client: HTTPSClient
    private let resolver: any NameResolver
    private let clock: any WallClock
    private let signer: DKIMSigner?

    init(
        _ settings: TLSReportsConfiguration,
        queue: MailQueue,
        resolver: any NameResolver,
        eventLoops: any EventLoopGroup,
        clock: any WallClock
    ) {
        self.queue = queue
        self.client = HTTPSClient(
            tls: settings.client,
            eventLoops: eventLoops,
            timeLimit: .seconds(60),
            largestBody: 65_536
        )
        self.resolver = resolver
        self.clock = clock
        self.signer = settings.signer
    }

    func mail(_ message: [UInt8], from sender: Mailbox, to recipient: Mailbox) async throws {
        var envelope = Envelope(reversePath: .mailbox(sender), recipients: [EnvelopeRecipient(recipient)])
        envelope.tlsRequirement = .optional
        let now = self.clock.now
        let signed = try self.signer?.signed(message, at: now) ?? message
        try await self.queue.accept(
            NewMessage(
                id: .make(at: now),
                envelope: envelope,
                content: .inline(ByteBuffer(bytes: signed)),
                arrival: now,
                isNotification: false
            )
        )
    }

    func post(_ body: [UInt8], type: String, host: String, port: Int, path: String) async throws {
        var request = HTTPSRequest(host: host, path: path)
        request.method = .post
        request.port = port
        request.contentType = type
        request.body = body
        guard case .found(let addresses) = await self.resolver.addresses(of: host) else {
            throw HTTPSFailure.unreachable("\(host) has no address")
        }
        let response = try await self.client.send(request, to: addresses)
        guard (200...299).contains(response.status) else {
            throw HTTPSFailure.malformed("\(host) answers \(response.status)")
        }
    }
}
