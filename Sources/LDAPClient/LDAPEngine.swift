import DequeModule
import Glibc
import Logging
import MailHubPlugin

/// What the loop does next: which searches go to which connection, when a server is connected, given up or probed.
///
/// It lives on the loop's thread and calls the library without blocking. `LDAPEngine+Answers.swift` has what comes back.
struct LDAPEngine {
    /// A connection that is bound.
    struct Connection {
        let server: Int
        let handle: LDAPHandle
        /// By the message's number.
        var searches: [Int32: Flight] = [:]
        let opened: Int64
        var lastReceived: Int64
        /// The socket took no more.
        var isBusy = false
        /// No more searches: it is closed when those under way have ended.
        var isRetired = false
        /// Why it is of no use any more: it is closed as soon as nobody is counting connections.
        var fault: String?
    }
    /// A search that was sent; without a job it is a check of a silent connection.
    struct Flight {
        var progress: JobProgress?
        let sent: Int64
        let deadline: Int64
    }
    let loop: LDAPLoop
    let settings: LDAPSettings
    var health: ServerHealth
    var connections: [Connection] = []
    var waiting = Deque<JobProgress>()
    /// No deadline is before it.
    private var nextDeadline = Int64.max
    /// Whether anything was ever asked since the connections were closed.
    private var isWanted = false
    /// References of the directory that were told already.
    var toldReferences: Set<String> = []

    init(_ loop: LDAPLoop) {
        self.loop = loop
        self.settings = loop.settings
        self.health = ServerHealth(
            count: loop.settings.servers.count,
            pause: loop.settings.timeouts.retry.milliseconds
        )
    }

    // MARK: For the loop

    /// What to wait for, in the order of `connections`.
    func descriptors() -> [pollfd] {
        self.connections.map { connection in
            let events = connection.isBusy ? POLLIN | POLLOUT : POLLIN
            return pollfd(fd: connection.handle.descriptor, events: Int16(events), revents: 0)
        }
    }

    /// The latest instant to wake at.
    func nextWake() -> Int64 {
        var wake = min(self.nextDeadline, MonotonicTime.now + 1000)
        if let probe = self.health.nextProbe, self.isWanted { wake = min(wake, probe) }
        return wake
    }

    mutating func add(_ job: SearchJob) {
        self.isWanted = true
        guard self.waiting.count < self.settings.waitingSearches else {
            return job.answer(.unavailable("\(self.waiting.count) searches are waiting already"))
        }
        let deadline = MonotonicTime.now + self.settings.timeouts.total.milliseconds
        self.waiting.append(JobProgress(job: job, deadline: deadline))
        self.nextDeadline = min(self.nextDeadline, deadline)
    }

    mutating func cancel(_ job: SearchJob) {
        job.answer(.unavailable("cancelled"))
        self.waiting.removeAll { $0.job === job }
        for index in self.connections.indices {
            let flight = self.connections[index].searches.first { $0.value.progress?.job === job }
            guard let identifier = flight?.key else { continue }
            self.connections[index].searches[identifier] = nil
            self.connections[index].handle.abandon(identifier)
        }
    }

    mutating func attempted(_ server: Int, _ result: Result<LDAPHandle, LDAPFailure>) {
        self.health.attemptEnded(server)
        let name = self.settings.servers[server].url
        switch result {
        case .success(let handle):
            if self.health.hasFailed(server) {
                self.loop.logger.notice("directory server is back", metadata: ["host": "\(name)"])
            }
            self.health.connected(server)
            let now = MonotonicTime.now
            self.connections.append(Connection(server: server, handle: handle, opened: now, lastReceived: now))
        case .failure(let failure):
            self.fail(server, failure.description)
        }
    }

    /// Does what is due.
    mutating func advance() {
        let now = MonotonicTime.now
        self.closeFaulty()
        if now >= self.nextDeadline { self.expire(now) }
        self.connect(now)
        self.dispatch(now)
        self.checkSilentConnections(now)
        if self.closeFaulty() {
            // Their searches go on elsewhere.
            self.connect(now)
            self.dispatch(now)
        }
        self.connections.removeAll { $0.isRetired && $0.searches.isEmpty }
    }

    mutating func shutDown() {
        let jobs =
            self.waiting.map(\.job) + self.connections.flatMap { $0.searches.values.compactMap { $0.progress?.job } }
        self.waiting = []
        self.connections = []
        for job in jobs { job.answer(.unavailable("shut down")) }
    }

    // MARK: Servers

    mutating func fail(_ server: Int, _ reason: String) {
        if !self.health.hasFailed(server) {
            self.loop.logger.warning("directory server failed", metadata: ["error": "\(reason)"])
        }
        self.health.failed(server, reason, MonotonicTime.now)
        for index in self.connections.indices where self.connections[index].server == server {
            self.connections[index].isRetired = true
        }
        // Searches that wait are refused at once while no server is left; those with another one go on there.
        if self.health.preferred == nil { self.refuseWaiting("no directory server: \(self.health.reasons)") }
    }

    private mutating func refuseWaiting(_ reason: String) {
        let refused = self.waiting
        self.waiting = []
        for progress in refused { progress.job.answer(.unavailable(reason)) }
    }

    private mutating func connect(_ now: Int64) {
        guard self.isWanted else { return }
        for server in self.health.due(now, before: self.settings.servers.count) { self.startAttempt(to: server) }
        guard let preferred = self.health.preferred else {
            return self.refuseWaiting("no directory server: \(self.health.reasons)")
        }
        let own = self.connections.count { $0.server == preferred && !$0.isRetired }
        if own < self.settings.connections, !self.health.isBeingConnected(preferred) {
            self.startAttempt(to: preferred)
        }
        // Back with the preferred server: connections to others are closed when they are idle.
        if own > 0 {
            let isAvoided = self.waiting.contains { $0.avoided == preferred }
            for index in self.connections.indices where self.connections[index].server != preferred && !isAvoided {
                self.connections[index].isRetired = true
            }
        }
        for progress in self.waiting where progress.avoided == preferred {
            guard let other = self.health.alternative(to: preferred) else { break }
            if !self.connections.contains(where: { $0.server == other && !$0.isRetired }),
                !self.health.isBeingConnected(other)
            {
                self.startAttempt(to: other)
            }
            break
        }
    }

    private mutating func startAttempt(to server: Int) {
        if self.loop.startAttempt(to: server) {
            self.health.connecting(server)
        } else {
            self.fail(server, "\(self.settings.servers[server]), connect: no thread")
        }
    }

    // MARK: Searches

    private mutating func dispatch(_ now: Int64) {
        var later: [JobProgress] = []
        while let progress = self.waiting.popFirst() {
            if progress.job.isOver { continue }
            guard let index = self.connection(for: progress) else {
                later.append(progress)
                // Where nothing was avoided the next ones find no connection either.
                if progress.avoided == nil { break }
                continue
            }
            self.send(progress, on: index, now)
        }
        self.waiting.prepend(contentsOf: later)
    }

    /// The connection with the least to do, one of the preferred server first.
    private func connection(for progress: JobProgress) -> Int? {
        let preferred = self.health.preferred
        var best: Int?
        for (index, connection) in self.connections.enumerated() {
            guard !connection.isRetired, !connection.isBusy, connection.fault == nil,
                progress.avoided != connection.server,
                connection.searches.count < self.settings.searchesPerConnection
            else { continue }
            guard let other = best.map({ self.connections[$0] }) else {
                best = index
                continue
            }
            let isBetter = connection.server == preferred && other.server != preferred
            let isWorse = connection.server != preferred && other.server == preferred
            if isBetter || (!isWorse && connection.searches.count < other.searches.count) { best = index }
        }
        return best
    }

    mutating func send(_ given: JobProgress, on index: Int, _ now: Int64) {
        var progress = given
        if progress.cookie.isEmpty { progress.tries += 1 }
        let search = progress.job.search
        let page = search.limit > self.settings.pageSize ? (self.settings.pageSize, progress.cookie) : nil
        let limit = self.settings.timeouts.search.milliseconds
        let sending = self.connections[index].handle.search(
            search,
            base: search.base ?? self.settings.base,
            seconds: Int(limit / 1000) + 1,
            page: page
        )
        switch sending {
        case .sent(let identifier):
            let deadline = min(now + limit, progress.deadline)
            self.nextDeadline = min(self.nextDeadline, deadline)
            self.connections[index].searches[identifier] = Flight(progress: progress, sent: now, deadline: deadline)
        case .busy:
            self.connections[index].isBusy = true
            self.later(given, "\(self.settings.servers[self.connections[index].server]), search: busy")
        case .malformed(let reason):
            progress.job.answer(.unavailable(reason))
        case .lost(let reason):
            self.connections[index].fault = reason
            self.later(given, "\(self.settings.servers[self.connections[index].server]), search: \(reason)")
        }
    }

    /// Lets a search that could not be sent wait; where a page's place is known to one connection only, it begins again.
    private mutating func later(_ progress: JobProgress, _ reason: String) {
        if progress.cookie.isEmpty {
            self.waiting.prepend(progress)
        } else {
            self.tryAgain(progress, reason)
        }
    }

    private mutating func expire(_ now: Int64) {
        for progress in self.waiting where progress.deadline <= now {
            progress.job.answer(.unavailable("no connection to a directory server in time"))
        }
        self.waiting.removeAll { $0.deadline <= now }
        for index in self.connections.indices.reversed() {
            let overdue = self.connections[index].searches.filter { $0.value.deadline <= now }
            guard let first = overdue.values.map(\.sent).min() else { continue }
            let server = self.settings.servers[self.connections[index].server]
            let reason = "\(server), search: no answer within \(self.settings.timeouts.search)"
            guard self.connections[index].lastReceived >= first else {
                // Nothing came at all: the server is taken for dead.
                self.fail(self.connections[index].server, reason)
                self.connections[index].fault = reason
                continue
            }
            for (identifier, flight) in overdue {
                self.connections[index].searches[identifier] = nil
                self.connections[index].handle.abandon(identifier)
                flight.progress?.job.answer(.unavailable(reason))
            }
        }
        let flights = self.connections.flatMap { $0.searches.values.map(\.deadline) }
        self.nextDeadline = min(flights.min() ?? .max, self.waiting.map(\.deadline).min() ?? .max)
    }

    private mutating func checkSilentConnections(_ now: Int64) {
        let idle = self.settings.timeouts.idle.milliseconds
        for index in self.connections.indices.reversed() {
            let connection = self.connections[index]
            guard connection.searches.isEmpty, !connection.isRetired, connection.fault == nil,
                now - connection.lastReceived >= idle
            else {
                continue
            }
            let deadline = now + self.settings.timeouts.search.milliseconds
            switch connection.handle.search(.serverEntry, base: "", seconds: 1, page: nil) {
            case .sent(let identifier):
                self.connections[index].searches[identifier] = Flight(progress: nil, sent: now, deadline: deadline)
                self.nextDeadline = min(self.nextDeadline, deadline)
            case .busy, .malformed: break
            case .lost(let reason): self.connections[index].fault = reason
            }
        }
    }
}
