import Delivery
public import MailHubPlugin
import MailQueue
import NIOCore

/// What the plugins of the delivery stages make of one attempt.
public enum TestDelivery: Sendable {
    /// The message goes out like this.
    case sent(SentMessage)
    /// It does not: 4yz for an attempt that is deferred, 5yz for recipients that fail.
    case refused(Reply)

    /// What a next hop, or a mailbox, gets.
    public struct SentMessage: Sendable {
        /// Where the next hop sends its reports.
        public let reversePath: ReversePath
        /// Header fields.
        public let header: HeaderSection
        /// All behind the empty line.
        public let body: String
        /// Everything, octet by octet.
        public let octets: [UInt8]
    }
}

/// Deliveries without a peer: what `DeliveryHook`s and `DeliveryOutcomeHook`s do with a message that the hub has taken.
extension TestHub {
    private var stages: DeliveryHookStages {
        let hooks = self.hooks
        return DeliveryHookStages(
            content: self.intake.content,
            clock: self.clock,
            eventLoops: self.loop,
            logger: self.logger
        ) { hooks }
    }

    private func job(for message: TestMessage, by route: String) -> DeliveryJob {
        var envelope = message.envelope
        let recipients = envelope.recipients.enumerated().map { index, recipient in
            QueuedRecipient(index: index, recipient: recipient, attempts: 0)
        }
        envelope.recipients = []
        return DeliveryJob(
            id: message.message.id,
            envelope: envelope,
            arrival: message.message.arrival,
            content: message.message.content,
            destination: Destination(route: route, domain: ""),
            recipients: recipients
        )
    }

    /// Asks the delivery hooks about an attempt for all recipients.
    public func deliver(_ message: TestMessage, by route: String = "mailstore") async throws -> TestDelivery {
        let job = self.job(for: message, by: route)
        switch await self.stages.willDeliver(job) {
        case .refuse(let reply):
            return .refused(reply)
        case .deliver(let changed):
            var octets: [UInt8] = []
            try await self.intake.content.forEachPiece(of: changed.content) { (piece) async throws(any Error) in
                octets += piece.readableBytesView
            }
            await self.stages.release(changed, original: job)
            let header = HeaderSection(parsing: ByteBuffer(bytes: octets))
            return .sent(
                TestDelivery.SentMessage(
                    reversePath: changed.envelope.reversePath,
                    header: header,
                    body: String(decoding: octets.dropFirst(header.length), as: UTF8.self),
                    octets: octets
                )
            )
        }
    }

    /// Tells the delivery outcome hooks how an attempt for all recipients has ended.
    public func finish(
        _ message: TestMessage,
        _ result: DeliveryOutcome.Result,
        _ reply: Reply,
        host: String? = nil,
        by route: String = "mailstore"
    ) async {
        let outcome: RecipientReport.Result =
            switch result {
            case .delivered: .delivered
            case .deferred: .deferred
            case .failed: .failed
            }
        let job = self.job(for: message, by: route)
        let reports = job.recipients.map {
            RecipientReport(index: $0.index, result: outcome, reply: reply, host: host)
        }
        await self.stages.delivered(job, reports)
    }
}
