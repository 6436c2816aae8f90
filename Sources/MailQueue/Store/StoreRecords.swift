package import SMTP

/// A message with the way that each recipient takes.
package struct RoutedMessage: Sendable {
    /// The message.
    package let message: NewMessage
    /// One destination for each recipient, in the order of the envelope.
    package let destinations: [Destination]
    /// When it may first be tried.
    package let due: Timestamp

    package init(_ message: NewMessage, destinations: [Destination], due: Timestamp) {
        self.message = message
        self.destinations = destinations
        self.due = due
    }
}

/// What is known about the last attempt for a recipient.
package struct AttemptRecord: Hashable, Sendable {
    /// When it ended.
    package let time: Timestamp
    /// The reply behind its outcome: the peer's, or our own.
    package let reply: Reply
    /// The peer, where the reply is a peer's.
    package let host: String?

    package init(time: Timestamp, reply: Reply, host: String?) {
        self.time = time
        self.reply = reply
        self.host = host
    }
}

/// What the store changes after an attempt, in one transaction.
package struct OutcomeRecord: Sendable {
    /// A recipient that is to be tried again.
    package struct Retry: Sendable {
        /// Its place in the envelope.
        package let position: Int
        /// When.
        package let due: Timestamp
        /// Attempts so far, this one included.
        package let attempts: Int
        /// How the last one ended.
        package let last: AttemptRecord

        package init(position: Int, due: Timestamp, attempts: Int, last: AttemptRecord) {
            self.position = position
            self.due = due
            self.attempts = attempts
            self.last = last
        }
    }

    /// A recipient that is done, and whose sender is to be told in a later transaction.
    package struct Notice: Sendable {
        /// Its place in the envelope.
        package let position: Int
        /// What the sender is told.
        package let event: NotificationEvent
        /// How the last attempt ended.
        package let last: AttemptRecord

        package init(position: Int, event: NotificationEvent, last: AttemptRecord) {
            self.position = position
            self.event = event
            self.last = last
        }
    }

    /// The message.
    package let id: QueueID
    /// The name of its content file, where it has one: unlinked when its last recipient is gone.
    package let contentFile: String?
    /// Places of recipients that need nothing any more.
    package var removed: [Int] = []
    /// Recipients that wait again.
    package var retries: [Retry] = []
    /// Recipients that are kept for a notification.
    package var notices: [Notice] = []
    /// Places of recipients about whose delay the sender is told by one of `additions`.
    package var warned: [Int] = []
    /// Notifications to append in the same transaction.
    package var additions: [RoutedMessage] = []

    package init(id: QueueID, contentFile: String?) {
        self.id = id
        self.contentFile = contentFile
    }
}

/// Names one recipient of one message.
package struct RecipientKey: Hashable, Sendable {
    /// The message.
    package let id: QueueID
    /// The place in its envelope.
    package let position: Int

    package init(id: QueueID, position: Int) {
        self.id = id
        self.position = position
    }
}

/// A message as read back for an attempt or a notification.
package struct LoadedMessage: Sendable {
    /// A recipient as read back.
    package struct Recipient: Sendable {
        /// Place, address and attempts.
        package let queued: QueuedRecipient
        /// Where it goes.
        package let destination: Destination
        /// What it waits for.
        package let state: RecipientState
        /// When it may be tried.
        package let due: Timestamp
        /// Whether the sender has been told about the delay.
        package let isWarned: Bool
        /// The last attempt.
        package let last: AttemptRecord?
        /// What the sender is to be told, in the state `notifying`.
        package let event: NotificationEvent?
    }

    /// Its name.
    package let id: QueueID
    /// Sender and parameters; `recipients` is empty.
    package let envelope: Envelope
    /// When it arrived.
    package let arrival: Timestamp
    /// The content; empty where it was not asked for and is no file.
    package let content: StoredContent
    /// Whether the hub made it itself.
    package let isNotification: Bool
    /// The recipients that were asked for and exist.
    package let recipients: [Recipient]
}
