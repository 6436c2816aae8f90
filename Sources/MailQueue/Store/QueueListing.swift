package import SMTP

/// What a recipient waits for.
package enum RecipientState: Int64, Hashable, Sendable, CaseIterable, Codable {
    /// For its next attempt.
    case waiting = 0
    /// For the operator.
    case held = 1
    /// It is done; its sender is yet to be notified.
    case notifying = 2
    /// For the operator: the message cannot be read.
    case damaged = 3
}

/// Which messages the operator means: those that match all that is given.
package struct QueueFilter: Sendable {
    /// Recipients in this state.
    package var state: RecipientState?
    /// Recipients at this destination: `route`, or `route/domain`, or the domain alone.
    package var destination: String?
    /// The sender contains this text, in any case.
    package var sender: String?
    /// A recipient contains this text, in any case.
    package var recipient: String?

    package init(
        state: RecipientState? = nil,
        destination: String? = nil,
        sender: String? = nil,
        recipient: String? = nil
    ) {
        self.state = state
        self.destination = destination
        self.sender = sender
        self.recipient = recipient
    }
}

/// The messages that an operator's action is for.
package enum QueueSelection: Sendable {
    /// By name; those that do not exist are ignored.
    case ids([QueueID])
    /// All that match.
    case matching(QueueFilter)
}

/// What an operator may do to queued messages.
package enum OperatorAction: Hashable, Sendable {
    /// No attempts until released; the reason is shown in listings.
    case hold(reason: String)
    /// End a hold: due now. Damaged messages are given another chance.
    case release(now: Timestamp)
    /// Make waiting recipients due now.
    case retry(now: Timestamp)
    /// Remove without notification.
    case delete
}

/// A message in a listing.
///
/// All text is as stored: it is shown even when it cannot be parsed.
package struct QueueListing: Sendable {
    /// One recipient.
    package struct Recipient: Sendable {
        /// Its place in the envelope.
        package let position: Int
        /// The address.
        package let address: String
        /// Where it goes.
        package let destination: String
        /// What it waits for.
        package let state: RecipientState
        /// Attempts so far.
        package let attempts: Int
        /// When it may be tried.
        package let due: Timestamp
        /// How the last attempt ended.
        package let last: AttemptRecord?
    }

    /// Its name.
    package let id: QueueID
    /// The reverse-path without brackets; empty for the null one.
    package let sender: String
    /// When it arrived.
    package let arrival: Timestamp
    /// Octets of content.
    package let size: Int
    /// Why it is held.
    package let holdReason: String?
    /// Why it cannot be read.
    package let damage: String?
    /// Whether the hub made it itself.
    package let isNotification: Bool
    /// Recipients that the queue still has: the first 100.
    package let recipients: [Recipient]
    /// Number of recipients that the queue still has.
    package let recipientCount: Int

    /// The most recipients that one entry shows.
    static let shownRecipients = 100
}

/// One page of a listing.
package struct QueuePage: Sendable {
    /// The messages, oldest first.
    package let messages: [QueueListing]
    /// Where the next page begins; `nil` after the last.
    package let next: QueueID?
}

/// How much there is in the queue.
package struct QueueStatistics: Sendable {
    /// Messages.
    package var messages = 0
    /// Octets of content.
    package var octets = 0
    /// Recipients by state.
    package var recipients: [RecipientState: Int] = [:]
    /// Recipients by destination (`route` or `route/domain`); the 1000 with the most.
    package var destinations: [String: Int] = [:]
    /// When the oldest message arrived.
    package var oldest: Timestamp?

    package init() {}
}
