package import SMTP

/// Why the store could not do what it was asked.
package enum StoreError: Error, Hashable, Sendable {
    /// No room on the disk: 452 4.3.1, and later again (RFC 5321 section 4.5.3.1.10).
    case noSpace
    /// It cannot answer now; the text is for our log.
    case unavailable(String)
    /// One item cannot be read; all others can. The text is for our log and the listing.
    case damaged(QueueID, String)

    /// What a peer is told whose message could not be stored: always temporary.
    package var reply: Reply {
        switch self {
        case .noSpace: Reply(452, EnhancedStatusCode(3, 1), "Insufficient system storage")
        case .unavailable, .damaged: Reply(451, EnhancedStatusCode(3, 0), "Local error in processing")
        }
    }
}
