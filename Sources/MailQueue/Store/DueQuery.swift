package import SMTP

/// A place in the order of due times.
package struct DueCursor: Hashable, Comparable, Sendable {
    /// The due time.
    package let due: Timestamp
    /// The recipient.
    package let key: RecipientKey

    package init(due: Timestamp, key: RecipientKey) {
        self.due = due
        self.key = key
    }

    package static func < (left: DueCursor, right: DueCursor) -> Bool {
        (left.due, left.key.id, left.key.position) < (right.due, right.key.id, right.key.position)
    }
}

/// Asks for recipients that become due.
package struct DueQuery: Sendable {
    /// Only behind this place; `nil` from the beginning.
    package var after: DueCursor?
    /// Only up to this instant.
    package var until: Timestamp
    /// Only for this destination.
    package var destination: Destination?
    /// Recipients at most.
    package var limit: Int
    /// Recipients that the asker has already.
    package var excluding: Set<RecipientKey> = []
    /// How many recipients one destination may have with the asker, and has already: so that one cannot fill the window.
    package var share: Int = .max
    /// What each destination has already of its share.
    package var held: [Destination: Int] = [:]

    package init(after: DueCursor? = nil, until: Timestamp, destination: Destination? = nil, limit: Int) {
        self.after = after
        self.until = until
        self.destination = destination
        self.limit = limit
    }

    /// Whether a recipient belongs into the answer; counts it if so.
    mutating func admit(_ key: RecipientKey, at destination: Destination) -> Admission {
        if self.excluding.contains(key) { return .known }
        let held = self.held[destination, default: 0]
        guard held < self.share else { return .overShare }
        self.held[destination] = held + 1
        return .admitted
    }

    /// What becomes of one row.
    enum Admission: Hashable {
        /// It is part of the answer.
        case admitted
        /// The asker has it.
        case known
        /// Its destination has its share.
        case overShare
    }
}

/// A recipient that waits, as the schedule sees it.
package struct DueRecipient: Hashable, Sendable {
    /// Its name.
    package let key: RecipientKey
    /// Where it goes.
    package let destination: Destination
    /// When it may be tried.
    package let due: Timestamp

    package init(key: RecipientKey, destination: Destination, due: Timestamp) {
        self.key = key
        self.destination = destination
        self.due = due
    }
}

/// The answer to a `DueQuery`.
package struct DuePage: Sendable {
    /// The recipients, by due time.
    package var recipients: [DueRecipient] = []
    /// Destinations of which some were left out because of the share.
    package var overShare: Set<Destination> = []
    /// The last place that was looked at; `nil` when there was none.
    package var last: DueCursor?
    /// Whether all up to `until` were looked at; otherwise the limit was reached at `last`.
    package var isComplete = true
    /// Messages that cannot be read, and why.
    package var damaged: [QueueID: String] = [:]

    package init() {}
}
