import SMTP
import Synchronization

/// What has become durable, on its way from the store's thread and the sessions to the queue: so that neither waits for the queue.
final class ArrivalInbox: Sendable {
    /// What has happened.
    enum Event: Sendable {
        /// A message was stored.
        case accepted(RoutedMessage)
        /// The record of an attempt is durable, or could not be written.
        case recorded(AttemptSettlement, Result<Void, StoreError>)
    }

    /// What is there at one time.
    struct Delivery {
        var events: [Event] = []
        /// Messages were stored that are not among the events, due from this instant on: there were too many.
        var missedFrom: Timestamp?
    }

    private struct State {
        var delivery = Delivery()
        /// Messages that are being stored, or are among the events: not to be taken from the store.
        var underWay: Set<QueueID> = []
    }

    /// Messages that wait here at most: beyond, they are read back from the store when their turn comes.
    private static let limit = 10_000

    private let state = Mutex(State())
    /// Says that there is something; one signal stands for any number of events.
    let signals: AsyncStream<Void>
    private let signal: AsyncStream<Void>.Continuation

    init() {
        (self.signals, self.signal) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    /// A message is about to be stored.
    func begin(_ id: QueueID) { self.state.withLock { _ = $0.underWay.insert(id) } }

    /// A message was not stored, or its event was dealt with.
    func end(_ id: QueueID) { self.state.withLock { _ = $0.underWay.remove(id) } }

    /// Whether a message will come, or has just come, as an event.
    func isUnderWay(_ id: QueueID) -> Bool { self.state.withLock { $0.underWay.contains(id) } }

    /// Hands over an event.
    func post(_ event: Event) {
        let isFirst = self.state.withLock { state -> Bool in
            let isFirst = state.delivery.events.isEmpty && state.delivery.missedFrom == nil
            if case .accepted(let routed) = event, state.delivery.events.count >= Self.limit {
                state.underWay.remove(routed.message.id)
                state.delivery.missedFrom = min(state.delivery.missedFrom ?? routed.due, routed.due)
            } else {
                state.delivery.events.append(event)
            }
            return isFirst
        }
        if isFirst { self.signal.yield() }
    }

    /// Takes all that is there.
    func take() -> Delivery {
        self.state.withLock { state in
            defer { state.delivery = Delivery() }
            return state.delivery
        }
    }
}

/// What the queue does once the record of an attempt is durable.
struct AttemptSettlement: Sendable {
    /// The item that was attempted; `nil` when only notifications were recorded.
    let item: WorkItem?
    /// What was recorded, for another try where that failed.
    let outcome: OutcomeRecord
}
