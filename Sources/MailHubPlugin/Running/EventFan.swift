/// Hands the events of all sessions to each observer, through a bounded stream of its own.
package final class EventFan: Sendable {
    /// Events that wait for one observer at most; the oldest are lost first.
    private static let capacity = 10_000

    private let continuations: [AsyncStream<SessionEvent>.Continuation]
    private let streams: [(observer: any SessionObserver, events: AsyncStream<SessionEvent>)]

    init(_ observers: [any SessionObserver]) {
        var continuations: [AsyncStream<SessionEvent>.Continuation] = []
        self.streams = observers.map { observer in
            let (stream, continuation) = AsyncStream<SessionEvent>.makeStream(
                bufferingPolicy: .bufferingNewest(Self.capacity)
            )
            continuations.append(continuation)
            return (observer, stream)
        }
        self.continuations = continuations
    }

    /// Tells all observers; never waits.
    package func tell(_ event: SessionEvent) {
        for continuation in self.continuations { continuation.yield(event) }
    }

    /// Runs the observers, once; returns when all have ended.
    package func run() async {
        await withDiscardingTaskGroup { group in
            for (observer, events) in self.streams { group.addTask { await observer.observe(events) } }
        }
    }

    /// Ends the streams.
    package func finish() {
        for continuation in self.continuations { continuation.finish() }
    }
}
