/// The part of a mailbox before the `@`: case-sensitive, interpreted only by the host that it belongs to
/// (RFC 5321 sections 2.3.11 and 2.4).
public struct LocalPart: Hashable, Sendable {
    /// The name without quotes and quoted pairs, so that all quoted forms of it compare equal (RFC 5321 section 4.1.2).
    public let value: String

    /// Makes a local part from its unquoted value.
    ///
    /// - Returns: `nil` when the value is empty or holds a control character (RFC 5321 section 4.1.2).
    public init?(unquoted value: some StringProtocol) {
        guard !value.isEmpty, value.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F }) else { return nil }
        self.value = String(value)
    }

    /// For parsers that have checked the value.
    init(checked value: String) { self.value = value }

    /// Whether the name can be sent without SMTPUTF8.
    public var isASCII: Bool { self.value.utf8.allSatisfy { $0 < 0x80 } }
}

extension LocalPart: CustomStringConvertible {
    /// The wire form with the minimum of quoting (RFC 5321 section 4.1.2).
    public var description: String { MailboxSyntax.isDotString(self.value.utf8) ? self.value : self.quoted }

    private var quoted: String {
        var result = "\""
        for character in self.value.unicodeScalars {
            if character == "\"" || character == "\\" { result.append("\\") }
            result.unicodeScalars.append(character)
        }
        return result + "\""
    }
}

/// Where a mailbox lives: behind the `@`.
public enum MailboxHost: Hashable, Sendable {
    /// A domain name.
    case domain(Domain)
    /// An address in brackets.
    case literal(AddressLiteral)
}

extension MailboxHost: CustomStringConvertible {
    /// The wire form.
    public var description: String {
        switch self {
        case .domain(let domain): domain.text
        case .literal(let literal): literal.description
        }
    }
}

/// An address of mail: local part and host (RFC 5321 section 4.1.2).
public struct Mailbox: Hashable, Sendable {
    /// The part before the `@`.
    public let localPart: LocalPart
    /// The part behind the `@`.
    public let host: MailboxHost

    /// Joins the two parts.
    public init(localPart: LocalPart, host: MailboxHost) {
        self.localPart = localPart
        self.host = host
    }

    /// Parses `local@domain`, quoted forms and address literals included.
    ///
    /// - Returns: `nil` for anything that RFC 5321 section 4.1.2 (with RFC 6531 section 3.3) does not allow.
    public init?(_ text: some StringProtocol) {
        guard let mailbox = try? MailboxSyntax.mailbox(Array(text.utf8)[...], allowingUTF8: true) else { return nil }
        self = mailbox
    }

    /// The domain; `nil` for an address literal.
    public var domain: Domain? {
        switch self.host {
        case .domain(let domain): domain
        case .literal: nil
        }
    }

    /// Whether the mailbox can be sent without SMTPUTF8 (RFC 6531 section 3.2).
    public var isASCII: Bool {
        guard self.localPart.isASCII else { return false }
        return switch self.host {
        case .domain(let domain): domain.isASCII
        case .literal: true
        }
    }
}

extension Mailbox: CustomStringConvertible {
    /// The wire form without angle brackets.
    public var description: String { "\(self.localPart)@\(self.host)" }
}

extension Mailbox: Codable {
    /// Decodes the text form.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        guard let mailbox = Mailbox(try container.decode(String.self)) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "not a mailbox")
        }
        self = mailbox
    }
    /// Encodes the text form.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(self.description)
    }
}
