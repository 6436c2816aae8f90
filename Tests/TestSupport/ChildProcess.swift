import CGlibc
import Foundation
import Synchronization

/// A program that runs beside the tests.
///
/// Not Foundation's `Process`: that one reads `/proc/self/fd` past its end, and dies of it, where a process has more than about
/// 1,300 files open, as these tests have together.
final class ChildProcess: Sendable {
    /// Where a standard stream of the program leads.
    enum Stream {
        /// To `/dev/null`.
        case nothing
        /// To where the tests' own leads.
        case inherited
        /// To the end of a file.
        case file(URL)
        /// To a descriptor, which stays the caller's to close.
        case descriptor(Int32)
    }

    /// The number that the system knows it by.
    let identifier: pid_t
    private let ending = Mutex<Int32?>(nil)

    /// Starts the program, with no signal blocked and no descriptor but its three streams.
    ///
    /// - Throws: ``PeerFailure`` where it cannot be started.
    init(
        _ executable: URL,
        _ arguments: [String],
        folder: URL? = nil,
        input: Stream = .nothing,
        output: Stream = .inherited,
        errors: Stream = .inherited
    ) throws {
        var actions = posix_spawn_file_actions_t()
        var attributes = posix_spawnattr_t()
        posix_spawn_file_actions_init(&actions)
        posix_spawnattr_init(&attributes)
        defer {
            posix_spawn_file_actions_destroy(&actions)
            posix_spawnattr_destroy(&attributes)
        }
        for (stream, descriptor) in [(input, STDIN_FILENO), (output, STDOUT_FILENO), (errors, STDERR_FILENO)] {
            Self.lead(stream, to: descriptor, &actions)
        }
        posix_spawn_file_actions_addclosefrom_np(&actions, 3)
        if let folder { posix_spawn_file_actions_addchdir_np(&actions, folder.path) }
        // Threads of a pool block signals, and a program inherits that: SIGTERM would never reach it.
        var none = sigset_t()
        var all = sigset_t()
        sigemptyset(&none)
        sigfillset(&all)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setsigdefault(&attributes, &all)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))

        var words: [UnsafeMutablePointer<CChar>?] = ([executable.path] + arguments).map { strdup($0) }
        words.append(nil)
        defer { for word in words { free(word) } }
        var identifier: pid_t = 0
        let failure = posix_spawn(&identifier, executable.path, &actions, &attributes, words, environ)
        guard failure == 0 else {
            throw PeerFailure("cannot start \(executable.path): \(String(cString: strerror(failure)))")
        }
        self.identifier = identifier
    }

    private static func lead(_ stream: Stream, to target: Int32, _ actions: inout posix_spawn_file_actions_t) {
        switch stream {
        case .inherited: break
        case .nothing: posix_spawn_file_actions_addopen(&actions, target, "/dev/null", O_RDWR, 0)
        case .file(let file):
            posix_spawn_file_actions_addopen(&actions, target, file.path, O_WRONLY | O_CREAT | O_APPEND, 0o600)
        case .descriptor(let source): posix_spawn_file_actions_adddup2(&actions, source, target)
        }
    }

    /// Whether it has not ended.
    var isRunning: Bool { self.status(WNOHANG) == nil }

    /// Waits for its end.
    ///
    /// - Returns: its exit status, or the number of the signal that ended it.
    @discardableResult
    func wait() -> Int32 {
        var information = siginfo_t()
        // It is left to be asked for: `status` may be called by several threads.
        while self.ending.withLock({ $0 }) == nil,
            waitid(P_PID, id_t(self.identifier), &information, WEXITED | WNOWAIT) != 0, errno == EINTR
        {}
        return self.status(0) ?? -1
    }

    private func status(_ options: Int32) -> Int32? {
        self.ending.withLock { ending in
            if let ending { return ending }
            var status: Int32 = 0
            var found = waitpid(self.identifier, &status, options)
            while found < 0, errno == EINTR { found = waitpid(self.identifier, &status, options) }
            guard found == self.identifier else { return nil }
            let signal = status & 0x7F
            ending = signal != 0 ? signal : (status >> 8) & 0xFF
            return ending
        }
    }

    /// Sends it a signal, unless it has ended.
    func signal(_ signal: Int32) {
        self.ending.withLock { if $0 == nil { kill(self.identifier, signal) } }
    }
}

/// A pipe: what a program says, or is told.
struct ChildPipe {
    private(set) var reading: Int32
    private(set) var writing: Int32

    init() throws {
        var ends: [Int32] = [-1, -1]
        guard pipe2(&ends, O_CLOEXEC) == 0 else { throw PeerFailure("no pipe: \(String(cString: strerror(errno)))") }
        (self.reading, self.writing) = (ends[0], ends[1])
    }

    /// Closes the end that this process does not use.
    mutating func closeReading() { Self.close(&self.reading) }
    /// Closes the end that this process does not use.
    mutating func closeWriting() { Self.close(&self.writing) }

    private static func close(_ descriptor: inout Int32) {
        if descriptor >= 0 { Glibc.close(descriptor) }
        descriptor = -1
    }

    /// Everything that is said until the other side closes, or the time is over.
    func everything(until end: ContinuousClock.Instant) throws -> Data {
        var everything = Data()
        var piece = [UInt8](repeating: 0, count: 65_536)
        while true {
            var asked = pollfd(fd: self.reading, events: Int16(POLLIN), revents: 0)
            let left = max(end - .now, .zero)
            let found = poll(&asked, 1, Int32(left.components.seconds * 1000 + 1))
            if found < 0, errno == EINTR { continue }
            guard found > 0 else {
                throw PeerFailure("does not end; so far: \(String(decoding: everything, as: UTF8.self))")
            }
            let count = read(self.reading, &piece, piece.count)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return everything }
            everything += piece[..<count]
        }
    }

    /// Says something; what a program that has ended does not read is lost.
    func say(_ data: Data) {
        var left = [UInt8](data)[...]
        while !left.isEmpty {
            let count = left.withUnsafeBytes { write(self.writing, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return }
            left = left.dropFirst(count)
        }
    }
}

/// What a program that has ended left.
public struct Ending: Equatable, Sendable {
    /// Its exit status, or the number of the signal that ended it.
    public let status: Int32
    /// What it wrote to its output.
    public let output: String
    /// What it wrote to its error output; empty where both were asked for together.
    public let complaints: String

    /// Says what is expected of a program.
    public init(status: Int32, output: String, complaints: String) {
        self.status = status
        self.output = output
        self.complaints = complaints
    }

    /// Runs a program to its end.
    ///
    /// - Parameters:
    ///   - input: what it reads; nothing where `nil`.
    ///   - together: whether its errors are told among its output.
    public static func of(
        _ executable: URL,
        _ arguments: [String],
        folder: URL? = nil,
        input: Data? = nil,
        together: Bool = true
    ) throws -> Ending {
        var (said, complained, told) = (try ChildPipe(), try ChildPipe(), try ChildPipe())
        defer {
            said.closeReading()
            complained.closeReading()
            told.closeReading()
        }
        let child = try ChildProcess(
            executable,
            arguments,
            folder: folder,
            input: .descriptor(told.reading),
            output: .descriptor(said.writing),
            errors: .descriptor(together ? said.writing : complained.writing)
        )
        said.closeWriting()
        complained.closeWriting()
        var hasEnded = false
        defer { if !hasEnded { child.signal(SIGKILL) } }
        if let input { told.say(input) }
        told.closeWriting()
        // Longer than anything takes: what hangs is to fail its own test, not all of them.
        let end = ContinuousClock.now + .seconds(600)
        let output = try said.everything(until: end)
        // Short where they are apart: a program does not wait for its complaints to be read.
        let complaints = try complained.everything(until: end)
        hasEnded = true
        return Ending(
            status: child.wait(),
            output: String(decoding: output, as: UTF8.self),
            complaints: String(decoding: complaints, as: UTF8.self)
        )
    }
}
