import Delivery
import InternetMessage
import Logging
import MailHubPlugin
import MailQueue
import NIOCore
import SMTP

/// Calls the plugins of the delivery stages.
struct DeliveryHookStages: DeliveryStages {
    let live: LiveConfiguration
    let content: ContentDirectory
    let clock: any WallClock
    let eventLoops: any EventLoopGroup
    let logger: Logger

    private var runner: HookRunner {
        let eventLoop = self.eventLoops.any()
        return HookRunner(eventLoop: eventLoop, executor: EventLoopTaskExecutor(eventLoop), logger: self.logger)
    }

    private func context(_ job: DeliveryJob) -> DeliveryContext {
        DeliveryContext(
            queueIdentifier: job.id.description,
            reversePath: job.envelope.reversePath,
            recipients: job.recipients.map(\.recipient),
            route: job.destination.route
        )
    }

    func willDeliver(_ job: DeliveryJob) async -> DeliveryPermission {
        let hooks = self.live.current.hooks.delivery
        guard !hooks.isEmpty else { return .deliver(job) }
        let header: HeaderSection
        do {
            header = HeaderSection(
                parsing: try await self.content.prefix(of: job.content, upTo: HeaderSection.mostOctets)
            )
        } catch {
            return .refuse(.temporaryFailure)
        }
        let context = self.context(job)
        let result = await self.runner.run(hooks, EditedHeader(header)) { hook, state -> DeliveryVerdict? in
            switch try await hook.deliver(context, header: state.header) {
            case .next: return nil
            case .change(let edits):
                for edit in edits { try state.apply(edit) }
                return nil
            case let verdict: return verdict
            }
        }
        switch result {
        case .passed(let state), .decided(.next, let state), .decided(.change, let state):
            return await self.changed(job, state, bodyOffset: header.length)
        case .decided(.defer(let reply), _):
            return .refuse(reply.code.replyClass == .transientFailure ? reply : .temporaryFailure)
        case .decided(.reject(let reply), _):
            return .refuse(reply.code.replyClass == .permanentFailure ? reply : .temporaryFailure)
        case .failed:
            return .refuse(.temporaryFailure)
        }
    }

    private func changed(_ job: DeliveryJob, _ state: EditedHeader, bodyOffset: Int) async -> DeliveryPermission {
        guard state.isChanged else { return .deliver(job) }
        let spool = self.content.spool(for: QueueID.make(at: self.clock.now))
        do {
            var header = ByteBuffer()
            state.header.write(into: &header)
            try await spool.append(header)
            var skip = bodyOffset
            try await self.content.forEachPiece(of: job.content) { (piece) async throws(StoreError) in
                var piece = piece
                let skipped = min(skip, piece.readableBytes)
                piece.moveReaderIndex(forwardBy: skipped)
                skip -= skipped
                if piece.readableBytes > 0 { try await spool.append(piece) }
            }
            return .deliver(
                DeliveryJob(
                    id: job.id,
                    envelope: job.envelope,
                    arrival: job.arrival,
                    content: try await spool.finish(),
                    destination: job.destination,
                    recipients: job.recipients
                )
            )
        } catch {
            await spool.discard()
            self.logger.error("message cannot be changed", metadata: ["queue-id": "\(job.id)", "error": "\(error)"])
            return .refuse(.temporaryFailure)
        }
    }

    func delivered(_ job: DeliveryJob, _ reports: [RecipientReport]) async {
        let hooks = self.live.current.hooks.deliveryOutcome
        guard !hooks.isEmpty else { return }
        let recipients = Dictionary(job.recipients.map { ($0.index, $0.recipient) }) { first, _ in first }
        let outcomes = reports.compactMap { report in
            recipients[report.index].map {
                DeliveryOutcome(recipient: $0, result: report.result.outcome, reply: report.reply, host: report.host)
            }
        }
        let context = self.context(job)
        _ = await self.runner.run(hooks, true) { hook, _ -> Bool? in
            try await hook.finished(context, outcomes)
            return nil
        }
    }

    func release(_ sent: DeliveryJob, original: DeliveryJob) async {
        guard case .file(let name, _) = sent.content else { return }
        if case .file(let kept, _) = original.content, kept == name { return }
        await self.content.discard(sent.content)
    }
}

/// A header section with the edits of the delivery hooks.
private struct EditedHeader: Sendable {
    private(set) var header: HeaderSection
    private(set) var isChanged = false

    init(_ header: HeaderSection) { self.header = header }

    mutating func apply(_ edit: HeaderEdit) throws {
        try self.header.apply(edit)
        self.isChanged = true
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
