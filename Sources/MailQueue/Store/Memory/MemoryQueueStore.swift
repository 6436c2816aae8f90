import NIOCore
import SMTP
import Synchronization

/// A queue that is gone with its process: for tests, and for nothing else.
package final class MemoryQueueStore: QueueStore {
    private struct Entry {
        let message: NewMessage
        var recipients: [Int: Recipient]
        var holdReason: String?
        var damage: String?
    }

    private struct Recipient {
        let recipient: EnvelopeRecipient
        let destination: Destination
        var state: RecipientState
        var due: Timestamp
        var attempts = 0
        var isWarned = false
        var event: NotificationEvent?
        var last: AttemptRecord?
    }

    private struct State {
        var entries: [QueueID: Entry] = [:]
        var failure: StoreError?
        var isClosed = false
    }

    package let content: ContentDirectory
    private let state = Mutex(State())

    /// - Parameter content: an existing directory, for tests with large contents.
    package init(content: ContentDirectory) { self.content = content }

    /// Makes every change fail from now on, as a full disk would; `nil` ends that.
    package func fail(with error: StoreError?) { self.state.withLock { $0.failure = error } }

    package func append(_ message: RoutedMessage) async throws(StoreError) {
        try self.change { state throws(StoreError) in try Self.append(message, to: &state) }
    }

    package func append(_ messages: [RoutedMessage]) async throws(StoreError) {
        try self.change { state throws(StoreError) in
            var changed = state
            for message in messages { try Self.append(message, to: &changed) }
            state = changed
        }
    }

    package func submit(_ outcome: OutcomeRecord, completion: @escaping @Sendable (Result<Void, StoreError>) -> Void) {
        do {
            try self.change { state throws(StoreError) in
                for message in outcome.additions { try Self.append(message, to: &state) }
                self.record(outcome, in: &state)
            }
            completion(.success(()))
        } catch {
            completion(.failure(error))
        }
    }

    package func due(_ query: DueQuery) async throws(StoreError) -> DuePage {
        try self.read { state in
            var query = query
            var page = DuePage()
            let waiting = state.entries.flatMap { id, entry in
                entry.recipients.filter { $0.value.state == .waiting && $0.value.due <= query.until }.map {
                    (DueCursor(due: $0.value.due, key: RecipientKey(id: id, position: $0.key)), $0.value.destination)
                }
            }
            for (cursor, destination) in waiting.sorted(by: { $0.0 < $1.0 }) {
                if let after = query.after, cursor <= after { continue }
                if let wanted = query.destination, wanted != destination { continue }
                switch query.admit(cursor.key, at: destination) {
                case .admitted:
                    page.recipients.append(
                        DueRecipient(key: cursor.key, destination: destination, due: cursor.due)
                    )
                case .overShare: page.overShare.insert(destination)
                case .known: break
                }
                page.last = cursor
                if page.recipients.count >= query.limit {
                    page.isComplete = false
                    break
                }
            }
            return page
        }
    }

    package func load(
        _ id: QueueID,
        positions: [Int]?,
        withContent: Bool
    ) async throws(StoreError) -> LoadedMessage? {
        let message = try self.read { state in state.entries[id].map { Self.loaded($0, positions, withContent) } }
        if withContent, let damage = message.flatMap({ self.content.damage(of: $0.content) }) {
            throw .damaged(id, damage)
        }
        return message
    }

    package func awaitingNotification(after id: QueueID?, limit: Int) async throws(StoreError) -> [QueueID] {
        try self.read { state in
            let ids = state.entries.filter { $0.value.recipients.values.contains { $0.state == .notifying } }.keys
            return Array(ids.sorted().filter { $0.rawValue > id?.rawValue ?? .min }.prefix(limit))
        }
    }

    package func setAside(_ id: QueueID, reason: String) async throws(StoreError) {
        try self.change { state in
            state.entries[id]?.damage = reason
            for (position, recipient) in state.entries[id]?.recipients ?? [:] where recipient.state != .notifying {
                state.entries[id]?.recipients[position]?.state = .damaged
            }
        }
    }

    package func list(
        _ filter: QueueFilter,
        after id: QueueID?,
        limit: Int
    ) async throws(StoreError) -> QueuePage {
        try self.read { state in
            let ids = state.entries.keys.sorted().filter { candidate in
                guard candidate.rawValue > id?.rawValue ?? .min, let entry = state.entries[candidate] else {
                    return false
                }
                return Self.matches(entry, filter)
            }.prefix(limit)
            let listings = ids.compactMap { state.entries[$0].map(Self.listing) }
            return QueuePage(messages: listings, next: ids.count == limit ? ids.last : nil)
        }
    }

    package func show(_ id: QueueID) async throws(StoreError) -> QueueListing? {
        try self.read { state in state.entries[id].map(Self.listing) }
    }

    package func statistics() async throws(StoreError) -> QueueStatistics {
        try self.read { state in
            var statistics = QueueStatistics()
            for entry in state.entries.values {
                statistics.messages += 1
                statistics.octets += entry.message.content.size
                statistics.oldest = min(statistics.oldest ?? entry.message.arrival, entry.message.arrival)
                for recipient in entry.recipients.values {
                    statistics.recipients[recipient.state, default: 0] += 1
                    statistics.destinations[recipient.destination.description, default: 0] += 1
                }
            }
            return statistics
        }
    }

    package func apply(
        _ action: OperatorAction,
        to selection: QueueSelection
    ) async throws(StoreError) -> [QueueID] {
        try self.change { state in
            let ids =
                switch selection {
                case .ids(let ids): ids
                case .matching(let filter): state.entries.filter { Self.matches($0.value, filter) }.keys.sorted()
                }
            return ids.filter { self.apply(action, to: $0, in: &state) }
        }
    }

    package func close() async { self.state.withLock { $0.isClosed = true } }

    // MARK: Behind the lock

    private func change<Answer: Sendable>(
        _ body: (inout State) throws(StoreError) -> Answer
    ) throws(StoreError) -> Answer {
        try self.state.withLock { state in
            Result { () throws(StoreError) in
                guard !state.isClosed else { throw .unavailable("the queue is closed") }
                if let failure = state.failure { throw failure }
                return try body(&state)
            }
        }.get()
    }

    private func read<Answer: Sendable>(_ body: (State) -> Answer) throws(StoreError) -> Answer {
        try self.state.withLock { state -> Result<Answer, StoreError> in
            state.isClosed ? .failure(.unavailable("the queue is closed")) : .success(body(state))
        }.get()
    }

    private static func append(_ routed: RoutedMessage, to state: inout State) throws(StoreError) {
        let message = routed.message
        guard message.envelope.recipients.count == routed.destinations.count, !routed.destinations.isEmpty else {
            throw .unavailable("a message needs a destination for each of its recipients")
        }
        guard state.entries[message.id] == nil else { throw .unavailable("the message is queued already") }
        var entry = Entry(message: message, recipients: [:], holdReason: message.holdReason)
        for (position, recipient) in message.envelope.recipients.enumerated() {
            entry.recipients[position] = Recipient(
                recipient: recipient,
                destination: routed.destinations[position],
                state: message.holdReason == nil ? .waiting : .held,
                due: routed.due
            )
        }
        state.entries[message.id] = entry
    }

    private func record(_ outcome: OutcomeRecord, in state: inout State) {
        let id = outcome.id
        for retry in outcome.retries {
            state.entries[id]?.recipients[retry.position]?.due = retry.due
            state.entries[id]?.recipients[retry.position]?.attempts = retry.attempts
            state.entries[id]?.recipients[retry.position]?.last = retry.last
        }
        for notice in outcome.notices {
            state.entries[id]?.recipients[notice.position]?.state = .notifying
            state.entries[id]?.recipients[notice.position]?.event = notice.event
            state.entries[id]?.recipients[notice.position]?.last = notice.last
        }
        for position in outcome.warned { state.entries[id]?.recipients[position]?.isWarned = true }
        for position in outcome.removed { state.entries[id]?.recipients[position] = nil }
        if state.entries[id]?.recipients.isEmpty ?? false { self.remove(id, from: &state) }
    }

    private func apply(_ action: OperatorAction, to id: QueueID, in state: inout State) -> Bool {
        guard let entry = state.entries[id] else { return false }
        func move(from states: Set<RecipientState>, to new: RecipientState, due: Timestamp?) -> Bool {
            let positions = entry.recipients.filter { states.contains($0.value.state) }.keys
            for position in positions {
                state.entries[id]?.recipients[position]?.state = new
                if let due { state.entries[id]?.recipients[position]?.due = due }
            }
            return !positions.isEmpty
        }
        switch action {
        case .hold(let reason):
            guard move(from: [.waiting], to: .held, due: nil) else { return false }
            state.entries[id]?.holdReason = reason
            return true
        case .release(let now):
            guard move(from: [.held, .damaged], to: .waiting, due: now) else { return false }
            state.entries[id]?.holdReason = nil
            state.entries[id]?.damage = nil
            return true
        case .retry(let now):
            return move(from: [.waiting], to: .waiting, due: now)
        case .delete:
            self.remove(id, from: &state)
            return true
        }
    }

    private func remove(_ id: QueueID, from state: inout State) {
        if let name = state.entries.removeValue(forKey: id)?.message.content.fileName {
            try? PosixFile.unlink(self.content.path(of: name))
        }
    }

    // MARK: Conversions

    private static func loaded(_ entry: Entry, _ positions: [Int]?, _ withContent: Bool) -> LoadedMessage {
        var envelope = entry.message.envelope
        envelope.recipients = []
        let wanted = positions ?? entry.recipients.keys.sorted()
        let isInline = entry.message.content.fileName == nil
        return LoadedMessage(
            id: entry.message.id,
            envelope: envelope,
            arrival: entry.message.arrival,
            content: isInline && !withContent ? .inline(ByteBuffer()) : entry.message.content,
            isNotification: entry.message.isNotification,
            recipients: wanted.compactMap { position in
                entry.recipients[position].map { recipient in
                    LoadedMessage.Recipient(
                        queued: QueuedRecipient(
                            index: position,
                            recipient: recipient.recipient,
                            attempts: recipient.attempts
                        ),
                        destination: recipient.destination,
                        state: recipient.state,
                        due: recipient.due,
                        isWarned: recipient.isWarned,
                        last: recipient.last,
                        event: recipient.event
                    )
                }
            }
        )
    }

    private static func matches(_ entry: Entry, _ filter: QueueFilter) -> Bool {
        if let text = filter.sender?.lowercased() {
            guard entry.message.envelope.reversePath.description.lowercased().contains(text) else { return false }
        }
        return entry.recipients.values.contains { recipient in
            if let state = filter.state, recipient.state != state { return false }
            if let text = filter.recipient?.lowercased() {
                guard recipient.recipient.mailbox.description.lowercased().contains(text) else { return false }
            }
            if let text = filter.destination {
                var destination = recipient.destination
                destination.tls = nil
                guard [destination.route, destination.domain, destination.description].contains(text) else {
                    return false
                }
            }
            return true
        }
    }

    private static func listing(_ entry: Entry) -> QueueListing {
        QueueListing(
            id: entry.message.id,
            sender: entry.message.envelope.reversePath.description,
            arrival: entry.message.arrival,
            size: entry.message.content.size,
            holdReason: entry.holdReason,
            damage: entry.damage,
            isNotification: entry.message.isNotification,
            recipients: entry.recipients.sorted { $0.key < $1.key }.prefix(QueueListing.shownRecipients).map {
                QueueListing.Recipient(
                    position: $0.key,
                    address: $0.value.recipient.mailbox.description,
                    destination: $0.value.destination.description,
                    state: $0.value.state,
                    attempts: $0.value.attempts,
                    due: $0.value.due,
                    last: $0.value.last
                )
            },
            recipientCount: entry.recipients.count
        )
    }
}
