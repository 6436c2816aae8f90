import Administration
import Delivery
import Glibc
import Logging
import MailHubPlugin
import MailQueue
import Reception
import SMTP
import TLSReports

/// Does what the operator's commands ask of the running hub.
struct OperatorHandler: ControlHandler {
    let live: LiveConfiguration
    let queue: MailQueue
    let throttles: ThrottleTable
    let listeners: ListenerGroup
    let started: Timestamp
    let clock: any WallClock
    let reloader: Reloader
    let tls: TLSTest
    /// `nil` where nothing is reported.
    let reporter: TLSReporter?

    func status() async throws -> HubStatus {
        let statistics = try await self.queue.statistics()
        let throttles = await self.throttles.snapshots()
        let states = Dictionary(throttles.map { ($0.destination.description, $0.state) }) { first, _ in first }
        let names = Set(statistics.destinations.keys).union(states.keys).sorted()
        let configuration = self.live.current.configuration
        return HubStatus(
            version: Release.version,
            hostname: configuration.host.text,
            process: Int(getpid()),
            started: ControlInstant(self.started),
            listeners: configuration.listeners.map { "\($0.name) \($0.address) \($0.port)" },
            sessions: self.listeners.sessionCount,
            deliveries: throttles.reduce(0) { $0 + $1.state.sessions },
            queue: QueueStatus(
                messages: statistics.messages,
                octets: statistics.octets,
                waitingRecipients: statistics.recipients[.waiting] ?? 0,
                heldRecipients: statistics.recipients[.held] ?? 0,
                oldest: statistics.oldest.map(ControlInstant.init)
            ),
            // What a throttle still remembers of a destination without mail, sessions and trouble interests nobody.
            destinations: names.map { name in
                DestinationStatus(
                    destination: name,
                    recipients: statistics.destinations[name] ?? 0,
                    deliveries: states[name]?.sessions ?? 0,
                    trouble: states[name].flatMap(self.trouble)
                )
            }.filter { $0.recipients > 0 || $0.deliveries > 0 || $0.trouble != nil }
        )
    }

    private func trouble(_ state: ThrottleState.Snapshot) -> String? {
        if state.isSuspended { return "suspended by the operator" }
        guard let until = state.pausedUntil, until > self.clock.now else { return nil }
        let failures = state.troubles == 1 ? "1 failure" : "\(state.troubles) failures"
        return "paused until \(ControlInstant(until)) after \(failures)"
    }

    func queueList(_ filter: MessageFilter, limit: Int, after id: String?) async throws -> QueueEntryPage {
        let page = try await self.queue.list(self.filter(filter), after: try id.map(self.identifier), limit: limit)
        let now = self.clock.now
        let entries = page.messages.map { QueueEntry($0, now: now) }
        return QueueEntryPage(entries: entries.filter(filter.matches), next: page.next?.description)
    }

    func queueShow(_ id: String) async throws -> QueueEntry? {
        try await self.queue.show(try self.identifier(id)).map { QueueEntry($0, now: self.clock.now) }
    }

    func queueRetry(_ selector: MessageSelector) async throws -> Int {
        try await self.queue.retry(self.selection(selector)).count
    }

    func queueHold(_ selector: MessageSelector, reason: String) async throws -> Int {
        try await self.queue.hold(self.selection(selector), reason: reason).count
    }

    func queueRelease(_ selector: MessageSelector) async throws -> Int {
        try await self.queue.release(self.selection(selector)).count
    }

    func queueDelete(_ selector: MessageSelector) async throws -> Int {
        try await self.queue.delete(self.selection(selector)).count
    }

    func queueSuspend(_ destinations: [String]) async throws -> Int {
        let destinations = try destinations.map(self.destination)
        let before = Set(await self.queue.suspendedDestinations)
        for destination in destinations {
            await self.queue.suspend(destination)
            for variant in destination.variants { await self.throttles.throttle(for: variant).suspend() }
        }
        return Set(destinations).subtracting(before).count
    }

    func queueResume(_ destinations: [String]) async throws -> Int {
        // One that was suspended can be resumed although the configuration has lost its route.
        let suspended = await self.queue.suspendedDestinations
        let destinations = try destinations.map { text in
            try suspended.first { $0.description == text } ?? self.destination(text)
        }
        var count = 0
        for destination in Set(destinations) {
            var isPaused = false
            for variant in destination.variants {
                let throttle = await self.throttles.throttle(for: variant)
                if let until = await throttle.snapshot.pausedUntil, until > self.clock.now { isPaused = true }
                await throttle.resume()
            }
            await self.queue.resume(destination)
            if isPaused || suspended.contains(destination) { count += 1 }
        }
        return count
    }

    /// The destination with a name, as listings show it: `route`, or `route/domain` for routes by MX.
    private func destination(_ text: String) throws -> Destination {
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        let route = String(parts[0])
        guard let way = self.live.current.configuration.routes[route] else {
            throw ControlFailure(.invalidRequest, "there is no route \"\(route)\"")
        }
        guard way == .mx else {
            guard parts.count == 1 else {
                throw ControlFailure(.invalidRequest, "the route \"\(route)\" has one destination: \(route)")
            }
            return Destination(route: route, domain: "")
        }
        let host = parts.count == 2 ? Mailbox("postmaster@\(parts[1])")?.host : nil
        switch host {
        case .domain(let domain): return Destination(route: route, domain: domain.canonical)
        case .literal(let literal): return Destination(route: route, domain: literal.description)
        case nil:
            throw ControlFailure(
                .invalidRequest,
                "the route \"\(route)\" has a destination for each domain, such as \(route)/example.net"
            )
        }
    }

    func reload() async throws -> ReloadReport { try await self.reloader.reload() }

    func tlsTest(_ target: String) async throws -> TLSReport { try await self.tls.report(on: target) }

    func tlsReports(_ domain: String?) async throws -> PluginAnswer {
        guard let reporter = self.reporter else {
            throw ControlFailure(.notFound, "no reports: add \"tlsReports\": {} to the configuration, and restart")
        }
        let reports = try await reporter.reports().filter { domain == nil || $0.domain == domain?.lowercased() }
        return PluginAnswer(lines: reports.map { String(decoding: $0.json, as: UTF8.self) })
    }

    func pluginList() async throws -> [PluginEntry] {
        self.live.current.configuration.plugins.map { entry in
            let health = entry.health.snapshot
            return PluginEntry(
                name: entry.name,
                stages: entry.plugin.stages.map(\.rawValue),
                onFailure: entry.onFailure.rawValue,
                calls: health.calls,
                failures: health.failures,
                timeouts: health.timeouts,
                skipped: health.skipped,
                isPaused: health.isPaused,
                counters: entry.counters.snapshot,
                verbs: (entry.plugin as? any OperatorHook)?.operatorVerbs.map { "\($0.usage): \($0.does)" } ?? []
            )
        }
    }

    func pluginRun(_ name: String, _ request: PluginRequest) async throws -> PluginAnswer {
        let plugins = self.live.current.configuration.plugins
        guard let entry = plugins.first(where: { $0.name == name }) else {
            let known = plugins.map(\.name).joined(separator: ", ")
            throw ControlFailure(.notFound, "no plugin \"\(name)\" is configured; there are: \(known)")
        }
        guard let hook = entry.plugin as? any OperatorHook else {
            throw ControlFailure(.invalidRequest, "the plugin \"\(name)\" has nothing to say to operators")
        }
        do {
            let asked = OperatorRequest(verb: request.verb, arguments: request.arguments, options: request.options)
            try asked.checkOptions(hook.operatorVerbs)
            let answer = try await hook.operate(asked)
            return PluginAnswer(columns: answer.columns, rows: answer.rows, lines: answer.lines)
        } catch let mistake as OperatorMistake {
            throw ControlFailure(.invalidRequest, mistake.description)
        }
    }

    private func identifier(_ text: String) throws -> QueueID {
        guard let id = QueueID(text) else {
            throw ControlFailure(.invalidRequest, "\"\(text)\" is not the name of a message")
        }
        return id
    }

    private func selection(_ selector: MessageSelector) throws -> QueueSelection {
        switch selector {
        case .messages(let ids): .ids(try ids.map(self.identifier))
        case .matching(let filter): .matching(self.filter(filter))
        case .all: .matching(QueueFilter())
        }
    }

    private func filter(_ filter: MessageFilter) -> QueueFilter {
        let state: RecipientState? =
            switch filter.state {
            case .active, .deferred: .waiting
            case .held: .held
            case .damaged: .damaged
            case nil: nil
            }
        return QueueFilter(
            state: state,
            destination: filter.destination,
            sender: filter.sender,
            recipient: filter.recipient ?? filter.domain.map { "@\($0)" }
        )
    }
}

extension QueueEntry {
    init(_ listing: QueueListing, now: Timestamp) {
        let states = listing.recipients.map(\.state)
        let isDue = listing.recipients.contains { $0.state == .waiting && $0.due <= now }
        self.init(
            id: listing.id.description,
            state: listing.damage != nil || states.contains(.damaged)
                ? .damaged : states.contains(.held) ? .held : isDue ? .active : .deferred,
            sender: listing.sender,
            size: listing.size,
            arrival: ControlInstant(listing.arrival),
            recipients: listing.recipients.map { recipient in
                RecipientEntry(
                    address: recipient.address,
                    destination: recipient.destination,
                    attempts: recipient.attempts,
                    nextAttempt: recipient.state == .waiting ? ControlInstant(recipient.due) : nil,
                    lastReply: recipient.last.map { "\($0.host.map { "\($0): " } ?? "")\($0.reply)" }
                )
            },
            recipientCount: listing.recipientCount,
            reason: listing.damage ?? listing.holdReason
        )
    }
}
