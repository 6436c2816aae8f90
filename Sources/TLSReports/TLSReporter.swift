package import Delivery
package import Logging
package import MailHubPlugin
package import SMTP
import Synchronization

/// Where reports go to.
package protocol ReportOutlet: Sendable {
    /// Queues a message that takes no notice of TLS (RFC 8460 section 3).
    func mail(_ message: [UInt8], from sender: Mailbox, to recipient: Mailbox) async throws

    /// Posts a report; throws where it is not taken.
    func post(_ body: [UInt8], type: String, host: String, port: Int, path: String) async throws
}

/// Collects how connections come out, durably, and reports it once a day to the domains that ask for it (RFC 8460).
package final class TLSReporter: TLSResultObserver {
    private let reporter: Report.Reporter
    private let resolver: any NameResolver
    private let store: any KeyValueStore
    private let clock: any WallClock
    private let logger: Logger
    private let results: AsyncStream<TLSResult>
    private let next: AsyncStream<TLSResult>.Continuation
    /// Which domains were found to want reports, or not, and until when that is believed.
    private let interested = Mutex<[String: (wants: Bool, until: Timestamp)]>([:])

    /// Results that wait to be written; beyond, they are lost rather than that deliveries wait.
    private static let mostWaiting = 10_000
    private static let mostInterested = 10_000
    private static let belief: Duration = .seconds(3600)
    /// For so long after its day a report is tried again (section 5.5).
    private static let patience: Int64 = 2
    /// So that not all the world reports at midnight, in seconds.
    private static let spread: Int64 = 4 * 3600

    package init(
        _ reporter: Report.Reporter,
        resolver: any NameResolver,
        store: any KeyValueStore,
        clock: any WallClock,
        logger: Logger
    ) {
        self.reporter = reporter
        self.resolver = resolver
        self.store = store
        self.clock = clock
        self.logger = logger
        (self.results, self.next) = AsyncStream.makeStream(bufferingPolicy: .bufferingOldest(Self.mostWaiting))
    }

    package func note(_ result: TLSResult) { self.next.yield(result) }

    /// Writes results down until the task is cancelled.
    package func collect() async {
        for await result in self.results {
            guard await self.wantsReports(result.domain) else { continue }
            let key = "day \(Day(self.clock.now)) \(result.domain)"
            do {
                try await self.store.update(DayRecord.self, for: key) { record in
                    var changed = record ?? DayRecord()
                    changed.add(result)
                    record = changed
                    return (expires: nil, result: ())
                }
            } catch {
                self.logger.warning("a TLS result is lost", metadata: ["error": "\(error)"])
            }
        }
    }

    private func wantsReports(_ domain: String) async -> Bool {
        let now = self.clock.now
        if let known = self.interested.withLock({ $0[domain] }), known.until > now { return known.wants }
        let wants: Bool
        switch await self.record(of: domain) {
        case .found: wants = true
        case .notFound: wants = false
        // In doubt it is written down: whether it is wanted is asked again before it is sent.
        case .unavailable: return true
        }
        self.interested.withLock { interested in
            if interested.count >= Self.mostInterested { interested.removeAll() }
            interested[domain] = (wants, now + Self.belief)
        }
        return wants
    }

    private func record(of domain: String) async -> Lookup<ReportingRecord> {
        switch await self.resolver.texts(of: "_smtp._tls.\(domain)") {
        case .found(let texts): ReportingRecord(texts).map { .found($0) } ?? .notFound
        case .notFound: .notFound
        case .unavailable(let why): .unavailable(why)
        }
    }

    /// The reports of all days that have not been sent, today's among them.
    ///
    /// - Throws: `StoreUnavailable`.
    package func reports() async throws -> [Report] {
        var reports: [Report] = []
        try await self.forEachReport { reports.append($0) }
        return reports
    }

    /// Reads one after the other: there may be many.
    private func forEachReport(_ body: (Report) async throws -> Void) async throws {
        var last: String?
        while !Task.isCancelled {
            let entries = try await self.store.entries(withPrefix: "day ", after: last, limit: 20)
            guard let end = entries.last else { return }
            last = end.key
            for entry in entries {
                let words = entry.key.split(separator: " ")
                guard words.count == 3, let day = Day(words[1]),
                    let record = try await self.store.value(DayRecord.self, for: entry.key)
                else { continue }
                try await body(Report(domain: String(words[2]), day: day, record: record, reporter: self.reporter))
            }
        }
    }

    /// Sends what is due; called now and then.
    package func sendDue(through outlet: any ReportOutlet) async {
        do {
            let today = Day(self.clock.now)
            try await self.forEachReport { report in
                guard report.day < today, !Task.isCancelled,
                    self.clock.now.seconds >= report.day.start + 86_400 + self.delay(of: report.domain)
                else { return }
                let isSent = await self.send(report, through: outlet)
                guard isSent || today.number - report.day.number > Self.patience else { return }
                try await self.store.remove("day \(report.day) \(report.domain)")
            }
        } catch {
            self.logger.warning("TLS reports cannot be sent", metadata: ["error": "\(error)"])
        }
    }

    private func delay(of domain: String) -> Int64 {
        let sum = (self.reporter.hostname + domain).utf8.reduce(UInt64(5381)) { ($0 << 5) &+ $0 &+ UInt64($1) }
        return Int64(sum % UInt64(Self.spread))
    }

    /// Sends a report to the first place that takes it (section 3).
    private func send(_ report: Report, through outlet: any ReportOutlet) async -> Bool {
        guard case .found(let record) = await self.record(of: report.domain) else { return false }
        let body: [UInt8]
        do {
            body = try Gzip.compress(report.json)
        } catch {
            self.logger.error("TLS report cannot be written", metadata: ["error": "\(error)"])
            return false
        }
        for destination in record.destinations {
            do {
                switch destination {
                case .mailbox(let mailbox):
                    let message = report.message(to: mailbox, at: self.clock.now, body)
                    try await outlet.mail(message, from: self.reporter.contact, to: mailbox)
                case .https(let host, let port, let path):
                    try await outlet.post(body, type: "application/tlsrpt+gzip", host: host, port: port, path: path)
                }
                self.logger.info(
                    "TLS report sent",
                    metadata: ["domain": "\(report.domain)", "day": "\(report.day)", "to": "\(destination)"]
                )
                return true
            } catch {
                self.logger.notice(
                    "TLS report not taken",
                    metadata: ["domain": "\(report.domain)", "to": "\(destination)", "error": "\(error)"]
                )
            }
        }
        return false
    }
}
