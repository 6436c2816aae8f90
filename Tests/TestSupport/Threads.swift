import Foundation

/// Runs a body that blocks on a thread of its own: blocked tasks would keep the few threads of Swift's pool from everybody.
public func onThread<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
    try await withCheckedThrowingContinuation { continuation in
        Thread { continuation.resume(with: Result { try body() }) }.start()
    }
}

/// A thread that can be waited for.
public final class RunningThread: Sendable {
    private let end = DispatchSemaphore(value: 0)

    /// Waits, once, for its end.
    public func wait() { self.end.wait() }

    fileprivate func ended() { self.end.signal() }
}

/// Starts a thread.
public func runningThread(_ body: @escaping @Sendable () -> Void) -> RunningThread {
    let running = RunningThread()
    Thread {
        body()
        running.ended()
    }.start()
    return running
}
