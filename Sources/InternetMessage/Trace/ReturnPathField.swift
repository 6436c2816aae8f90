public import NIOCore
public import SMTP

/// The field that final delivery puts on top: where reports about the message go (RFC 5321 section 4.4).
public enum ReturnPathField {
    /// Appends the field with its line end: `Return-Path: <sender@example.net>`, or `<>`.
    public static func write(_ path: ReversePath, into buffer: inout ByteBuffer) {
        buffer.writeStaticString("Return-Path: <")
        buffer.writeString(path.description)
        buffer.writeStaticString(">\r\n")
    }
}

extension HeaderSection {
    /// Makes this the only `Return-Path` field, on top; for final delivery (RFC 5321 section 4.4).
    ///
    /// A relay must not look for such fields.
    public mutating func setReturnPath(_ path: ReversePath) {
        self.fields.removeAll { $0.isNamed("Return-Path") }
        var raw = ByteBuffer()
        ReturnPathField.write(path, into: &raw)
        self.fields.insert(Field(raw: raw), at: 0)
    }
}
