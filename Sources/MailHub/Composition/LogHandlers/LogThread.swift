import Glibc

/// A thread beside the pools: what runs on it may wait as long as it likes.
enum LogThread {
    /// The system has no thread left.
    struct CannotStart: Error, CustomStringConvertible {
        let code: Int32
        var description: String { "cannot start the thread that writes the log (errno \(self.code))" }
    }

    private final class Body: Sendable {
        let run: @Sendable () -> Void
        init(_ run: @escaping @Sendable () -> Void) { self.run = run }
    }

    /// Runs the body on a new thread, which nobody waits for.
    ///
    /// A write to a broken pipe fails there, and kills nobody.
    static func start(_ body: @escaping @Sendable () -> Void) throws(CannotStart) {
        let retained = unsafe Unmanaged.passRetained(Body(body))
        var thread = pthread_t()
        let code = unsafe pthread_create(
            &thread,
            nil,
            { argument in
                guard let argument = unsafe argument else { return nil }
                LogThread.blockBrokenPipeSignal()
                // Balances passRetained: the thread owns its body.
                unsafe Unmanaged<Body>.fromOpaque(argument).takeRetainedValue().run()
                return nil
            },
            retained.toOpaque()
        )
        guard code == 0 else {
            unsafe retained.release()
            throw CannotStart(code: code)
        }
        pthread_detach(thread)
    }

    private static func blockBrokenPipeSignal() {
        var signals = sigset_t()
        unsafe sigemptyset(&signals)
        unsafe sigaddset(&signals, SIGPIPE)
        unsafe pthread_sigmask(SIG_BLOCK, &signals, nil)
    }
}
