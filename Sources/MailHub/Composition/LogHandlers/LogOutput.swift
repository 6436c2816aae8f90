import Glibc

/// The file descriptor that log lines go to.
package enum LogOutput: String, Hashable, Sendable, Codable, CaseIterable {
    /// Standard error: the usual place for a service under a supervisor.
    case standardError = "stderr"
    /// Standard output.
    case standardOutput = "stdout"

    private var descriptor: Int32 {
        switch self {
        case .standardError: STDERR_FILENO
        case .standardOutput: STDOUT_FILENO
        }
    }

    /// Writes everything, however long that takes; gives up when nobody can read it any more.
    ///
    /// To be called on a `LogThread`, which a broken pipe does not end.
    func write(_ bytes: [UInt8]) {
        var written = 0
        while written < bytes.count {
            let result = unsafe bytes.withUnsafeBytes { all in
                let rest = unsafe UnsafeRawBufferPointer(rebasing: all[written...])
                return unsafe Glibc.write(self.descriptor, rest.baseAddress, rest.count)
            }
            if result >= 0 {
                written += result
            } else if errno == EAGAIN {
                // Somebody who shares the terminal has made it non-blocking.
                var ready = pollfd(fd: self.descriptor, events: Int16(POLLOUT), revents: 0)
                _ = unsafe poll(&ready, 1, 1000)
            } else if errno != EINTR {
                return
            }
        }
    }
}
