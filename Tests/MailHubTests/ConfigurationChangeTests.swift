import Administration
import Foundation
import MailHubPlugin
import Testing

@testable import MailHub

@Suite("What a reload puts in force")
struct ConfigurationChangeTests {
    private static func change(_ find: String, _ replacement: String) throws -> HubConfiguration {
        try #require(everythingSet.contains(find))
        return try HubConfiguration.read(everythingSet.replacing(find, with: replacement))
    }

    @Test(arguments: [
        ("\"hub.example.org\"", "\"mx.example.org\"", ["$.hostname"], []),
        ("\"postmaster\": \"ann@", "\"postmaster\": \"bob@", ["$.postmaster"], []),
        ("\"port\": 2525, \"role\"", "\"port\": 2526, \"role\"", ["$.listeners"], []),
        ("\"maximumErrors\": 3", "\"maximumErrors\": 4", ["$.listeners"], []),
        ("\"Example.COM\"", "\"example.net\"", ["$.domains"], []),
        ("2001:db8::/32", "2001:db8::/64", ["$.relayNetworks"], []),
        ("\"192.0.2.9\"", "\"192.0.2.8\"", ["$.routes"], []),
        ("\"defaultRoute\": \"smart_host\"", "\"defaultRoute\": \"internet\"", ["$.defaultRoute"], []),
        ("\"senders\": \"any\"", "\"senders\": \"own\"", ["$.authentication"], []),
        ("\"concurrency\": 50", "\"concurrency\": 51", ["$.throttles"], []),
        ("\"connect\": \"1s\"", "\"connect\": \"9s\"", ["$.delivery.timeouts"], []),
        ("\"messagesPerConnection\": 8", "\"messagesPerConnection\": 9", ["$.delivery.messagesPerConnection"], []),
        ("\"port\": 2600", "\"port\": 2601", ["$.delivery.port"], []),
        ("\"level\": \"debug\"", "\"level\": \"info\"", ["$.logging.level"], []),
        ("\"format\": \"json\"", "\"format\": \"text\"", [], ["$.logging.format"]),
        ("\"warnAfter\": \"2h\"", "\"warnAfter\": \"3h\"", [], ["$.queue"]),
        ("\"ipv6\": false", "\"ipv6\": true", [], ["$.dns"]),
        ("/run/mailhub/control.sock", "/run/control.sock", [], ["$.control.socket"]),
        ("\"eventLoops\": 2", "\"eventLoops\": 3", [], ["$.eventLoops"]),
        ("\"1m10s\"", "\"1m11s\"", [], ["$.shutdownGrace"]),
        ("\"idleTimeout\": \"10s\"", "\"idleTimeout\": \"11s\"", [], ["$.delivery.idleTimeout"]),
        ("\"maximumSessions\": 9", "\"maximumSessions\": 8", [], ["$.delivery.maximumSessions"]),
        ("\"configuration\": { \"recipients\": [\"ann@example.org\"] }", "\"configuration\": {}", [], []),
        ("\"mx\", \"address\"", "\"mx\",  \"address\"", [], []),
    ])
    func decisions(find: String, replacement: String, applied: [String], needsRestart: [String]) throws {
        let old = try HubConfiguration.read(everythingSet)
        let new = try Self.change(find, replacement)
        let report = ConfigurationChange(atStart: old, old: old, new: new).report
        #expect(report == ReloadReport(applied: applied + ["$.plugins"], needsRestart: needsRestart))
    }

    @Test func `Without plugins and changes nothing is reported`() throws {
        let text = #"{ "hostname": "hub.example.org", "listeners": [{ "name": "mx", "address": "127.0.0.1" }] }"#
        let configuration = try HubConfiguration.read(text)
        let report = ConfigurationChange(atStart: configuration, old: configuration, new: configuration).report
        #expect(report == ReloadReport(applied: [], needsRestart: []))
    }

    @Test func `What waits for a restart is reported by each further reload, until it is taken back`() throws {
        let atStart = try HubConfiguration.read(everythingSet)
        let changed = try Self.change("\"warnAfter\": \"2h\"", "\"warnAfter\": \"3h\"")
        let again = ConfigurationChange(atStart: atStart, old: changed, new: changed).report
        #expect(again.needsRestart == ["$.queue"])
        #expect(ConfigurationChange(atStart: atStart, old: changed, new: atStart).report.needsRestart == [])
    }
}
