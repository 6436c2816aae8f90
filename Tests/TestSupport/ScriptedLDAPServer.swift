import Foundation
import Synchronization

/// An LDAP server that answers searches as a test says, for what no real one does.
///
/// Binds succeed, and so do questions about the server's own entry.
public final class ScriptedLDAPServer: Sendable {
    /// What becomes of one search.
    public struct Answer: Sendable {
        /// What is sent; the protocol's operations, each without its envelope.
        public var operations: [Operation]
        /// Whether the connection is then reset.
        public var resets: Bool

        /// Joins the two.
        public init(_ operations: [Operation], resets: Bool = false) {
            self.operations = operations
            self.resets = resets
        }
    }
    /// One operation of an answer (RFC 4511 section 4.5.2).
    public enum Operation: Sendable {
        /// An entry with one attribute.
        case entry(String, attribute: String, value: String)
        /// An entry whose attributes are cut off within.
        case tornEntry(String)
        /// An entry without a name.
        case namelessEntry
        /// The end; with a cookie there is another page.
        case done(Int, cookie: String?)
    }

    /// Where it listens, at 127.0.0.1.
    public let port: Int
    private let listener: Int32
    private let answer: @Sendable (_ number: Int, _ request: String) -> Answer
    private let searches = Atomic<Int>(0)

    /// Begins to listen.
    ///
    /// - Parameter answer: gets how many searches came before, and the request's octets as Latin-1 text.
    public init(_ answer: @escaping @Sendable (_ number: Int, _ request: String) -> Answer) throws {
        self.port = try freePort()
        self.answer = answer
        self.listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(UInt16(self.port)).bigEndian
        address.sin_addr.s_addr = in_addr_t(0x7F00_0001).bigEndian
        let isBound = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(self.listener, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
        guard isBound, listen(self.listener, 20) == 0 else { throw PeerFailure("cannot listen at port \(self.port)") }
        let (listener, serve) = (self.listener, self.serve)
        Thread {
            while true {
                let connection = accept(listener, nil, nil)
                guard connection >= 0 else { return }
                Thread { serve(connection) }.start()
            }
        }.start()
    }

    /// Ends it; connections end with their clients.
    public func stop() {
        shutdown(self.listener, Int32(SHUT_RDWR))
        close(self.listener)
    }

    private func serve(_ connection: Int32) {
        defer { close(connection) }
        var input: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            while let message = Self.take(&input) {
                guard let operation = message.operation.first else { return }
                switch operation {
                case 0x60: Self.send(Self.message(message.identifier, Self.result(0x61, 0)), connection)
                case 0x63 where message.operation.starts(with: Self.serverEntry(message.operation)):
                    Self.send(Self.message(message.identifier, Self.result(0x65, 0)), connection)
                case 0x63:
                    let number = self.searches.add(1, ordering: .relaxed).oldValue
                    let text = String(message.operation.map { Character(Unicode.Scalar($0)) })
                    let answer = self.answer(number, text)
                    Self.send(answer.operations.flatMap { Self.octets($0, message.identifier) }, connection)
                    guard answer.resets else { continue }
                    var linger = Glibc.linger(l_onoff: 1, l_linger: 0)
                    setsockopt(connection, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout<linger>.size))
                    return
                case 0x42: return
                default: continue
                }
            }
            let count = recv(connection, &buffer, buffer.count, 0)
            guard count > 0 else { return }
            input += buffer[..<count]
        }
    }

    /// A base search at the root: with the tag, a length of any form, an empty name and the scope.
    private static func serverEntry(_ operation: [UInt8]) -> [UInt8] {
        let form = operation.count > 1 && operation[1] & 0x80 != 0 ? Int(operation[1] & 0x7F) : 0
        return operation.prefix(2 + form) + [0x04, 0x00, 0x0A, 0x01, 0x00]
    }

    private static func send(_ octets: [UInt8], _ connection: Int32) {
        _ = Glibc.send(connection, octets, octets.count, Int32(MSG_NOSIGNAL))
    }

    // MARK: Messages (RFC 4511 section 4.1.1, in the encoding of its section 5.1)

    private static func take(_ input: inout [UInt8]) -> (identifier: [UInt8], operation: [UInt8])? {
        guard input.count >= 2 else { return nil }
        var (header, length) = (2, Int(input[1]))
        if length & 0x80 != 0 {
            header += length & 0x7F
            guard input.count >= header else { return nil }
            length = input[2..<header].reduce(0) { $0 << 8 | Int($1) }
        }
        guard input.count >= header + length, length > 3 else { return nil }
        let content = Array(input[header..<header + length])
        input.removeFirst(header + length)
        let identifier = content[..<(2 + Int(content[1]))]
        return (Array(identifier), Array(content[identifier.endIndex...]))
    }

    private static func octets(_ operation: Operation, _ identifier: [UInt8]) -> [UInt8] {
        switch operation {
        case .entry(let name, let attribute, let value):
            let list = Self.element(0x30, Self.string(attribute) + Self.element(0x31, Self.string(value)))
            return Self.message(identifier, Self.element(0x64, Self.string(name) + Self.element(0x30, list)))
        case .tornEntry(let name):
            // The attribute says that it is longer than what holds it.
            let list: [UInt8] = [0x30, 0x20] + Self.string("mail")
            return Self.message(identifier, Self.element(0x64, Self.string(name) + Self.element(0x30, list)))
        case .namelessEntry:
            return Self.message(identifier, Self.element(0x64, [0x02, 0x01, 0x00]))
        case .done(let code, let cookie):
            guard let cookie else { return Self.message(identifier, Self.result(0x65, UInt8(code))) }
            let value = Self.element(0x30, [0x02, 0x01, 0x00] + Self.string(cookie))
            let control = Self.element(0x30, Self.string("1.2.840.113556.1.4.319") + Self.element(0x04, value))
            return Self.message(identifier, Self.result(0x65, UInt8(code)) + Self.element(0xA0, control))
        }
    }

    private static func message(_ identifier: [UInt8], _ content: [UInt8]) -> [UInt8] {
        self.element(0x30, identifier + content)
    }

    private static func result(_ tag: UInt8, _ code: UInt8) -> [UInt8] {
        self.element(tag, [0x0A, 0x01, code, 0x04, 0x00, 0x04, 0x00])
    }

    private static func string(_ text: String) -> [UInt8] { self.element(0x04, Array(text.utf8)) }

    private static func element(_ tag: UInt8, _ content: [UInt8]) -> [UInt8] {
        let length: [UInt8] =
            content.count < 0x80
            ? [UInt8(content.count)] : [0x82, UInt8(content.count >> 8), UInt8(truncatingIfNeeded: content.count)]
        return [tag] + length + content
    }
}
