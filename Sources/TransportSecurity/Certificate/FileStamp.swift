import Glibc

/// When a file was last written: another value means that it has changed.
package struct FileStamp: Hashable, Sendable {
    private var device: UInt = 0
    private var inode: UInt = 0
    private var size = 0
    private var seconds = 0
    private var nanoseconds = 0

    /// All zero where there is no such file.
    package init(path: String) {
        var status = stat()
        guard unsafe stat(path, &status) == 0 else { return }
        self.device = UInt(status.st_dev)
        self.inode = UInt(status.st_ino)
        self.size = Int(status.st_size)
        self.seconds = status.st_mtim.tv_sec
        self.nanoseconds = status.st_mtim.tv_nsec
    }
}
