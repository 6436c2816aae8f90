package import Metrics
public import NIOCore
public import Synchronization

/// How one plugin fares: counts, and the circuit breaker that spares everybody the wait for one that fails again and again.
///
/// After `failures` calls in a row that threw or took too long, the plugin is not asked for `pause`; then one call is let
/// through, and what becomes of it decides. While it is not asked, its failure policy answers.
@usableFromInline
package final class PluginHealth: Sendable {
    /// When the breaker opens, and for how long.
    package struct Breaker: Hashable, Sendable {
        package var failures = 5
        package var pause: Duration = .seconds(30)

        package init() {}
    }

    /// Numbers for the operator.
    package struct Snapshot: Hashable, Sendable {
        package let calls: Int
        package let failures: Int
        package let timeouts: Int
        package let skipped: Int
        package let isPaused: Bool
    }

    private let breaker: Breaker
    @usableFromInline let calls = Atomic<Int>(0)
    private let failures = Atomic<Int>(0)
    private let timeouts = Atomic<Int>(0)
    private let skipped = Atomic<Int>(0)
    @usableFromInline let inARow = Atomic<Int>(0)
    /// When the next call is let through, in nanoseconds of uptime; 0 while all are.
    @usableFromInline let closedUntil = Atomic<UInt64>(0)

    private let failureMetric, timeoutMetric, skippedMetric: Counter
    private let pausedMetric: Gauge

    /// - Parameter plugin: its name in config.json: the dimension `plugin` of what swift-metrics is told, which
    ///   docs/operations.md lists.
    package init(
        _ breaker: Breaker = Breaker(),
        plugin: String,
        factory: any MetricsFactory = MetricsSystem.factory
    ) {
        self.breaker = breaker
        let dimensions = [("plugin", plugin)]
        self.failureMetric = Counter(label: "mailhub_plugin_failures", dimensions: dimensions, factory: factory)
        self.timeoutMetric = Counter(label: "mailhub_plugin_timeouts", dimensions: dimensions, factory: factory)
        self.skippedMetric = Counter(label: "mailhub_plugin_skipped", dimensions: dimensions, factory: factory)
        self.pausedMetric = Gauge(label: "mailhub_plugin_paused", dimensions: dimensions, factory: factory)
    }

    /// Whether the last call of the plugin has failed.
    @inlinable var isFailing: Bool { self.inARow.load(ordering: .relaxed) != 0 }

    /// Whether the plugin is to be asked like any other.
    @inlinable var isOpen: Bool { self.closedUntil.load(ordering: .relaxed) == 0 }

    /// Notes that the plugin is asked.
    @inlinable
    func countCall() { self.calls.wrappingAdd(1, ordering: .relaxed) }

    /// Of all callers after the pause one is let through; the others wait for what becomes of it, or for another pause.
    @usableFromInline
    func isProbe(on eventLoop: any EventLoop) -> Bool {
        let until = self.closedUntil.load(ordering: .relaxed)
        guard until != 0 else { return true }
        let now = eventLoop.now
        if now.uptimeNanoseconds >= until {
            let next = (now + TimeAmount(self.breaker.pause)).uptimeNanoseconds
            if self.closedUntil.compareExchange(expected: until, desired: next, ordering: .relaxed).exchanged {
                return true
            }
        }
        self.skipped.add(1, ordering: .relaxed)
        self.skippedMetric.increment()
        return false
    }

    /// The plugin has answered.
    ///
    /// - Returns: whether that ends a pause.
    @usableFromInline
    func succeeded() -> Bool {
        guard self.inARow.load(ordering: .relaxed) != 0 else { return false }
        self.inARow.store(0, ordering: .relaxed)
        guard self.closedUntil.exchange(0, ordering: .relaxed) != 0 else { return false }
        self.pausedMetric.record(0)
        return true
    }

    /// The plugin has thrown, or took too long.
    ///
    /// - Returns: whether that begins a pause.
    @usableFromInline
    func failed(timedOut: Bool, now: NIODeadline) -> Bool {
        self.failures.add(1, ordering: .relaxed)
        self.failureMetric.increment()
        if timedOut {
            self.timeouts.add(1, ordering: .relaxed)
            self.timeoutMetric.increment()
        }
        let count = self.inARow.add(1, ordering: .relaxed).newValue
        guard count >= self.breaker.failures else { return false }
        let until = max((now + TimeAmount(self.breaker.pause)).uptimeNanoseconds, 1)
        guard self.closedUntil.exchange(until, ordering: .relaxed) == 0 else { return false }
        self.pausedMetric.record(1)
        return true
    }

    /// What there is to tell.
    package var snapshot: Snapshot {
        Snapshot(
            calls: self.calls.load(ordering: .relaxed),
            failures: self.failures.load(ordering: .relaxed),
            timeouts: self.timeouts.load(ordering: .relaxed),
            skipped: self.skipped.load(ordering: .relaxed),
            isPaused: self.closedUntil.load(ordering: .relaxed) != 0
        )
    }
}
