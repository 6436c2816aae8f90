/// How the queue behaves: from `queue` in config.json.
package struct QueueSettings: Sendable {
    /// When attempts are repeated, warned about and given up.
    package var retry = RetrySchedule()
    /// Recipients in memory at most; all others wait in the store.
    package var maximumActive = 5000
    /// Octets of fresh contents kept in memory for their first attempt.
    package var maximumCachedContent = 64 << 20
    /// How long a failure may wait for the message's other recipients, so that one notification tells of all.
    package var noticeDelay: Duration = .seconds(300)

    package init() {}
}

/// Bounds that are not configured.
package enum QueueLimits {
    /// Contents up to this many octets are kept in the store itself, larger ones in files.
    package static let inlineContent = 128 * 1024
    /// Recipients of one job at most (RFC 5321 section 4.5.3.1.8: peers take at least 100; the session splits further).
    package static let recipientsPerJob = 1000
}
