/// What an operator asks of a running hub: one line of JSON on the control socket, such as
/// `{"queueList":{"filter":{"state":"held"},"limit":10}}` or `{"queueRetry":{"selector":{"all":{}}}}`.
package enum ControlRequest: Codable, Hashable, Sendable {
    /// How the hub is doing.
    case status
    /// Queued messages, oldest first: at most `limit` (all when `nil`) of those that match, after the message named `after`.
    case queueList(filter: MessageFilter, limit: Int?, after: String?)
    /// Everything about one message.
    case queueShow(id: String)
    /// Waiting recipients become due now.
    case queueRetry(selector: MessageSelector)
    /// No attempts until released; the reason is shown in listings.
    case queueHold(selector: MessageSelector, reason: String)
    /// Ends a hold; damaged messages get another chance.
    case queueRelease(selector: MessageSelector)
    /// Removes messages; nobody is notified.
    case queueDelete(selector: MessageSelector)
    /// No deliveries to these destinations until they are resumed; their messages wait, and do not expire meanwhile.
    case queueSuspend(destinations: [String])
    /// Ends a suspension, and the pause after failures with it.
    case queueResume(destinations: [String])
    /// Reads config.json again.
    case reload
    /// What a delivery to a domain, or to a host with a port, would do now.
    case tlsTest(target: String)
    /// The reports on TLS that are yet to be sent, to all domains or one.
    case tlsReports(domain: String?)
    /// The plugins that run, and how they fare.
    case pluginList
    /// Asks or tells a plugin something.
    case pluginRun(name: String, request: PluginRequest)

    /// Whether the hub is another one afterwards: such requests are always logged.
    var changesSomething: Bool {
        switch self {
        case .status, .queueList, .queueShow, .tlsTest, .tlsReports, .pluginList: false
        case .queueRetry, .queueHold, .queueRelease, .queueDelete, .queueSuspend, .queueResume, .reload, .pluginRun:
            true
        }
    }
}

/// Which messages an operation is for.
package enum MessageSelector: Codable, Hashable, Sendable {
    /// By name; names that are not in the queue are ignored.
    case messages(ids: [String])
    /// All that match; the filter must ask for something.
    case matching(filter: MessageFilter)
    /// Every message in the queue.
    case all
}

/// What is known about a message's place in the queue.
package enum MessageState: String, Codable, Hashable, Sendable, CaseIterable {
    /// Being delivered, or due now.
    case active
    /// Waiting for a later attempt.
    case deferred
    /// Waiting for the operator.
    case held
    /// It cannot be read; waiting for the operator.
    case damaged
}

/// A message in the queue, as the operator sees it.
///
/// All text is as stored: it is shown even where it cannot be parsed.
package struct QueueEntry: Codable, Hashable, Sendable {
    /// Its name.
    package var id: String
    /// What it waits for.
    package var state: MessageState
    /// The reverse-path without brackets; empty for the null one (RFC 5321 section 4.5.5).
    package var sender: String
    /// Octets of content.
    package var size: Int
    /// When it arrived.
    package var arrival: ControlInstant
    /// Recipients that are still queued; a listing may leave some out.
    package var recipients: [RecipientEntry]
    /// How many recipients are still queued.
    package var recipientCount: Int
    /// Why it is held or damaged; `nil` for all others.
    package var reason: String?

    package init(
        id: String,
        state: MessageState,
        sender: String,
        size: Int,
        arrival: ControlInstant,
        recipients: [RecipientEntry],
        recipientCount: Int? = nil,
        reason: String? = nil
    ) {
        self.id = id
        self.state = state
        self.sender = sender
        self.size = size
        self.arrival = arrival
        self.recipients = recipients
        self.recipientCount = recipientCount ?? recipients.count
        self.reason = reason
    }
}

/// One recipient of a queued message.
package struct RecipientEntry: Codable, Hashable, Sendable {
    /// The forward-path without brackets.
    package var address: String
    /// Where it goes: `route` or `route/domain`.
    package var destination: String
    /// Attempts so far.
    package var attempts: Int
    /// When it may be tried; `nil` where no attempt is planned.
    package var nextAttempt: ControlInstant?
    /// How the last attempt ended: the reply of the next hop, or the hub's own.
    package var lastReply: String?

    package init(
        address: String,
        destination: String,
        attempts: Int,
        nextAttempt: ControlInstant? = nil,
        lastReply: String? = nil
    ) {
        self.address = address
        self.destination = destination
        self.attempts = attempts
        self.nextAttempt = nextAttempt
        self.lastReply = lastReply
    }
}

/// One page of a listing.
package struct QueueEntryPage: Sendable {
    /// The messages, oldest first; may be empty although more follow, when a filter passed over all that were looked at.
    package var entries: [QueueEntry]
    /// The name after which the next page begins; `nil` after the last page.
    package var next: String?

    package init(entries: [QueueEntry], next: String? = nil) {
        self.entries = entries
        self.next = next
    }
}

/// What became of a request to read config.json again.
package struct ReloadReport: Codable, Hashable, Sendable {
    /// JSON paths whose new value is in force.
    package var applied: [String]
    /// JSON paths that changed, but whose new value is used only after a restart.
    package var needsRestart: [String]

    package init(applied: [String], needsRestart: [String]) {
        self.applied = applied
        self.needsRestart = needsRestart
    }
}
