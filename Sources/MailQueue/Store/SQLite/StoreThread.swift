import Dispatch
// Foundation for Thread alone: a connection wants a thread that nobody else can occupy.
import Foundation
import Synchronization

/// A thread that serves requests in the order of their submission, all that are there at a time.
///
/// While it serves some, the next gather: the busier it is, the larger the groups.
final class StoreThread<Request: Sendable>: Sendable {
    private struct Inbox {
        var requests: [Request] = []
        var isAsleep = false
        var isStopped = false
        var waitingForEnd: [CheckedContinuation<Void, Never>] = []
        var hasEnded = false
    }

    private let inbox = Mutex(Inbox())
    private let wake = DispatchSemaphore(value: 0)

    /// Starts the thread; `stop()` ends it.
    ///
    /// - Parameter serve: called on the thread with at least one request.
    init(name: String, serve: @escaping @Sendable ([Request]) -> Void, atEnd: @escaping @Sendable () -> Void) {
        let thread = Thread { [self] in
            while let requests = self.next() { serve(requests) }
            atEnd()
            let waiting = self.inbox.withLock { inbox in
                inbox.hasEnded = true
                return inbox.waitingForEnd
            }
            for continuation in waiting { continuation.resume() }
        }
        thread.name = name
        thread.start()
    }

    /// Hands over a request; `false` after `stop()`.
    func submit(_ request: Request) -> Bool {
        let (taken, mustWake) = self.inbox.withLock { inbox -> (Bool, Bool) in
            guard !inbox.isStopped else { return (false, false) }
            inbox.requests.append(request)
            defer { inbox.isAsleep = false }
            return (true, inbox.isAsleep)
        }
        if mustWake { self.wake.signal() }
        return taken
    }

    /// Takes no more requests; returns when all have been served and the thread has ended.
    func stop() async {
        await withCheckedContinuation { continuation in
            let (hasEnded, mustWake) = self.inbox.withLock { inbox -> (Bool, Bool) in
                inbox.isStopped = true
                if !inbox.hasEnded { inbox.waitingForEnd.append(continuation) }
                defer { inbox.isAsleep = false }
                return (inbox.hasEnded, inbox.isAsleep)
            }
            if hasEnded { continuation.resume() }
            if mustWake { self.wake.signal() }
        }
    }

    /// Waits for requests; `nil` when there will be none.
    private func next() -> [Request]? {
        while true {
            let (requests, isStopped) = self.inbox.withLock { inbox -> ([Request], Bool) in
                guard inbox.requests.isEmpty else {
                    defer { inbox.requests = [] }
                    return (inbox.requests, false)
                }
                inbox.isAsleep = !inbox.isStopped
                return ([], inbox.isStopped)
            }
            if !requests.isEmpty { return requests }
            if isStopped { return nil }
            self.wake.wait()
        }
    }
}
