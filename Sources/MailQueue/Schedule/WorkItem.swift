import SMTP

/// Recipients of one message that are due together at one destination.
struct WorkItem: Hashable, Sendable {
    /// The message.
    let id: QueueID
    /// Where they go.
    let destination: Destination
    /// When they may be tried.
    let due: Timestamp
    /// Their places in the envelope: 1 to `QueueLimits.recipientsPerJob`.
    let positions: [Int]
    /// Whether this is their first attempt, for which the message may still be in memory.
    var isFresh = false

    /// Their names.
    var keys: some Sequence<RecipientKey> { self.positions.lazy.map { RecipientKey(id: self.id, position: $0) } }
}

extension WorkItem {
    /// The items of a message that was just stored: one for each destination, more where it has very many recipients there.
    static func items(of routed: RoutedMessage) -> [WorkItem] {
        let recipients = routed.destinations.enumerated().map { position, destination in
            DueRecipient(
                key: RecipientKey(id: routed.message.id, position: position),
                destination: destination,
                due: routed.due
            )
        }
        var items = self.items(of: recipients)
        for index in items.indices { items[index].isFresh = true }
        return items
    }

    /// Gathers recipients of the same message, destination and due time, in the order of the first of each.
    static func items(of recipients: [DueRecipient]) -> [WorkItem] {
        if recipients.count == 1 {
            return recipients.map {
                WorkItem(id: $0.key.id, destination: $0.destination, due: $0.due, positions: [$0.key.position])
            }
        }
        struct Group: Hashable {
            let id: QueueID
            let destination: Destination
            let due: Timestamp
        }
        var positions: [Group: [Int]] = [:]
        var order: [Group] = []
        for recipient in recipients {
            let group = Group(id: recipient.key.id, destination: recipient.destination, due: recipient.due)
            if positions[group] == nil { order.append(group) }
            positions[group, default: []].append(recipient.key.position)
        }
        return order.flatMap { group in
            let all = positions[group] ?? []
            return stride(from: 0, to: all.count, by: QueueLimits.recipientsPerJob).map { start in
                WorkItem(
                    id: group.id,
                    destination: group.destination,
                    due: group.due,
                    positions: Array(all[start..<min(start + QueueLimits.recipientsPerJob, all.count)])
                )
            }
        }
    }
}
