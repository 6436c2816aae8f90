import InternetMessage
package import Logging
package import MailHubPlugin
package import MailQueue
package import NIOCore
package import SMTP

/// Calls the plugins of the delivery stages.
package struct DeliveryHookStages: DeliveryStages {
    private let content: ContentDirectory
    private let clock: any WallClock
    private let eventLoops: any EventLoopGroup
    private let logger: Logger
    private let hooks: @Sendable () -> HookChains

    /// - Parameter hooks: gives the plugins that are in force.
    package init(
        content: ContentDirectory,
        clock: any WallClock,
        eventLoops: any EventLoopGroup,
        logger: Logger,
        hooks: @escaping @Sendable () -> HookChains
    ) {
        self.content = content
        self.clock = clock
        self.eventLoops = eventLoops
        self.logger = logger
        self.hooks = hooks
    }

    private var runner: HookRunner {
        let eventLoop = self.eventLoops.any()
        return HookRunner(eventLoop: eventLoop, executor: EventLoopTaskExecutor(eventLoop), logger: self.logger)
    }

    fileprivate static func context(_ job: DeliveryJob, _ reversePath: ReversePath) -> DeliveryContext {
        DeliveryContext(
            queueIdentifier: job.id.description,
            reversePath: reversePath,
            recipients: job.recipients.map(\.recipient),
            route: job.destination.route
        )
    }

    package func willDeliver(_ job: DeliveryJob) async -> DeliveryPermission {
        let hooks = self.hooks().delivery
        guard !hooks.isEmpty else { return .deliver(job) }
        let header: HeaderSection
        do {
            header = HeaderSection(
                parsing: try await self.content.prefix(of: job.content, upTo: HeaderSection.mostOctets)
            )
        } catch {
            return .refuse(.temporaryFailure)
        }
        let question = DeliveryQuestion(content: self.content)
        switch await self.runner.run(question, hooks, EditedJob(header, job)) {
        case .passed(let state), .decided(.next, let state), .decided(.change, let state):
            return await self.changed(state)
        case .decided(.defer(let reply), _):
            return .refuse(reply.code.replyClass == .transientFailure ? reply : .temporaryFailure)
        case .decided(.reject(let reply), _):
            return .refuse(reply.code.replyClass == .permanentFailure ? reply : .refusedByPolicy)
        case .failed:
            return .refuse(.temporaryFailure)
        }
    }

    private func changed(_ state: EditedJob) async -> DeliveryPermission {
        let job = state.job
        guard state.isChanged else { return .deliver(job) }
        var content = job.content
        if state.isHeaderChanged {
            let spool = self.content.spool(for: QueueID.make(at: self.clock.now))
            do {
                try await state.message(in: self.content).content.forEachPiece { try await spool.append($0) }
                content = try await spool.finish()
            } catch {
                await spool.discard()
                self.logger.error(
                    "message cannot be changed",
                    metadata: ["queue-id": "\(job.id)", "error": "\(error)"]
                )
                return .refuse(.temporaryFailure)
            }
        }
        return .deliver(
            DeliveryJob(
                id: job.id,
                envelope: state.envelope,
                arrival: job.arrival,
                content: content,
                destination: job.destination,
                recipients: job.recipients
            )
        )
    }

    package func delivered(_ job: DeliveryJob, _ reports: [RecipientReport]) async {
        let hooks = self.hooks().deliveryOutcome
        guard !hooks.isEmpty else { return }
        let recipients = Dictionary(job.recipients.map { ($0.index, $0.recipient) }) { first, _ in first }
        let outcomes = reports.compactMap { report in
            recipients[report.index].map {
                DeliveryOutcome(recipient: $0, result: report.result.outcome, reply: report.reply, host: report.host)
            }
        }
        let context = Self.context(job, job.envelope.reversePath)
        await self.runner.tell(DeliveryNews(delivery: context, outcomes: outcomes), hooks)
    }

    package func release(_ sent: DeliveryJob, original: DeliveryJob) async {
        guard case .file(let name, _) = sent.content else { return }
        if case .file(let kept, _) = original.content, kept == name { return }
        await self.content.discard(sent.content)
    }
}

private struct DeliveryQuestion: StageQuestion {
    let content: ContentDirectory

    func ask(_ hook: any DeliveryHook, _ state: inout EditedJob) async throws -> ChainStep<DeliveryVerdict> {
        let context = DeliveryHookStages.context(state.job, state.envelope.reversePath)
        switch try await hook.deliver(context, state.message(in: self.content)) {
        case .next: return .next
        case .change(let edits):
            for edit in edits { try state.apply(edit) }
            return .changed
        case let verdict: return .decided(verdict)
        }
    }
}

private struct DeliveryNews: StageQuestion {
    let delivery: DeliveryContext
    let outcomes: [DeliveryOutcome]

    func ask(_ hook: any DeliveryOutcomeHook, _: inout Void) async throws -> ChainStep<Never> {
        try await hook.finished(self.delivery, self.outcomes)
        return .next
    }
}

/// A job with the edits of the delivery hooks.
private struct EditedJob: Sendable {
    let job: DeliveryJob
    private(set) var envelope: Envelope
    private(set) var header: HeaderSection
    /// Octets of the header section as stored, the empty line included.
    private let headerLength: Int
    private(set) var isHeaderChanged = false
    private(set) var isChanged = false

    init(_ header: HeaderSection, _ job: DeliveryJob) {
        self.job = job
        self.envelope = job.envelope
        self.header = header
        self.headerLength = header.length
    }

    mutating func apply(_ edit: DeliveryEdit) throws {
        switch edit {
        case .header(let edit):
            try self.header.apply(edit)
            self.isHeaderChanged = true
        case .replaceReversePath(let path):
            guard self.envelope.reversePath != .null else { return }  // RFC 5321 section 4.5.5
            self.envelope.reversePath = path
        }
        self.isChanged = true
    }

    /// What the next plugin sees, and what is sent.
    func message(in directory: ContentDirectory) -> MessageContext {
        var head = ByteBuffer()
        if self.isHeaderChanged { self.header.write(into: &head) }
        let skipped = self.isHeaderChanged ? self.headerLength : 0
        let content = OutgoingContent(head: head, content: self.job.content, skipped: skipped, directory: directory)
        return MessageContext(header: self.header, size: content.size, content: content)
    }
}

/// Stored octets with others in place of the first of them.
private struct OutgoingContent: MessageContent {
    let head: ByteBuffer
    let content: StoredContent
    let skipped: Int
    let directory: ContentDirectory

    var size: Int { self.head.readableBytes + max(self.content.size - self.skipped, 0) }

    func forEachPiece(_ body: (ByteBuffer) async throws -> Void) async throws {
        if self.head.readableBytes > 0 { try await body(self.head) }
        do {
            try await self.directory.forEachPiece(of: self.content, skipping: self.skipped) {
                (piece) async throws(any Error) in try await body(piece)
            }
        } catch { throw error.cause }
    }
}

extension RecipientReport.Result {
    fileprivate var outcome: DeliveryOutcome.Result {
        switch self {
        case .delivered, .relayed: .delivered
        case .deferred: .deferred
        case .failed: .failed
        }
    }
}

extension Reply {
    /// For a plugin that refuses a delivery with a reply of the wrong class.
    fileprivate static let refusedByPolicy = Reply(554, .init(7, 1), "Refused by policy")
}
