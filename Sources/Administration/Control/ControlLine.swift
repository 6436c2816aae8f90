import Foundation
import NIOCore

/// The JSON lines of the control socket: one value a line, ended by LF.
enum ControlLine {
    /// Appends a value and the line end.
    static func append(_ value: some Encodable, to buffer: inout ByteBuffer) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        buffer.writeBytes(try encoder.encode(value))
        buffer.writeStaticString("\n")
    }

    /// Reads a value from a line without its end.
    static func decode<Value: Decodable>(_ type: Value.Type, from line: ByteBuffer) throws -> Value {
        try JSONDecoder().decode(type, from: Data(line.readableBytesView))
    }
}

extension ControlRequest: CustomStringConvertible {
    /// The request as it is on the wire: what the log shows.
    package var description: String {
        var buffer = ByteBuffer()
        try? ControlLine.append(self, to: &buffer)
        return String(buffer: buffer).trimmingCharacters(in: .newlines)
    }
}

/// Cuts what arrives into lines, and keeps no more than one line that is not complete.
struct LineAssembler {
    /// A line is longer than the limit.
    struct LineTooLong: Error {}

    private let limit: Int
    private var pending = ByteBuffer()
    /// How much of `pending` is known to hold no line end.
    private var searched = 0

    /// - Parameter limit: octets in the longest line, its end not counted.
    init(limit: Int) { self.limit = limit }

    /// Takes what has arrived.
    mutating func feed(_ bytes: ByteBuffer) {
        self.pending.discardReadBytes()
        self.pending.writeImmutableBuffer(bytes)
    }

    /// The next complete line without its end; `nil` when more must be fed first.
    mutating func nextLine() throws(LineTooLong) -> ByteBuffer? {
        let unsearched = self.pending.readableBytesView.dropFirst(self.searched)
        guard let end = unsearched.firstIndex(of: UInt8(ascii: "\n")) else {
            self.searched = self.pending.readableBytes
            guard self.searched <= self.limit else { throw LineTooLong() }
            return nil
        }
        let length = end - self.pending.readerIndex
        guard length <= self.limit else { throw LineTooLong() }
        let line = self.pending.readSlice(length: length)
        self.pending.moveReaderIndex(forwardBy: 1)
        self.searched = 0
        return line
    }

    /// What was not ended by a line end.
    var rest: ByteBuffer { self.pending }
}
