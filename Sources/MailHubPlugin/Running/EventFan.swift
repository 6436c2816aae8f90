/// Hands the events of all sessions to each observer, through a bounded stream of its own.
///
/// The streams end with it: when nobody tells anything any more, be it because the hub has other plugins now and the last session
/// that knew these is over.
package final class EventFan: Sendable {
    /// Events that wait for one observer at most; the oldest are lost first.
    private static let capacity = 10_000

    private let continuations: [AsyncStream<SessionEvent>.Continuation]
    /// What the observers read.
    package let streams: ObserverStreams

    init(_ observers: [any SessionObserver]) {
        var continuations: [AsyncStream<SessionEvent>.Continuation] = []
        self.streams = ObserverStreams(
            all: observers.map { observer in
                let (stream, continuation) = AsyncStream<SessionEvent>.makeStream(
                    bufferingPolicy: .bufferingNewest(Self.capacity)
                )
                continuations.append(continuation)
                return (observer, stream)
            }
        )
        self.continuations = continuations
    }

    deinit { self.finish() }

    /// Tells all observers; never waits.
    package func tell(_ event: SessionEvent) {
        for continuation in self.continuations { continuation.yield(event) }
    }

    /// Ends the streams.
    package func finish() {
        for continuation in self.continuations { continuation.finish() }
    }
}

/// The ends of an ``EventFan`` that observers read; they do not keep it alive.
package struct ObserverStreams: Sendable {
    fileprivate let all: [(observer: any SessionObserver, events: AsyncStream<SessionEvent>)]

    /// Runs the observers, once; returns when all have ended.
    package func run() async {
        await withDiscardingTaskGroup { group in
            for (observer, events) in self.all { group.addTask { await observer.observe(events) } }
        }
    }
}
