import Glibc
package import NIOCore

/// Puts content on the wire behind DATA: a dot in front of each line that begins with one (RFC 5321 section 4.5.2).
package struct DotStuffing: Sendable {
    private enum State { case lineStart, middle, cr }
    private var state = State.lineStart

    package init() {}

    /// Appends the next octets of the content to `output`.
    package mutating func encode(_ content: ByteBuffer, into output: inout ByteBuffer) {
        unsafe content.withUnsafeReadableBytes { bytes in unsafe self.encode(bytes, into: &output) }
    }

    private mutating func encode(_ bytes: UnsafeRawBufferPointer, into output: inout ByteBuffer) {
        guard let base = bytes.baseAddress else { return }
        var runStart = 0
        var index = 0
        while index < bytes.count {
            switch self.state {
            case .lineStart:
                if unsafe bytes[index] == UInt8(ascii: ".") {
                    unsafe output.writeBytes(UnsafeRawBufferPointer(rebasing: bytes[runStart..<index]))
                    output.writeInteger(UInt8(ascii: "."))
                    runStart = index
                }
                self.state = .middle
            case .middle:
                guard let found = unsafe memchr(base + index, 0x0D, bytes.count - index) else {
                    index = bytes.count
                    continue
                }
                index = unsafe UnsafeRawPointer(found) - base + 1
                self.state = .cr
            case .cr:
                if unsafe bytes[index] == 0x0A {
                    index += 1
                    self.state = .lineStart
                } else {
                    self.state = .middle
                }
            }
        }
        unsafe output.writeBytes(UnsafeRawBufferPointer(rebasing: bytes[runStart...]))
    }

    /// Appends the end of the data; a CRLF goes in front only where the content does not end with one (section 4.1.1.4).
    package mutating func finish(into output: inout ByteBuffer) {
        if self.state != .lineStart { output.writeStaticString("\r\n") }
        output.writeStaticString(".\r\n")
        self.state = .lineStart
    }
}
