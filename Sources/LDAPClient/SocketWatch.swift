import Glibc
import Synchronization

/// Ends a step that the library does without a time limit of its own: when the limit is over, the socket is shut down, and the
/// library's read or write fails.
final class SocketWatch: Sendable {
    private enum State { case watching, ended, hasFired }
    private let state = Mutex(State.watching)
    /// A second descriptor of the socket, so that its number cannot have become another's.
    private let descriptor: Int32
    private let wake: (read: Int32, write: Int32)

    /// Watches from now on; `nil` where there is no descriptor or thread for it.
    static func start(on descriptor: Int32, limit: Duration) -> SocketWatch? {
        var ends: [Int32] = [-1, -1]
        let copy = fcntl(descriptor, F_DUPFD_CLOEXEC, 0)
        guard copy >= 0, unsafe pipe(&ends) == 0 else {
            if copy >= 0 { _ = close(copy) }
            return nil
        }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        let watch = SocketWatch(copy, (ends[0], ends[1]))
        let deadline = MonotonicTime.now + limit.milliseconds
        return BackgroundThread.start { watch.wait(until: deadline) } ? watch : nil
    }

    private init(_ descriptor: Int32, _ wake: (Int32, Int32)) {
        self.descriptor = descriptor
        self.wake = wake
    }

    deinit { for descriptor in [self.descriptor, self.wake.read, self.wake.write] { _ = close(descriptor) } }

    private func wait(until deadline: Int64) {
        var waiting = pollfd(fd: self.wake.read, events: Int16(POLLIN), revents: 0)
        while unsafe poll(&waiting, 1, Int32(clamping: max(0, deadline - MonotonicTime.now))) < 0, errno == EINTR {}
        self.state.withLock { state in
            guard state == .watching else { return }
            state = .hasFired
            _ = shutdown(self.descriptor, Int32(SHUT_RDWR))
        }
    }

    /// Ends the watch.
    ///
    /// - Returns: whether the limit was kept.
    func end() -> Bool {
        let isKept = self.state.withLock { state in
            if state == .watching { state = .ended }
            return state == .ended
        }
        var octet: UInt8 = 1
        _ = unsafe write(self.wake.write, &octet, 1)
        return isKept
    }
}
