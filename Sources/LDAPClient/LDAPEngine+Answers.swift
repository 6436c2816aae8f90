import DequeModule
import Glibc
import Logging
import MailHubPlugin
import Synchronization

/// What comes back from the servers.
extension LDAPEngine {
    /// Takes what has come.
    ///
    /// - Parameter descriptors: what `poll` says about each of `connections`.
    mutating func read(_ descriptors: [pollfd]) {
        for index in descriptors.indices.reversed() where descriptors[index].revents != 0 {
            guard self.connections.indices.contains(index) else { continue }
            self.connections[index].isBusy = false
            self.readAll(index)
        }
    }

    /// The library reads ahead, so everything that has come is taken before the next wait.
    private mutating func readAll(_ index: Int) {
        while true {
            switch self.connections[index].handle.next() {
            case .nothing: return
            case .lost(let reason): return self.lose(index, reason)
            case .message(let event):
                self.connections[index].lastReceived = MonotonicTime.now
                self.take(event, on: index)
            }
        }
    }

    /// Closes a connection; its searches are sent once more, at another server where there is one.
    mutating func lose(_ index: Int, _ reason: String) {
        let connection = self.connections.remove(at: index)
        let server = self.settings.servers[connection.server]
        // One that is lost as soon as it is there would be made again and again.
        if MonotonicTime.now - connection.opened < 1000 {
            self.fail(connection.server, "\(server), connect: \(reason)")
        }
        if !connection.searches.isEmpty {
            self.loop.logger.notice("directory connection lost", metadata: ["host": "\(server)", "error": "\(reason)"])
        }
        for flight in connection.searches.values {
            guard let progress = flight.progress else { continue }
            self.tryAgain(progress, "\(server), search: \(reason)")
        }
    }

    private mutating func tryAgain(_ given: JobProgress, _ reason: String) {
        var progress = given
        guard progress.tries < 2, self.health.preferred != nil, progress.deadline > MonotonicTime.now else {
            return progress.job.answer(.unavailable(reason))
        }
        progress.restart()
        self.waiting.prepend(progress)
    }

    private mutating func take(_ event: LDAPMessageEvent, on index: Int) {
        guard var flight = self.connections[index].searches[event.identifier] else { return }
        switch event.content {
        case .other: return
        case .entry(let entry):
            guard let limit = flight.progress?.job.search.limit else { return }
            flight.progress?.entries.append(entry)
            guard (flight.progress?.entries.count ?? 0) <= limit else {
                self.connections[index].searches[event.identifier] = nil
                self.connections[index].handle.abandon(event.identifier)
                flight.progress?.job.answer(.unavailable("more than \(limit) entries"))
                return
            }
            self.connections[index].searches[event.identifier] = flight
        case .reference(let urls):
            flight.progress?.references += urls.prefix(10)
            self.connections[index].searches[event.identifier] = flight
        case .result(let result):
            self.connections[index].searches[event.identifier] = nil
            if let progress = flight.progress { self.finish(progress, result, on: index) }
        }
    }

    private mutating func finish(_ given: JobProgress, _ result: LDAPResult, on index: Int) {
        var progress = given
        let server = self.connections[index].server
        let name = self.settings.servers[server].url
        self.loop.lastServer.withLock { $0 = name }
        switch result.code {
        case LDAPResult.success where !result.cookie.isEmpty:
            progress.cookie = result.cookie
            progress.deadline = MonotonicTime.now + self.settings.timeouts.total.milliseconds
            self.send(progress, on: index, MonotonicTime.now)
        case LDAPResult.success:
            progress.job.answer(self.answer(progress, name))
        case LDAPResult.noSuchObject where progress.job.search.base != nil:
            progress.job.answer(.notFound)
        case LDAPResult.noSuchObject:
            // The site's own base: the server is empty or hides it, and cannot say that anybody is unknown.
            progress.job.answer(.unavailable("\(name), search: the base \"\(self.settings.base)\" is not there"))
        case LDAPResult.sizeLimitExceeded:
            progress.job.answer(.unavailable("\(name), search: more entries than the server or the hub allows"))
        case LDAPResult.referral:
            let urls = result.referrals.joined(separator: " ")
            progress.job.answer(.unavailable("\(name), search: refers to \(urls), which is not followed"))
        case LDAPResult.elsewhere where self.health.alternative(to: server) != nil:
            progress.avoided = server
            self.tryAgain(progress, "\(name), search: \(result.text)")
        default:
            progress.job.answer(.unavailable("\(name), search: \(result.text)"))
        }
    }

    private mutating func answer(_ progress: JobProgress, _ server: String) -> Lookup<[DirectoryEntry]> {
        for url in progress.references where self.toldReferences.count < 100 && self.toldReferences.insert(url).inserted
        {
            self.loop.logger.notice(
                "directory refers to another server, which is not followed",
                metadata: ["host": "\(server)", "referral": "\(url)"]
            )
        }
        guard progress.entries.isEmpty else { return .found(progress.entries) }
        // Every domain of an Active Directory refers to its DNS and configuration partitions, where no recipients are.
        guard progress.references.isEmpty || self.settings.profile == .activeDirectory else {
            let urls = progress.references.joined(separator: " ")
            return .unavailable("\(server), search: part of the answer is at \(urls), which is not followed")
        }
        return .notFound
    }
}
