public import InternetMessage
import MailQueue
import NIOCore
public import SMTP

/// A message that a test hub has taken.
public struct TestMessage: Sendable {
    /// Sender and recipients, as plugins have left them.
    public let envelope: Envelope
    /// Header fields, the hub's Received field on top.
    public let header: HeaderSection
    /// All behind the empty line.
    public let body: String
    /// Everything, octet by octet.
    public let octets: [UInt8]
    /// Why a plugin wants it held; `nil` where it is delivered.
    public let holdReason: String?
    /// The id in the queue and the log.
    public var queueIdentifier: String { self.message.id.description }
    let message: NewMessage

    init(_ message: NewMessage, octets: [UInt8]) {
        let header = HeaderSection(parsing: ByteBuffer(bytes: octets))
        self.envelope = message.envelope
        self.header = header
        self.body = String(decoding: octets.dropFirst(header.length), as: UTF8.self)
        self.octets = octets
        self.message = message
        self.holdReason = message.holdReason
    }

    /// The recipients' addresses.
    public var recipients: [String] { self.envelope.recipients.map(\.mailbox.description) }
}
