public import NIOCore
public import SMTP

/// The trace field that every accepted message gets on top (RFC 5321 section 4.4).
public struct ReceivedField: Hashable, Sendable {
    /// The argument of HELO, EHLO or LHLO as the client gave it, however odd; `nil` where it gave none.
    public var helloName: String?
    /// The client's address.
    public var clientAddress: IPAddress
    /// The client's name in the DNS, checked forwards too; `nil` where there is none.
    public var clientName: Domain?
    /// The name of this host.
    public var host: Domain
    /// How the message came.
    public var transmission: TransmissionType
    /// The message's name in the queue: letters and digits.
    public var identifier: String
    /// The recipient, where there is just one: with several, none is named, for the sake of blind copies (section 7.2).
    public var recipient: Mailbox?
    /// The registered name of the TLS cipher suite, such as `TLS_AES_256_GCM_SHA384` (RFC 8314 section 4.3).
    public var cipherSuite: String?
    /// The version of TLS, such as `TLSv1.3`: told in a comment behind the cipher suite.
    public var tlsVersion: String?
    /// When the message came.
    public var date: DateTime

    /// Joins the parts; the optional ones can be set afterwards.
    public init(
        helloName: String?,
        clientAddress: IPAddress,
        host: Domain,
        transmission: TransmissionType,
        identifier: String,
        recipient: Mailbox? = nil,
        date: DateTime
    ) {
        self.helloName = helloName
        self.clientAddress = clientAddress
        self.host = host
        self.transmission = transmission
        self.identifier = identifier
        self.recipient = recipient
        self.date = date
    }

    /// Appends the field, folded, with its line end.
    ///
    /// What is no domain or address literal in the HELO argument is replaced by the client's address and told in a comment,
    /// so that the field follows the grammar whatever the client said.
    public func write(into buffer: inout ByteBuffer) {
        buffer.writeStaticString("Received: from ")
        self.writeFrom(into: &buffer)
        buffer.writeStaticString("\r\n\tby ")
        buffer.writeString(self.host.canonical)
        buffer.writeStaticString(" with ")
        buffer.writeString(self.transmission.description)
        buffer.writeStaticString(" id ")
        buffer.writeString(self.identifier)
        if let recipient = self.recipient, recipient.isASCII || self.transmission.isInternationalized {
            buffer.writeStaticString("\r\n\tfor <")
            buffer.writeString(recipient.description)
            buffer.writeStaticString(">")
        }
        if let cipherSuite = self.cipherSuite, Self.isCipherSuite(cipherSuite) {
            buffer.writeStaticString("\r\n\ttls ")
            buffer.writeString(cipherSuite)
            if let version = self.tlsVersion, Self.isCipherSuite(version.replacing(".", with: "_")) {
                buffer.writeStaticString(" (")
                buffer.writeString(version)
                buffer.writeStaticString(")")
            }
        }
        buffer.writeStaticString(";\r\n\t")
        self.date.write(into: &buffer)
        buffer.writeStaticString("\r\n")
    }

    /// Appends an Extended-Domain and, where the client said something odd, a comment.
    private func writeFrom(into buffer: inout ByteBuffer) {
        let literal = self.clientAddress.literal.description
        let hello = self.helloName.flatMap(Self.domainOrLiteral)
        let first = hello ?? literal
        buffer.writeString(first)
        // A long name in front leaves no room for more on this line.
        buffer.writeString(first.utf8.count + (self.clientName?.canonical.utf8.count ?? 0) > 40 ? "\r\n\t(" : " (")
        if let clientName = self.clientName {
            buffer.writeString(clientName.canonical)
            buffer.writeStaticString(" ")
        }
        buffer.writeString(literal)
        buffer.writeStaticString(")")
        if hello == nil, let said = self.helloName, !said.isEmpty {
            buffer.writeStaticString("\r\n\t(helo=")
            buffer.writeBytes(said.utf8.prefix(255).map(Self.commentOctet))
            buffer.writeStaticString(")")
        }
    }

    /// The HELO argument if the grammar allows it in front of TCP-info.
    private static func domainOrLiteral(_ text: String) -> String? {
        if text.utf8.first == UInt8(ascii: "["), text.utf8.last == UInt8(ascii: "]"), text.utf8.count > 2 {
            return AddressLiteral(insideBrackets: text.dropFirst().dropLast())?.description
        }
        return Domain(text, allowingUTF8: false)?.text
    }

    /// What may stand in a comment without a quoted pair (RFC 5322 section 3.2.2), and cannot be folded wrongly.
    private static func commentOctet(_ byte: UInt8) -> UInt8 {
        switch byte {
        case UInt8(ascii: "("), UInt8(ascii: ")"), UInt8(ascii: "\\"): UInt8(ascii: "?")
        case 0x21...0x7E: byte
        default: UInt8(ascii: "?")
        }
    }

    private static func isCipherSuite(_ text: String) -> Bool {
        (1...64).contains(text.utf8.count)
            && text.unicodeScalars.allSatisfy {
                $0.isASCII && ($0.properties.isAlphabetic || ("0"..."9").contains($0) || $0 == "_")
            }
    }
}
