import Glibc
package import NIOCore

/// Takes the content of DATA off the wire: removes dot-stuffing and finds the end (RFC 5321 sections 4.1.1.4 and 4.5.2).
///
/// Only CRLF.CRLF ends the data. A CR or an LF on its own never begins a line; it is noted, and the session refuses the
/// message at its end, so that no other idea of where a line ends can smuggle a second message in.
package struct DataDecoder: Sendable {
    private enum State {
        case lineStart
        /// Behind a dot at the start of a line: stuffing, or the end.
        case dot
        /// Behind a dot and a CR at the start of a line.
        case dotCR
        case middle
        /// Behind a CR that ends a line if LF follows.
        case cr
    }
    /// DATA itself ended with CRLF, so content begins at the start of a line.
    private var state = State.lineStart
    /// Whether a CR without LF, or an LF without CR, was seen.
    package private(set) var hasBareLineEnd = false

    package init() {}

    /// Decodes what `input` holds, appending content to `output`; octets behind the end stay in `input`.
    ///
    /// - Returns: whether the end of the data was found.
    package mutating func decode(_ input: inout ByteBuffer, into output: inout ByteBuffer) -> Bool {
        var ended = false
        let consumed = unsafe input.withUnsafeReadableBytes { bytes in
            unsafe self.scan(bytes, into: &output, ended: &ended)
        }
        input.moveReaderIndex(forwardBy: consumed)
        return ended
    }

    private mutating func scan(
        _ bytes: UnsafeRawBufferPointer,
        into output: inout ByteBuffer,
        ended: inout Bool
    ) -> Int {
        var index = 0
        var runStart = 0  // content that was seen and not copied yet
        let count = bytes.count
        while index < count {
            let byte = unsafe bytes[index]
            switch self.state {
            case .lineStart:
                guard byte == UInt8(ascii: ".") else {
                    self.state = .middle
                    continue
                }
                unsafe output.writeBytes(UnsafeRawBufferPointer(rebasing: bytes[runStart..<index]))
                index += 1
                runStart = index
                self.state = .dot
            case .dot:
                guard byte == 0x0D else {
                    self.state = .middle
                    continue
                }
                index += 1
                runStart = index
                self.state = .dotCR
            case .dotCR:
                if byte == 0x0A {
                    ended = true
                    return index + 1
                }
                output.writeInteger(UInt8(0x0D))
                self.hasBareLineEnd = true
                self.state = .middle
            case .cr:
                if byte == 0x0A {
                    self.state = .lineStart
                    index += 1
                } else {
                    self.hasBareLineEnd = true
                    self.state = .middle
                }
            case .middle:
                index = unsafe self.middleOfLine(bytes, from: index)
            }
        }
        unsafe output.writeBytes(UnsafeRawBufferPointer(rebasing: bytes[runStart..<count]))
        return count
    }

    /// Skips to behind the next CR, noting LFs on the way.
    private mutating func middleOfLine(_ bytes: UnsafeRawBufferPointer, from start: Int) -> Int {
        guard let base = bytes.baseAddress else { return start }
        let remaining = bytes.count - start
        let from = unsafe base + start
        let lf = unsafe memchr(from, 0x0A, remaining).map { unsafe UnsafeRawPointer($0) - base }
        let limit = lf ?? bytes.count
        if let cr = unsafe memchr(from, 0x0D, limit - start).map({ unsafe UnsafeRawPointer($0) - base }) {
            self.state = .cr
            return cr + 1
        }
        guard let lf else { return bytes.count }
        self.hasBareLineEnd = true
        return lf + 1
    }
}

/// Looks for a CR or an LF on its own in content that arrives in chunks (RFC 5321 section 2.3.8, RFC 3030 section 2).
package struct BareLineEndScanner: Sendable {
    private var lastWasCR = false
    /// Whether one was seen so far; a CR at the very end counts once `finish` was called.
    package private(set) var hasBareLineEnd = false

    package init() {}

    /// Looks at the next octets.
    package mutating func scan(_ buffer: ByteBuffer) {
        guard !self.hasBareLineEnd else { return }
        unsafe buffer.withUnsafeReadableBytes { bytes in
            for index in bytes.indices {
                let byte = unsafe bytes[index]
                if (byte == 0x0A) != self.lastWasCR {
                    self.hasBareLineEnd = true
                    return
                }
                self.lastWasCR = byte == 0x0D
            }
        }
    }

    /// Says that the content has ended.
    package mutating func finish() {
        if self.lastWasCR { self.hasBareLineEnd = true }
    }
}
