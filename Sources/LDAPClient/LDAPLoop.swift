import Glibc
import Logging
import MailHubPlugin
import Synchronization

/// What the loop is told by other threads.
enum LoopEvent: Sendable {
    case search(SearchJob)
    /// The caller of a search is gone.
    case cancel(SearchJob)
    /// A connection attempt has ended.
    case attempted(server: Int, Result<LDAPHandle, LDAPFailure>)
    case shutDown
}

/// The one thread that owns all connections: it waits for their sockets and for what others tell it, and never blocks on either.
final class LDAPLoop: Sendable {
    private struct Inbox {
        var events: [LoopEvent] = []
        var isStarted = false
        var isOver = false
    }
    private let inbox = Mutex(Inbox())
    /// Written to wake the thread; closed by it at its end.
    private let wake: (read: Int32, write: Int32)
    let settings: LDAPSettings
    let logger: Logger
    /// The server that answered last.
    let lastServer = Mutex<String?>(nil)

    /// - Throws: where there is no descriptor left.
    init(_ settings: LDAPSettings, _ logger: Logger) throws {
        var ends: [Int32] = [-1, -1]
        guard unsafe pipe(&ends) == 0 else {
            let reason = unsafe String(cString: strerror(errno))
            throw LDAPLibraryError(text: "no pipe: \(reason)")
        }
        for end in ends {
            _ = fcntl(end, F_SETFL, O_NONBLOCK)
            _ = fcntl(end, F_SETFD, FD_CLOEXEC)
        }
        self.wake = (ends[0], ends[1])
        self.settings = settings
        self.logger = logger
    }

    deinit {
        _ = close(self.wake.read)
        _ = close(self.wake.write)
    }

    /// Tells the loop something; the thread starts with the first search.
    ///
    /// - Returns: `false` where the loop is over, or no thread can be had: the event is dropped.
    @discardableResult
    func post(_ event: LoopEvent) -> Bool {
        let (isAlive, isFirst) = self.inbox.withLock { inbox in
            guard !inbox.isOver else { return (false, false) }
            if !inbox.isStarted {
                if case .shutDown = event {
                    inbox.isOver = true
                    return (true, false)
                }
                guard BackgroundThread.start({ self.run() }) else { return (false, false) }
                inbox.isStarted = true
            }
            inbox.events.append(event)
            return (true, inbox.events.count == 1)
        }
        if isFirst { self.signal() }
        return isAlive
    }

    private func signal() {
        var octet: UInt8 = 1
        _ = unsafe write(self.wake.write, &octet, 1)
    }

    /// Connects on a thread of its own: there is at most one such thread for each server.
    func startAttempt(to index: Int) -> Bool {
        let (server, settings) = (self.settings.servers[index], self.settings)
        return BackgroundThread.start {
            do throws(LDAPFailure) {
                let handle = try LDAPConnector.connect(to: server, settings)
                self.post(.attempted(server: index, .success(handle)))
            } catch {
                self.post(.attempted(server: index, .failure(error)))
            }
        }
    }

    private func run() {
        var engine = LDAPEngine(self)
        var isOver = false
        while !isOver {
            var descriptors = engine.descriptors()
            descriptors.append(pollfd(fd: self.wake.read, events: Int16(POLLIN), revents: 0))
            let pause = Int32(clamping: max(0, engine.nextWake() - MonotonicTime.now))
            _ = unsafe poll(&descriptors, nfds_t(descriptors.count), pause)
            if let last = descriptors.popLast(), last.revents != 0 { self.drain() }
            engine.read(descriptors)
            for event in self.inbox.withLock({ inbox in
                defer { inbox.events = [] }
                return inbox.events
            }) {
                switch event {
                case .search(let job): engine.add(job)
                case .cancel(let job): engine.cancel(job)
                case .attempted(let server, let result): engine.attempted(server, result)
                case .shutDown: isOver = true
                }
            }
            engine.advance()
        }
        let rest = self.inbox.withLock { inbox in
            inbox.isOver = true
            defer { inbox.events = [] }
            return inbox.events
        }
        engine.shutDown()
        for case .search(let job) in rest { job.answer(.unavailable("shut down")) }
    }

    private func drain() {
        var octets = [UInt8](repeating: 0, count: 64)
        while unsafe Glibc.read(self.wake.read, &octets, octets.count) > 0 {}
    }
}
