/// How a running hub is doing.
package struct HubStatus: Codable, Hashable, Sendable {
    /// The hub's release.
    package var version: String
    /// The name that it greets with.
    package var hostname: String
    /// Its process.
    package var process: Int
    /// Since when it runs.
    package var started: ControlInstant
    /// Where it listens: `name address:port`.
    package var listeners: [String]
    /// SMTP sessions that are open now.
    package var sessions: Int
    /// Deliveries under way now.
    package var deliveries: Int
    /// What is queued.
    package var queue: QueueStatus
    /// The busiest destinations; a hub with thousands of them leaves most out.
    package var destinations: [DestinationStatus]

    package init(
        version: String,
        hostname: String,
        process: Int,
        started: ControlInstant,
        listeners: [String],
        sessions: Int,
        deliveries: Int,
        queue: QueueStatus,
        destinations: [DestinationStatus]
    ) {
        self.version = version
        self.hostname = hostname
        self.process = process
        self.started = started
        self.listeners = listeners
        self.sessions = sessions
        self.deliveries = deliveries
        self.queue = queue
        self.destinations = destinations
    }
}

/// How much is queued.
package struct QueueStatus: Codable, Hashable, Sendable {
    /// Messages.
    package var messages: Int
    /// Octets of content.
    package var octets: Int
    /// Recipients that wait for an attempt.
    package var waitingRecipients: Int
    /// Recipients that wait for the operator, damaged messages included.
    package var heldRecipients: Int
    /// When the oldest message arrived; `nil` when the queue is empty.
    package var oldest: ControlInstant?

    package init(
        messages: Int,
        octets: Int,
        waitingRecipients: Int,
        heldRecipients: Int,
        oldest: ControlInstant? = nil
    ) {
        self.messages = messages
        self.octets = octets
        self.waitingRecipients = waitingRecipients
        self.heldRecipients = heldRecipients
        self.oldest = oldest
    }
}

/// What goes to one destination.
package struct DestinationStatus: Codable, Hashable, Sendable {
    /// `route` or `route/domain`.
    package var destination: String
    /// Recipients queued for it.
    package var recipients: Int
    /// Deliveries under way.
    package var deliveries: Int
    /// Why nothing is delivered at present (`suspended`, `backing off until ...`); `nil` when it is.
    package var trouble: String?

    package init(destination: String, recipients: Int, deliveries: Int, trouble: String? = nil) {
        self.destination = destination
        self.recipients = recipients
        self.deliveries = deliveries
        self.trouble = trouble
    }
}
