/// The protocol by which a message came, as it stands in the WITH clause: the registered names only (RFC 5321 section 4.4,
/// RFC 3848, RFC 6531 section 4.3).
public struct TransmissionType: Hashable, Sendable {
    /// What the client greeted with.
    public enum Greeting: String, Hashable, Sendable {
        /// HELO.
        case smtp = "SMTP"
        /// EHLO.
        case esmtp = "ESMTP"
        /// LHLO (RFC 2033).
        case lmtp = "LMTP"
    }
    /// What the client greeted with.
    public let greeting: Greeting
    /// Whether the session is encrypted: `S`.
    public let isEncrypted: Bool
    /// Whether the client has authenticated: `A`.
    public let isAuthenticated: Bool
    /// Whether SMTPUTF8 was given on MAIL: `UTF8` (RFC 6531 section 3.7.3).
    public let isInternationalized: Bool

    /// Joins the parts.
    public init(
        _ greeting: Greeting,
        isEncrypted: Bool = false,
        isAuthenticated: Bool = false,
        isInternationalized: Bool = false
    ) {
        self.greeting = greeting
        self.isEncrypted = isEncrypted
        self.isAuthenticated = isAuthenticated
        self.isInternationalized = isInternationalized
    }
}

extension TransmissionType: CustomStringConvertible {
    /// The registered name, such as `ESMTPSA` or `UTF8SMTPS`.
    ///
    /// HELO has no extensions, so it is `SMTP` whatever else is set.
    public var description: String {
        let suffix = (self.isEncrypted ? "S" : "") + (self.isAuthenticated ? "A" : "")
        return switch self.greeting {
        case .smtp: "SMTP"
        case .esmtp: (self.isInternationalized ? "UTF8SMTP" : "ESMTP") + suffix
        case .lmtp: (self.isInternationalized ? "UTF8LMTP" : "LMTP") + suffix
        }
    }
}
