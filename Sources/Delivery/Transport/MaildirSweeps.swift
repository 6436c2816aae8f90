import Glibc
import Synchronization

/// Removes what deliveries that were cut short have left in `tmp`: files that nobody has touched for 36 hours, as the rules of
/// Maildirs have it.
///
/// Once a day for each mailbox that gets mail; all calls block, and are made on the thread pool.
final class MaildirSweeps: Sendable {
    /// Seconds after which a file in `tmp` is nobody's.
    static let age = 36 * 3600
    private static let interval = 24 * 3600
    /// Mailboxes that are remembered, and files that one sweep looks at.
    private static let mostFolders = 10_000, mostFiles = 10_000

    /// When each mailbox was last swept.
    private let swept = Mutex<[String: Int]>([:])

    /// Sweeps a mailbox, if it was not lately.
    ///
    /// - Parameter now: seconds since 1970.
    func sweep(_ folder: String, now: Int = time(nil)) {
        let isDue = self.swept.withLock { swept in
            if let last = swept[folder], now - last < Self.interval { return false }
            if swept.count >= Self.mostFolders { swept.removeAll(keepingCapacity: true) }
            swept[folder] = now
            return true
        }
        guard isDue, let names = unsafe opendir("\(folder)/tmp") else { return }
        defer { unsafe closedir(names) }
        var count = 0
        while count < Self.mostFiles, let entry = unsafe readdir(names) {
            count += 1
            let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                unsafe pointer.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
            }
            let path = "\(folder)/tmp/\(name)"
            var status = stat()
            guard name != ".", name != "..", unsafe lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG,
                now - Int(status.st_mtim.tv_sec) > Self.age
            else { continue }
            unsafe unlink(path)
        }
    }
}
