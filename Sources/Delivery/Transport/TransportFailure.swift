package import SMTP

/// Why there is no session with a destination.
package struct TransportFailure: Error {
    /// 4yz: all waiting recipients are deferred and the destination backs off.
    ///
    /// 5yz: they fail.
    package let reply: Reply
    /// The peer, where one was reached.
    package let host: String?
    /// Whether the destination as a whole is in trouble (connection refused, 421, time-out), so that the throttle backs off.
    package let isDestinationTrouble: Bool

    package init(reply: Reply, host: String?, isDestinationTrouble: Bool) {
        self.reply = reply
        self.host = host
        self.isDestinationTrouble = isDestinationTrouble
    }
}
