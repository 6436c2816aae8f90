/// What BODY on MAIL says about the content (RFC 6152 section 3, RFC 3030 section 3).
public enum BodyType: String, Hashable, Sendable, Codable {
    /// Only octets 1 to 127.
    case sevenBit = "7BIT"
    /// Any octets in lines.
    case eightBitMIME = "8BITMIME"
}

/// What the sender wants of the connections that a message travels over (RFC 8689).
public enum TLSRequirement: String, Hashable, Sendable, Codable, CaseIterable {
    /// REQUIRETLS on MAIL: only to servers that are known and verified, and that promise the same; back otherwise.
    case required
    /// The header field `TLS-Required: No`: rather in the clear than not at all, whatever the recipient's domain asks for.
    case optional
}

/// RET on MAIL: how much of the message a failure notification returns (RFC 3461 section 4.3).
public enum ReturnContent: String, Hashable, Sendable, Codable {
    /// The whole message.
    case full = "FULL"
    /// The header section.
    case headers = "HDRS"
}

/// NOTIFY on RCPT: when the sender wants a notification (RFC 3461 section 4.1).
///
/// Empty means NEVER.
public struct NotifyConditions: OptionSet, Hashable, Sendable, Codable {
    /// The bits of the set.
    public let rawValue: UInt8
    /// Makes a set from its bits.
    public init(rawValue: UInt8) { self.rawValue = rawValue }

    /// When the message was delivered.
    public static let success = NotifyConditions(rawValue: 1)
    /// When it cannot be delivered.
    public static let failure = NotifyConditions(rawValue: 2)
    /// When it is late.
    public static let delay = NotifyConditions(rawValue: 4)

    /// The value of the parameter: `NEVER`, or a list such as `SUCCESS,DELAY`.
    public var parameterValue: String {
        let names = [
            self.contains(.success) ? "SUCCESS" : nil, self.contains(.failure) ? "FAILURE" : nil,
            self.contains(.delay) ? "DELAY" : nil,
        ]
        return self.isEmpty ? "NEVER" : names.compactMap { $0 }.joined(separator: ",")
    }
}

/// One recipient of an envelope, with what RCPT said about it and what the hub has found out.
public struct EnvelopeRecipient: Hashable, Sendable, Codable {
    /// Where the message goes for this recipient.
    public var mailbox: Mailbox
    /// The mailbox that the client named, where an alias or a list stands between; `nil` where it is `mailbox`, and once the
    /// message is in the queue.
    public var named: Mailbox?
    /// ORCPT as received, byte for byte: `rfc822;User+40x@example.org` (RFC 3461 section 4.2).
    public var originalRecipient: String?
    /// NOTIFY; `nil` where the parameter was absent (RFC 3461 section 4.1).
    public var notify: NotifyConditions?
    /// The name of the route that a plugin chose; `nil` for the route of the domain.
    public var route: String?
    /// The reverse-path for this recipient alone, when it came from a list (RFC 5321 section 3.9.2).
    public var reversePath: ReversePath?

    /// Makes a recipient without parameters.
    public init(
        _ mailbox: Mailbox,
        originalRecipient: String? = nil,
        notify: NotifyConditions? = nil,
        route: String? = nil
    ) {
        self.mailbox = mailbox
        self.originalRecipient = originalRecipient
        self.notify = notify
        self.route = route
    }
}

extension ReversePath: Codable {
    /// Decodes the text between the angle brackets.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        guard let path = ReversePath(try container.decode(String.self)) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "not a reverse-path")
        }
        self = path
    }
    /// Encodes the text between the angle brackets.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(self.description)
    }
}

/// Who sends a message to whom (RFC 5321 section 2.3.1).
public struct Envelope: Hashable, Sendable, Codable {
    /// Where reports go.
    public var reversePath: ReversePath
    /// The recipients, in the order of their RCPT commands.
    public var recipients: [EnvelopeRecipient]
    /// BODY; `nil` where the parameter was absent.
    public var body: BodyType?
    /// Whether SMTPUTF8 was given (RFC 6531 section 3.4).
    public var isInternationalized: Bool
    /// ENVID as received, in xtext (RFC 3461 section 4.4).
    public var envelopeIdentifier: String?
    /// RET; `nil` where the parameter was absent.
    public var returnContent: ReturnContent?
    /// SIZE as declared, in octets; `nil` where the parameter was absent (RFC 1870).
    public var declaredSize: Int?

    /// REQUIRETLS, or what the header field TLS-Required says; `nil` where there was neither.
    public var tlsRequirement: TLSRequirement?

    /// Makes an envelope without parameters.
    public init(reversePath: ReversePath, recipients: [EnvelopeRecipient] = []) {
        self.reversePath = reversePath
        self.recipients = recipients
        self.isInternationalized = false
    }
}
