import Foundation

/// A blocking SMTP client over a plain socket, for tests that talk to a real process.
public final class SMTPTestClient {
    private let socket: Int32
    private var unread: [UInt8] = []

    /// Connects, and reads the greeting.
    public init(port: Int, timeout seconds: Int = 240) throws {
        self.socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var limit = timeval(tv_sec: seconds, tv_usec: 0)
        setsockopt(self.socket, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        setsockopt(self.socket, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(UInt16(port)).bigEndian
        address.sin_addr.s_addr = in_addr_t(0x7F00_0001).bigEndian
        let connected = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(self.socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard connected == 0 else {
            Glibc.close(self.socket)
            throw PeerFailure("cannot connect to port \(port)")
        }
        let greeting = try self.reply()
        guard greeting.hasPrefix("220") else { throw PeerFailure("greeted with \(greeting)") }
    }

    /// Sends octets as they are.
    public func send(_ bytes: some Collection<UInt8>) throws {
        let all = Array(bytes)
        var sent = 0
        while sent < all.count {
            let count = all[sent...].withUnsafeBytes {
                Glibc.send(self.socket, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw PeerFailure("cannot send: \(errno)") }
            sent += count
        }
    }

    /// Sends a command line and reads its reply.
    public func command(_ line: String) throws -> String {
        try self.send((line + "\r\n").utf8)
        return try self.reply()
    }

    /// Reads one reply; its lines joined by newlines.
    public func reply() throws -> String {
        var lines: [String] = []
        while true {
            let line = try self.line()
            lines.append(line)
            if line.count < 4 || line.dropFirst(3).first != "-" { return lines.joined(separator: "\n") }
        }
    }

    private func line() throws -> String {
        while true {
            if let end = self.unread.firstIndex(of: 0x0A) {
                let line = self.unread[..<end]
                self.unread.removeSubrange(...end)
                return String(decoding: line, as: UTF8.self).trimmingCharacters(in: .newlines)
            }
            var piece = [UInt8](repeating: 0, count: 4096)
            let count = recv(self.socket, &piece, piece.count, 0)
            // With a time limit, any signal to the process interrupts.
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw PeerFailure("the connection ended") }
            self.unread += piece[..<count]
        }
    }

    /// Sends one message; `content` ends with CRLF and has its dots stuffed.
    ///
    /// - Returns: the reply to the end of data.
    public func message(from sender: String, to recipients: [String], content: some Collection<UInt8>) throws -> String
    {
        _ = try self.expect("250", "MAIL FROM:<\(sender)>")
        for recipient in recipients { _ = try self.expect("250", "RCPT TO:<\(recipient)>") }
        _ = try self.expect("354", "DATA")
        try self.send(content)
        try self.send(".\r\n".utf8)
        return try self.reply()
    }

    /// Sends a command whose reply must begin with `code`.
    public func expect(_ code: String, _ line: String) throws -> String {
        let reply = try self.command(line)
        guard reply.hasPrefix(code) else { throw PeerFailure("\(line): \(reply)") }
        return reply
    }

    /// Closes the socket.
    public func close() { Glibc.close(self.socket) }
}
