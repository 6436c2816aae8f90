package import NIOCore

/// Cuts command lines out of received octets.
///
/// Only CRLF ends a line (RFC 5321 section 2.3.8).
package struct CommandLineFraming: Sendable {
    /// The longest command line, CRLF included: room for every extension's parameters (RFC 5321 section 4.5.3.1.4 asks for
    /// 512 and more with extensions; RFC 3461 section 5.4 for 1036).
    package static let longestLine = 4096

    private enum State {
        case line
        /// Within a line that was too long: all up to its CRLF is dropped.
        case discarding(lastWasCR: Bool)
    }
    private var state = State.line
    /// Octets of the incomplete line that were searched already.
    private var searched = 0
    /// The longest line here, CRLF included.
    private let limit: Int

    /// - Parameter limit: the longest line, CRLF included.
    package init(limit: Int = Self.longestLine) { self.limit = limit }

    /// The longest line of an authentication, CRLF included (RFC 4954 section 4).
    package static let longestResponse = 12288

    /// What was found at the start of the input.
    package enum Element: Equatable {
        /// A line: `length` octets, followed by CRLF.
        case line(length: Int)
        /// A line with a bare CR or LF within: refused whole, so that nothing in it is taken for a command.
        case bareLineEnd
        /// A line longer than the limit has ended.
        case tooLong
        /// No whole line yet.
        case incomplete
    }

    /// Finds the next line.
    ///
    /// `bareLineEnd` and `tooLong` have consumed their octets; `line` leaves them to the caller, who moves the reader
    /// index behind the CRLF.
    package mutating func next(in input: inout ByteBuffer) -> Element {
        switch self.state {
        case .line: self.nextLine(in: &input)
        case .discarding(let lastWasCR): self.discard(in: &input, lastWasCR: lastWasCR)
        }
    }

    private mutating func nextLine(in input: inout ByteBuffer) -> Element {
        let (end, hasBare) = unsafe input.withUnsafeReadableBytes { bytes in
            unsafe Self.endOfLine(bytes, from: max(self.searched - 1, 0))
        }
        guard let end else {
            if input.readableBytes > self.limit {
                let lastWasCR = input.getInteger(at: input.writerIndex - 1, as: UInt8.self) == 0x0D
                input.clear()
                self.searched = 0
                self.state = .discarding(lastWasCR: lastWasCR)
                return .incomplete
            }
            self.searched = input.readableBytes
            return .incomplete
        }
        self.searched = 0
        if end + 2 > self.limit {
            input.moveReaderIndex(forwardBy: end + 2)
            return .tooLong
        }
        // Bare line ends before the part that was searched last were seen by nobody: look at the whole line once.
        let isBare =
            unsafe hasBare
            || input.withUnsafeReadableBytes { bytes in
                unsafe bytes[..<end].contains { $0 == 0x0A || $0 == 0x0D }
            }
        if isBare {
            input.moveReaderIndex(forwardBy: end + 2)
            return .bareLineEnd
        }
        return .line(length: end)
    }

    private static func endOfLine(_ bytes: UnsafeRawBufferPointer, from start: Int) -> (end: Int?, hasBare: Bool) {
        var index = start
        var hasBare = false
        while index + 1 < bytes.count {
            if unsafe bytes[index] == 0x0D {
                if unsafe bytes[index + 1] == 0x0A { return (index, hasBare) }
                hasBare = true
            }
            index += 1
        }
        return (nil, hasBare)
    }

    private mutating func discard(in input: inout ByteBuffer, lastWasCR: Bool) -> Element {
        var lastWasCR = lastWasCR
        while let byte = input.readInteger(as: UInt8.self) {
            if lastWasCR, byte == 0x0A {
                self.state = .line
                return .tooLong
            }
            lastWasCR = byte == 0x0D
        }
        self.state = .discarding(lastWasCR: lastWasCR)
        return .incomplete
    }
}
