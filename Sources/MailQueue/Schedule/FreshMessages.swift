import NIOCore
import SMTP

/// Messages that were just stored, still in memory for their first attempt: so that it reads nothing back.
struct FreshMessages {
    private struct Entry {
        let routed: RoutedMessage
        /// Items in the schedule.
        var uses: Int
        let octets: Int
    }

    /// Octets of content that are kept at most.
    private let limit: Int
    private var entries: [QueueID: Entry] = [:]
    private(set) var octets = 0

    init(limit: Int) { self.limit = limit }

    /// Keeps a message until it was `released` so many times; not when there is no room.
    mutating func keep(_ routed: RoutedMessage, uses: Int) {
        // Envelopes count too: 512 octets are a generous guess.
        let size = routed.message.envelope.recipients.count * 512
        let octets =
            switch routed.message.content {
            case .inline(let buffer): size + buffer.readableBytes
            case .file: size
            }
        guard uses > 0, self.octets + octets <= self.limit else { return }
        self.entries[routed.message.id] = Entry(routed: routed, uses: uses, octets: octets)
        self.octets += octets
    }

    subscript(id: QueueID) -> RoutedMessage? { self.entries[id]?.routed }

    /// One use is over.
    mutating func release(_ id: QueueID) {
        guard let uses = self.entries[id]?.uses else { return }
        if uses > 1 {
            self.entries[id]?.uses = uses - 1
        } else {
            self.drop(id)
        }
    }

    /// Forgets a message: the store is asked from now on.
    mutating func drop(_ id: QueueID) {
        if let entry = self.entries.removeValue(forKey: id) { self.octets -= entry.octets }
    }
}
