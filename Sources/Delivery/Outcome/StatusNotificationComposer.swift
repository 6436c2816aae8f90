import InternetMessage
package import Logging
package import MailQueue
import NIOCore
package import SMTP

/// Writes what the queue tells senders: as messages that nobody answers, and that cause no further notification
/// (RFC 3461 section 6.1, RFC 5321 section 3.6.3).
package struct StatusNotificationComposer: NotificationComposer {
    private let host: Domain
    private let postmaster: Mailbox
    private let contents: ContentDirectory
    private let clock: any WallClock
    private let logger: Logger

    /// - Parameters:
    ///   - host: the name of this host, for Reporting-MTA and the notification's own fields.
    ///   - postmaster: whom senders may ask; it must be a mailbox that is read (RFC 3464 section 2).
    ///   - contents: where the originals are, and large notifications go.
    package init(
        host: Domain,
        postmaster: Mailbox,
        contents: ContentDirectory,
        clock: any WallClock,
        logger: Logger
    ) {
        self.host = host
        self.postmaster = postmaster
        self.contents = contents
        self.clock = clock
        self.logger = logger
    }

    /// Writes one notification; never gives `nil`: what cannot be read of the original is left out.
    package func compose(_ request: NotificationRequest) async -> NewMessage? {
        let now = self.clock.now
        let id = QueueID.make(at: now)
        let notification = DeliveryStatusNotification(
            host: self.host,
            postmaster: self.postmaster,
            returnAddress: request.returnAddress,
            identifier: id.description,
            date: now,
            original: await self.original(of: request),
            recipients: request.notices.map(DeliveryStatusNotification.Recipient.init)
        )
        let message = notification.write()
        var envelope = Envelope(reversePath: .null)
        envelope.recipients = [EnvelopeRecipient(request.returnAddress, notify: [])]
        // Who wanted the message protected wants the report about it protected (RFC 8689 section 5).
        if request.envelope.tlsRequirement == .required { envelope.tlsRequirement = .required }
        envelope.isInternationalized = notification.isInternationalized
        envelope.body = message.readableBytesView.contains { $0 >= 0x80 } ? .eightBitMIME : nil
        return NewMessage(
            id: id,
            envelope: envelope,
            content: await self.stored(message, as: id),
            arrival: now,
            isNotification: true
        )
    }

    /// The original, as far as a report can return it; a sender is better told without it than not at all.
    private func original(of request: NotificationRequest) async -> DeliveryStatusNotification.Original {
        var content = ByteBuffer()
        var isComplete = false
        do {
            content = try await self.contents.prefix(of: request.content, upTo: QueueLimits.inlineContent)
            isComplete = content.readableBytes == request.content.size
        } catch {
            self.logger.warning(
                "content unreadable, notifying without it",
                metadata: ["queue-id": "\(request.id)", "error": "\(error)"]
            )
        }
        return DeliveryStatusNotification.Original(
            content: content,
            isComplete: isComplete,
            arrival: request.arrival,
            envelopeIdentifier: request.envelope.envelopeIdentifier,
            returnContent: request.envelope.tlsRequirement == .required ? .headers : request.envelope.returnContent
        )
    }

    /// A large notification goes to a file as any large message does; where no file can be had, it stays in memory, and the
    /// queue decides whether it can be stored.
    private func stored(_ message: ByteBuffer, as id: QueueID) async -> StoredContent {
        let spool = self.contents.spool(for: id)
        do {
            try await spool.append(message)
            return try await spool.finish()
        } catch {
            await spool.discard()
            self.logger.warning(
                "no file for a notification",
                metadata: ["queue-id": "\(id)", "error": "\(error)"]
            )
            return .inline(message)
        }
    }
}

extension DeliveryStatusNotification.Recipient {
    /// What the queue says about a recipient, in the words of a report.
    fileprivate init(_ notice: RecipientNotice) {
        self.init(
            mailbox: notice.recipient.mailbox,
            originalRecipient: notice.recipient.originalRecipient,
            event: DeliveryStatusNotification.Event(notice.event),
            reply: notice.reply,
            remoteHost: notice.host,
            lastAttempt: notice.lastAttempt,
            willRetryUntil: notice.willRetryUntil
        )
    }
}

extension DeliveryStatusNotification.Event {
    fileprivate init(_ event: NotificationEvent) {
        switch event {
        case .failed: self = .failed
        case .expired: self = .expired
        case .delayed: self = .delayed
        case .delivered: self = .delivered
        case .relayed: self = .relayed
        case .expanded: self = .expanded
        }
    }
}
