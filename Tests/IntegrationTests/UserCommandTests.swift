import Foundation
import TestSupport
import Testing

@Suite("mailhub user, as processes", .timeLimit(.minutes(2)))
struct UserCommandTests {
    @Test("users that are added at the same time are all there; nobody is added twice")
    func atOnce() async throws {
        let directory = try TemporaryDirectory()
        let file = directory.url.appending(path: "users").path
        let names = (0..<12).map { "user\($0 % 8)" }
        let statuses = try await withThrowingTaskGroup(of: Int32.self) { group in
            for name in names {
                group.addTask {
                    try await onThread {
                        try HubProcess.run(["user", "add", name, "--file", file], input: Data("secret\n".utf8)).status
                    }
                }
            }
            return try await group.reduce(into: [Int32]()) { $0.append($1) }
        }
        #expect(statuses.sorted() == [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1])
        let (status, list) = try HubProcess.run(["user", "list", "--file", file])
        #expect(status == 0 && list.split(separator: "\n").count == 9, "\(list)")
        #expect(try FileManager.default.contentsOfDirectory(atPath: directory.url.path) == ["users"])
    }

    @Test("Ctrl-C at the prompt leaves the terminal as it was")
    func interrupt() async throws {
        try await onThread {
            guard let python = try Peer.find("python3") else { return }
            let directory = try TemporaryDirectory()
            let script = """
                import os, pty, sys, termios
                master, slave = pty.openpty()
                child = os.fork()
                if child == 0:
                    os.setsid()
                    import fcntl
                    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
                    for fd in (0, 1, 2): os.dup2(slave, fd)
                    os.execv(sys.argv[1], [sys.argv[1], "user", "add", "ann", "--file", sys.argv[2]])
                echo = lambda: bool(termios.tcgetattr(slave)[3] & termios.ECHO)
                seen = b""
                while b"Password: " not in seen: seen += os.read(master, 100)
                while echo(): pass
                os.write(master, b"secr\\x03")
                _, status = os.waitpid(child, 0)
                print(os.waitstatus_to_exitcode(status), echo(), os.path.exists(sys.argv[2]))
                """
            let (status, output) = try python.run([
                "-c", script, HubProcess.executable.path, directory.url.appending(path: "users").path,
            ])
            #expect(status == 0 && output == "130 True False\n", "\(output)")
        }
    }
}
