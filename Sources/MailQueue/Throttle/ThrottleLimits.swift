/// What a destination is sent at most: from `throttles` in config.json.
package struct ThrottleLimits: Hashable, Sendable {
    /// Sessions at a time: at least 1.
    package var concurrency = 20
    /// Messages per `period`; `nil` for no limit.
    package var messages: Int?
    /// The period that `messages` is counted over.
    package var period: Duration = .seconds(60)
    /// The first pause after trouble; it doubles with each further one.
    package var firstPause: Duration = .seconds(60)
    /// The longest pause.
    package var longestPause: Duration = .seconds(3600)

    package init() {}

    package init(concurrency: Int, messages: Int? = nil, period: Duration = .seconds(60)) {
        self.concurrency = concurrency
        self.messages = messages
        self.period = period
    }
}
