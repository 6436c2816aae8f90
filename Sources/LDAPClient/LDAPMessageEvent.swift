import MailHubPlugin

/// One message of a server, copied out of the library.
struct LDAPMessageEvent {
    enum Content {
        case entry(DirectoryEntry)
        /// Part of the answer is on other servers (RFC 4511 section 4.5.3).
        case reference([String])
        case result(LDAPResult)
        /// Part of an answer that is no LDAP message: what is missing cannot be told from what is not there.
        case malformed
        /// Something that nobody asked for, such as a notice of disconnection (RFC 4511 section 4.4.1).
        case other
    }
    /// The search that it belongs to; 0 for a notice.
    let identifier: Int32
    let content: Content
}

/// How a search ended (RFC 4511 section 4.1.9).
struct LDAPResult {
    let code: Int32
    /// The code in words, with the server's own.
    let text: String
    /// Where the server refers to.
    let referrals: [String]
    /// Where the next page begins; empty at the end (RFC 2696 section 3).
    let cookie: [UInt8]

    static let success: Int32 = 0
    static let sizeLimitExceeded: Int32 = 4
    static let referral: Int32 = 10
    static let noSuchObject: Int32 = 32
    /// Codes that say that another server may do better: busy, unavailable, unwillingToPerform.
    static let elsewhere: ClosedRange<Int32> = 51...53
}

/// What `LDAPHandle.next()` found.
enum LDAPReading {
    case message(LDAPMessageEvent)
    /// No whole message has come.
    case nothing
    /// The connection is of no use any more.
    case lost(String)
}

/// What became of a request.
enum LDAPSending {
    /// Sent, or about to be as the socket drains.
    case sent(Int32)
    /// The socket takes no more just now.
    case busy
    /// The library refuses it: it would at every server.
    case malformed(String)
    /// The connection is of no use any more.
    case lost(String)
}
