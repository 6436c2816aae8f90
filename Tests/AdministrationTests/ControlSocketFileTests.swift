import Administration
import Foundation
import Glibc
import Testing

@Suite("Control socket: the file")
struct ControlSocketFileTests {
    private func mode(_ path: String) throws -> Int? {
        let attributes = try FileManager.default.attributesOfItem(atPath: path)
        return (attributes[.posixPermissions] as? NSNumber)?.intValue
    }

    @Test func `Only the owner may open it, and it is gone at the end`() async throws {
        try await withTemporaryFolder { folder in
            let path = folder + "/var/run/control.sock"
            try await withControlServer(path: path, handler: ScriptedHub()) {
                let modes = [try self.mode(path), try self.mode(folder + "/var/run")]
                #expect(modes == [0o600, 0o700])
            }
            #expect(!FileManager.default.fileExists(atPath: path))
        }
    }

    @Test func `A folder that exists keeps its mode`() async throws {
        try await withTemporaryFolder { folder in
            try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: folder)
            try await withControlServer(path: folder + "/control.sock", handler: ScriptedHub()) {
                let mode = try self.mode(folder)
                #expect(mode == 0o755)
            }
        }
    }

    @Test func `A socket that nobody answers on is replaced`() async throws {
        try await withTemporaryFolder { folder in
            let path = folder + "/control.sock"
            try Self.leaveStaleSocket(at: path)
            await #expect(throws: ControlClientError.notRunning(path: path)) {
                try await ControlClient(path: path).send(.status) { _ in }
            }
            try await withControlServer(path: path, handler: ScriptedHub()) {
                try await ControlClient(path: path).send(.status) { _ in }
            }
        }
    }

    @Test func `A socket that a hub answers on is left alone`() async throws {
        try await withTemporaryFolder { folder in
            let path = folder + "/control.sock"
            try await withControlServer(path: path, handler: ScriptedHub()) {
                await #expect(throws: ControlSocketError.inUse(path: path)) {
                    try await withControlServer(path: path, handler: ScriptedHub()) {}
                }
                try await ControlClient(path: path).send(.status) { _ in }
            }
        }
    }

    @Test func `What is not a socket is left alone`() async throws {
        try await withTemporaryFolder { folder in
            let path = folder + "/control.sock"
            try Data("precious".utf8).write(to: URL(fileURLWithPath: path))
            await #expect(throws: ControlSocketError.notASocket(path: path)) {
                try await withControlServer(path: path, handler: ScriptedHub()) {}
            }
            #expect(FileManager.default.fileExists(atPath: path))
        }
    }

    @Test func `A successor's socket is not removed`() async throws {
        try await withTemporaryFolder { folder in
            let path = folder + "/control.sock"
            try await withControlServer(path: path, handler: ScriptedHub()) {
                try FileManager.default.removeItem(atPath: path)
                try Data().write(to: URL(fileURLWithPath: path))
            }
            #expect(FileManager.default.fileExists(atPath: path))
        }
    }

    @Test func `Reasons for not reaching a hub are told apart`() async throws {
        let long = "/tmp/" + String(repeating: "x", count: 108)
        await #expect(throws: ControlClientError.pathTooLong(path: long)) {
            try await ControlClient(path: long).send(.status) { _ in }
        }
        await #expect(throws: ControlSocketError.pathTooLong(path: long)) {
            try await withControlServer(path: long, handler: ScriptedHub()) {}
        }
        await #expect(throws: ControlClientError.notRunning(path: "/nonexistent/control.sock")) {
            try await ControlClient(path: "/nonexistent/control.sock").send(.status) { _ in }
        }
    }

    /// Binds a socket and closes it without removing it, as a crash does.
    private static func leaveStaleSocket(at path: String) throws {
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: Array(path.utf8)) }
        let result = unsafe withUnsafePointer(to: &address) {
            unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        try #require(result == 0)
    }
}
