import Foundation
import Glibc
import SASL

/// The file of users on disk.
enum UserFileStorage {
    /// Why it cannot be used.
    struct Failure: Error, CustomStringConvertible {
        let description: String
        let fix: String
    }

    /// Octets of the largest file that is read: some 200,000 users.
    private static let largest = 64 << 20

    /// Reads the file; blocks its thread.
    static func read(_ path: String) throws(Failure) -> UserFile {
        var status = stat()
        guard unsafe stat(path, &status) == 0 else {
            throw Failure(
                description: "cannot read \"\(path)\": \(String(errorNumber: errno))",
                fix: "make it with: mailhub user add NAME"
            )
        }
        guard status.st_mode & 0o007 == 0 else {
            throw Failure(
                description: "everybody on this machine can read or write \"\(path)\"",
                fix: "chmod 600 \(path)"
            )
        }
        guard status.st_size <= Self.largest, let data = FileManager.default.contents(atPath: path),
            let text = String(bytes: data, encoding: .utf8)
        else {
            throw Failure(
                description: "\"\(path)\" cannot be read, or is not text",
                fix: "let the service user read it, or make it anew with: mailhub user add NAME"
            )
        }
        do {
            return try UserFile(text)
        } catch {
            let problems = error.problems.map { "line \($0.line): \($0.message)" }.joined(separator: "; ")
            throw Failure(description: "\"\(path)\", \(problems)", fix: "mend these lines: mailhub user passwd NAME")
        }
    }

    /// Keeps all others from changing the file, who ask for this, too; waits for them.
    ///
    /// - Returns: what `unlock` ends; the end of the process does so as well.
    static func lock(beside path: String) throws(Failure) -> Int32 {
        let folder = URL(filePath: path).deletingLastPathComponent().path
        let descriptor = unsafe open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0, flock(descriptor, LOCK_EX) == 0 else {
            let reason = String(errorNumber: errno)
            if descriptor >= 0 { close(descriptor) }
            throw Failure(
                description: "cannot lock the folder \"\(folder)\": \(reason)",
                fix: "make it, or run this as a user who may write there"
            )
        }
        return descriptor
    }

    static func unlock(_ lock: Int32) { close(lock) }

    /// Replaces the file as a whole, readable by its owner alone; blocks its thread.
    static func write(_ file: UserFile, to path: String) throws(Failure) {
        let temporary = "\(path).new-\(getpid())"
        let descriptor = unsafe open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            throw Failure(
                description: "cannot write \"\(temporary)\": \(String(errorNumber: errno))",
                fix: "run this as a user who may write there"
            )
        }
        var status = stat()
        // The service user, who may be another than this one, keeps the file.
        if unsafe stat(path, &status) == 0 {
            _ = fchown(descriptor, status.st_uid, status.st_gid)
            _ = fchmod(descriptor, status.st_mode & 0o660)
        }
        var octets = Array(file.text.utf8)[...]
        while !octets.isEmpty {
            let count = unsafe octets.withUnsafeBytes { unsafe Glibc.write(descriptor, $0.baseAddress, $0.count) }
            guard count > 0 else { break }
            octets = octets.dropFirst(count)
        }
        let isSynced = octets.isEmpty && fsync(descriptor) == 0
        let code = errno
        close(descriptor)
        guard unsafe isSynced && rename(temporary, path) == 0 else {
            _ = unsafe unlink(temporary)
            throw Failure(
                description: "cannot write \"\(path)\": \(String(errorNumber: isSynced ? errno : code))",
                fix: "make room, or run this as a user who may write there; the file is as it was"
            )
        }
    }
}

extension String {
    fileprivate init(errorNumber: Int32) { self = unsafe String(cString: strerror(errorNumber)) }
}
