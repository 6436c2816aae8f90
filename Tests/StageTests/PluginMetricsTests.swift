@testable import MailHubPlugin
import Metrics
import MetricsTestKit
import NIOCore
import NIOEmbedded
import Testing

@Suite("What swift-metrics is told of a plugin that fails")
struct PluginMetricsTests {
    @Test("failures, timeouts, calls that were skipped, and whether it is paused")
    func counts() throws {
        let metrics = TestMetrics()
        var breaker = PluginHealth.Breaker()
        breaker.failures = 2
        let health = PluginHealth(breaker, plugin: "Flaky", factory: metrics)
        let loop = EmbeddedEventLoop()
        #expect((health.isOpen || health.isProbe(on: loop)))
        #expect(!health.failed(timedOut: false, now: loop.now))
        #expect(health.failed(timedOut: true, now: loop.now))
        #expect(!(health.isOpen || health.isProbe(on: loop)))
        let dimensions = [("plugin", "Flaky")]
        #expect(try metrics.expectCounter("mailhub_plugin_failures", dimensions).totalValue == 2)
        #expect(try metrics.expectCounter("mailhub_plugin_timeouts", dimensions).totalValue == 1)
        #expect(try metrics.expectCounter("mailhub_plugin_skipped", dimensions).totalValue == 1)
        let paused = try metrics.expectGauge("mailhub_plugin_paused", dimensions)
        #expect(paused.lastValue == 1)
        loop.advanceTime(by: .seconds(31))
        #expect((health.isOpen || health.isProbe(on: loop)))
        #expect(health.succeeded())
        #expect(paused.lastValue == 0)
    }
}
