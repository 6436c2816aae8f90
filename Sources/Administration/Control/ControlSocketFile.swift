import Glibc
import NIOCore
import NIOPosix

/// Why the control socket cannot be served.
package enum ControlSocketError: Error, Hashable, Sendable {
    /// Somebody answers on it: another hub.
    case inUse(path: String)
    /// There is something else in its place.
    case notASocket(path: String)
    /// The kernel allows 107 octets.
    case pathTooLong(path: String)
    /// A system call failed.
    case system(call: String, path: String, errno: Int32)
}

extension ControlSocketError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .inUse(let path): "another hub answers on \(path)"
        case .notASocket(let path): "\(path) is in the way: it is not a socket"
        case .pathTooLong(let path): "the path of the control socket is longer than 107 octets: \(path)"
        case .system(let call, let path, let errno): "\(call) \(path): \(unsafe String(cString: strerror(errno)))"
        }
    }
}

/// The place of the control socket in the file system.
struct ControlSocketFile {
    /// Tells a socket from one that somebody else has put in its place since.
    struct Identity: Equatable {
        let device: UInt64
        let inode: UInt64
    }

    let path: String

    /// Makes the folder where it is missing, for this user alone, and clears away a socket on which nobody answers.
    ///
    /// A folder that exists stays as it is: it may be shared (`/run`). Who may give orders is not left to it anyway, as
    /// every client's credentials are checked.
    func prepare(on group: any EventLoopGroup) async throws {
        guard self.path.utf8.count <= 107 else { throw ControlSocketError.pathTooLong(path: self.path) }
        if let slash = self.path.lastIndex(of: "/") { try Self.makeFolder(String(self.path[..<slash]), mode: 0o700) }
        guard let mode = self.status?.st_mode else { return }
        guard mode & S_IFMT == S_IFSOCK else { throw ControlSocketError.notASocket(path: self.path) }
        do {
            let channel = try await ClientBootstrap(group: group).connect(unixDomainSocketPath: self.path).get()
            try? await channel.close()
            throw ControlSocketError.inUse(path: self.path)
        } catch let error as IOError where error.errnoCode == ECONNREFUSED {
            try self.check("unlink", unsafe unlink(self.path))
        }
    }

    /// Makes the socket the owner's alone; to be called once it is bound.
    func restrict() throws -> Identity? {
        try self.check("chmod", unsafe chmod(self.path, 0o600))
        return self.identity
    }

    /// Removes the socket, unless it is another one by now.
    func remove(_ identity: Identity?) {
        guard let identity, identity == self.identity else { return }
        _ = unsafe unlink(self.path)
    }

    private var identity: Identity? {
        self.status.map { Identity(device: UInt64($0.st_dev), inode: UInt64($0.st_ino)) }
    }

    private var status: stat? {
        var result = stat()
        return unsafe lstat(self.path, &result) == 0 ? result : nil
    }

    private func check(_ call: String, _ result: Int32) throws(ControlSocketError) {
        guard result == 0 else { throw .system(call: call, path: self.path, errno: errno) }
    }

    /// Makes a folder, and those above it that are missing with the usual mode.
    private static func makeFolder(_ path: String, mode: mode_t) throws(ControlSocketError) {
        guard !path.isEmpty, unsafe mkdir(path, mode) != 0, errno != EEXIST else { return }
        guard errno == ENOENT, let slash = path.lastIndex(of: "/") else {
            throw .system(call: "mkdir", path: path, errno: errno)
        }
        try Self.makeFolder(String(path[..<slash]), mode: 0o755)
        guard unsafe mkdir(path, mode) == 0 || errno == EEXIST else {
            throw .system(call: "mkdir", path: path, errno: errno)
        }
    }
}
