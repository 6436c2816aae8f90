/// The parameters of MAIL that the hub understands.
package struct SenderParameters: Hashable, Sendable {
    /// SIZE, in octets; values beyond `Int` are `Int.max` (RFC 1870 section 4).
    package var size: Int?
    /// BODY (RFC 6152 section 3).
    package var body: BodyType?
    /// SMTPUTF8 (RFC 6531 section 3.4).
    package var isInternationalized = false
    /// RET (RFC 3461 section 4.3).
    package var returnContent: ReturnContent?
    /// ENVID, as received (RFC 3461 section 4.4).
    package var envelopeIdentifier: String?
    /// Whether REQUIRETLS was given (RFC 8689 section 2).
    package var requiresTLS = false
    /// Whether AUTH was given (RFC 4954 section 5); its value is not believed, and not kept.
    package var namesAuthor = false
}

/// The parameters of RCPT that the hub understands.
package struct RecipientParameters: Hashable, Sendable {
    /// NOTIFY (RFC 3461 section 4.1).
    package var notify: NotifyConditions?
    /// ORCPT, as received (RFC 3461 section 4.2).
    package var originalRecipient: String?
}

/// One command line, parsed (RFC 5321 section 4.1.1).
package enum Command: Hashable, Sendable {
    case helo(String)
    case ehlo(String)
    /// LMTP's greeting (RFC 2033 section 4.1).
    case lhlo(String)
    case mail(ReversePath, SenderParameters)
    case rcpt(ForwardPath, RecipientParameters)
    case data
    /// A chunk of so many octets follows (RFC 3030 section 2).
    case bdat(size: Int, isLast: Bool)
    case rset
    case noop
    case quit
    case vrfy(String)
    case expn(String)
    case help
    /// RFC 3207 section 4.
    case starttls
    /// AUTH with the name of a mechanism and the initial response as it came, in base64 (RFC 4954 section 4).
    case auth(mechanism: String, initial: String?)
    /// A verb that some RFC defines and the hub does not implement: 502.
    case notImplemented
    /// A request of HTTP: a browser was made to send what follows, and SMTP in it is somebody else's.
    case foreign
}

extension Command {
    /// For our log: the initial response of AUTH is a password, or as good as one.
    package var withoutSecrets: String {
        switch self {
        case .auth(let mechanism, nil): "auth(\(mechanism))"
        case .auth(let mechanism, .some): "auth(\(mechanism), with an initial response)"
        default: "\(self)"
        }
    }
}

/// Why a line is not a command that the hub can carry out.
package enum CommandError: Error, Hashable, Sendable {
    /// 500: not a verb of SMTP.
    case unrecognized
    /// 501: the verb is known, its argument is not right. The text says what is wrong.
    case badArgument(String)
    /// 501: longer than the limits (RFC 5321 section 4.5.3.1.10).
    case tooLong(String)
    /// 555: a parameter of MAIL or RCPT that is not known (RFC 5321 section 4.1.1.11).
    case unknownParameter(String)
    /// 550: octets beyond ASCII in MAIL without SMTPUTF8 (RFC 6531 section 3.5).
    case senderNeedsSMTPUTF8
    /// 553: octets beyond ASCII in RCPT without SMTPUTF8 (RFC 6531 section 3.5).
    case recipientNeedsSMTPUTF8
}
