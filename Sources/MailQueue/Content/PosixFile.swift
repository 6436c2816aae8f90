import Glibc
import NIOCore

/// A system call that failed.
struct SystemCallFailure: Error, CustomStringConvertible {
    /// Which.
    let call: String
    /// `errno` after it.
    let code: Int32

    var description: String { unsafe "\(self.call): \(String(cString: strerror(self.code)))" }

    /// What it means to users of the store.
    var storeError: StoreError {
        switch self.code {
        case ENOSPC, EDQUOT, EFBIG: .noSpace
        default: .unavailable(self.description)
        }
    }
}

/// The few calls on files that the queue makes itself.
///
/// All of them block: they are for the threads of the pool and the store.
enum PosixFile {
    /// Creates a file that must not exist yet; readable by us alone.
    static func create(_ path: String) throws(SystemCallFailure) -> Int32 {
        try self.checked("open \(path)") { unsafe open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600) }
    }

    static func openForReading(_ path: String) throws(SystemCallFailure) -> Int32 {
        try self.checked("open \(path)") { unsafe open(path, O_RDONLY | O_CLOEXEC) }
    }

    static func close(_ descriptor: Int32) {
        _ = Glibc.close(descriptor)
    }

    /// Writes all octets, however many calls it takes.
    static func writeAll(_ buffer: ByteBuffer, to descriptor: Int32) throws(SystemCallFailure) {
        var rest = buffer
        while rest.readableBytes > 0 {
            let written = try self.checked("write") {
                unsafe rest.withUnsafeReadableBytes { unsafe write(descriptor, $0.baseAddress, $0.count) }
            }
            rest.moveReaderIndex(forwardBy: written)
        }
    }

    /// Reads up to `count` octets; an empty buffer means the end.
    static func read(_ descriptor: Int32, upTo count: Int) throws(SystemCallFailure) -> ByteBuffer {
        var buffer = ByteBufferAllocator().buffer(capacity: count)
        // Errors come back as -errno, since the closure of the buffer must give a count of octets.
        var failure: Int32 = 0
        unsafe buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: count) { space in
            while true {
                let size = unsafe readOctets(descriptor, space.baseAddress, min(space.count, count))
                if size >= 0 { return size }
                if errno == EINTR { continue }
                failure = errno
                return 0
            }
        }
        guard failure == 0 else { throw SystemCallFailure(call: "read", code: failure) }
        return buffer
    }

    /// Makes the content of a file durable.
    static func sync(_ descriptor: Int32) throws(SystemCallFailure) {
        _ = try self.checked("fsync") { fsync(descriptor) }
    }

    /// Makes the names in a directory durable.
    static func syncDirectory(_ path: String) throws(SystemCallFailure) {
        let descriptor = try self.checked("open \(path)") { unsafe open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) }
        defer { self.close(descriptor) }
        try self.sync(descriptor)
    }

    /// Removes a name; a name that is not there is no error.
    static func unlink(_ path: String) throws(SystemCallFailure) {
        do {
            _ = try self.checked("unlink \(path)") { unlinkName(path) }
        } catch  where error.code == ENOENT {
            return
        }
    }

    static func rename(_ old: String, to new: String) throws(SystemCallFailure) {
        _ = try self.checked("rename \(old)") { renameName(old, new) }
    }

    static func exists(_ path: String) -> Bool { unsafe access(path, F_OK) == 0 }

    /// The octets of a file; `nil` where it is not there or cannot be looked at.
    static func size(_ path: String) -> Int? {
        var status = stat()
        guard unsafe stat(path, &status) == 0 else { return nil }
        return Int(status.st_size)
    }

    /// Makes a directory, with those above it, that only we may enter.
    static func makeDirectory(_ path: String) throws(SystemCallFailure) {
        guard !self.exists(path) else { return }
        if let slash = path.lastIndex(of: "/"), slash > path.startIndex {
            try self.makeDirectory(String(path[..<slash]))
        }
        do {
            _ = try self.checked("mkdir \(path)") { unsafe mkdir(path, 0o700) }
        } catch  where error.code == EEXIST {
            return
        }
    }

    /// The names in a directory.
    static func names(in path: String) throws(SystemCallFailure) -> [String] {
        guard let directory = unsafe opendir(path) else {
            throw SystemCallFailure(call: "opendir \(path)", code: errno)
        }
        defer { unsafe closedir(directory) }
        var names: [String] = []
        while let entry = unsafe readdir(directory) {
            let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) { field in
                unsafe field.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
            }
            if name != "." && name != ".." { names.append(name) }
        }
        return names
    }

    /// Opens a file and locks it for this process; `nil` when somebody else has the lock.
    static func lock(_ path: String) throws(SystemCallFailure) -> Int32? {
        let descriptor = try self.checked("open \(path)") { unsafe open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600) }
        do {
            _ = try self.checked("flock \(path)") { flock(descriptor, LOCK_EX | LOCK_NB) }
            return descriptor
        } catch {
            self.close(descriptor)
            guard error.code == EWOULDBLOCK else { throw error }
            return nil
        }
    }

    /// Gives a lock back and closes its file.
    ///
    /// Closing alone would leave the lock with a program that is just being started: until it runs, it has our descriptors.
    static func unlock(_ descriptor: Int32) {
        flock(descriptor, LOCK_UN)
        self.close(descriptor)
    }

    private static func checked<Result: FixedWidthInteger>(
        _ call: @autoclosure () -> String,
        _ body: () -> Result
    ) throws(SystemCallFailure) -> Result {
        while true {
            let result = body()
            if result >= 0 { return result }
            let code = errno
            if code == EINTR { continue }
            throw SystemCallFailure(call: call(), code: code)
        }
    }
}

/// The C functions whose names the methods above hide.
private func unlinkName(_ path: String) -> Int32 { unsafe unlink(path) }
private func renameName(_ old: String, _ new: String) -> Int32 { unsafe rename(old, new) }
@unsafe private func readOctets(_ descriptor: Int32, _ space: UnsafeMutableRawPointer?, _ count: Int) -> Int {
    unsafe read(descriptor, space, count)
}
